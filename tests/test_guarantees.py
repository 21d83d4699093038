"""docs/guarantees.md names real constraints, real functions and real tests."""

import re
from functools import reduce
from importlib import import_module
from pathlib import Path

import pytest
from django.conf import settings
from django.db import connection

ROOT = Path(settings.ROOT)
ROWS = [
    line.strip("| \n").split(" | ")
    for line in (ROOT / "docs" / "guarantees.md").read_text().splitlines()
    if line.startswith("|") and "`" in line
]


def quoted(column: int) -> list[str]:
    return sorted({name for row in ROWS for name in re.findall(r"`([^`]+)`", row[column])})


def test_every_promise_is_kept_by_something_and_proved_by_a_test():
    assert ROWS
    for row in ROWS:
        assert len(row) == 3, row
        assert all("`" in cell for cell in row[1:]), row


def test_every_promise_is_made_once():
    promises = [row[0] for row in ROWS]
    assert sorted(promises) == sorted(set(promises))


@pytest.mark.parametrize("test", quoted(2))
def test_every_named_test_is_there(test):
    path, _, name = test.partition("::")
    assert re.search(rf"^def {name}\(", (ROOT / path).read_text(), re.MULTILINE)


@pytest.mark.parametrize("name", [name for name in quoted(1) if "." in name])
def test_every_named_function_is_there(name):
    parts = name.split(".")
    places = [(n, ROOT / Path(*parts[:n])) for n in range(len(parts), 0, -1)]
    depth = next(n for n, path in places if path.with_suffix(".py").exists() or (path / "__init__.py").exists())
    assert callable(reduce(getattr, parts[depth:], import_module(".".join(parts[:depth]))))


@pytest.mark.django_db
def test_every_named_constraint_is_in_the_database():
    with connection.cursor() as cursor:
        cursor.execute(
            """SELECT conname::text FROM pg_constraint UNION SELECT tgname::text FROM pg_trigger UNION
               SELECT c.relname::text FROM pg_index i JOIN pg_class c ON c.oid = i.indexrelid WHERE i.indisunique"""
        )
        there = {name for (name,) in cursor.fetchall()}
    assert [name for name in quoted(1) if "." not in name and name not in there] == []
