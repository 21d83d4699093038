"""What a file may do wrong: every bad row is named by line, column and what was expected, and no good row is lost."""

import tracemalloc

import pytest

from marketplace import datasets
from marketplace.imports import FORMATS
from marketplace.models import Item, ItemAlias
from tests import make

pytestmark = pytest.mark.django_db

DEEP = "[" * 60 + "]" * 60
HUGE = "9" * 5_000
CASES = {
    "a cell that is no UTF-8": ("csv", "id,a,b\nk1,ok,caf\xe9\n".encode("latin-1"), (2, "b", "encoding", "not UTF-8")),
    "half a surrogate pair": ("csv", b"id,a\nk1,\xed\xa0\x80\n", (2, "a", "encoding", "not UTF-8")),
    "a NUL": ("csv", b"id,a\nk1,x\0y\n", (2, "a", "nul", "NUL")),
    "too few cells": ("csv", b"id,a,b\nk1,x\n", (2, "", "cells", "2 cells where the header has 3")),
    "too many cells": ("csv", b"id,a,b\nk1,x,y,z\n", (2, "", "cells", "4 cells where the header has 3")),
    "no key": ("csv", b"id,a\n ,x\n", (2, "id", "key", "1 to 200 characters")),
    "nothing to show": ("csv", b"id,a\nk1,\n", (2, "", "empty", "nothing to show")),
    "an open quote": ("csv", b'id,a\nk1,"x\n', (2, "", "csv", "never closed")),
    "a quote in a cell": ("csv", b'id,a\nk1,"x"y\n', (2, "", "csv", "write a quote inside quotes twice")),
    "a lone CR": ("csv", b"id,a\nk1,x\rk2,y\n", (2, "", "csv", "LF or CRLF")),
    "too long a row": ("csv", b"id,a\nk1," + b"x" * 1_100 + b"\n", (2, "", "too-long", "more than 1,000 bytes")),
    "JSON that is no UTF-8": ("jsonl", '{"a": "caf\xe9"}'.encode("latin-1"), (1, "", "json", "byte 11 is not UTF-8")),
    "JSON with half a pair": ("jsonl", b'{"a": "\\ud800"}', (1, "", "json", "half a surrogate pair")),
    "JSON with a NUL": ("jsonl", b'{"a": "\\u0000"}', (1, "", "json", "NUL")),
    "a NUL in JSON": ("jsonl", b'{"a": "x\0y"}', (1, "", "json", "at character 9")),
    "NaN": ("jsonl", b'{"id": "k", "a": NaN}', (1, "", "json", "NaN is not JSON")),
    "Infinity": ("jsonl", b'{"id": "k", "a": [-Infinity]}', (1, "", "json", "-Infinity is not JSON")),
    "a number beyond all": ("jsonl", b'{"a": 1e999}', (1, "", "json", "the number 1e999 is too large")),
    "a huge whole number": ("jsonl", f'{{"a": {HUGE[:900]}}}'.encode() * 2, (1, "", "too-long", "1,000 bytes")),
    "deep nesting": ("jsonl", f'{{"a": {DEEP}}}'.encode(), (1, "", "json", "nested deeper than 50")),
    "a name twice": ("jsonl", b'{"a": 1, "a": 2}', (1, "", "json", "the key 'a' stands twice")),
    "no name": ("jsonl", b'{"id": "k", "": 2}', (1, "", "name", "1 to 200 characters")),
    "no object": ("jsonl", b'["a"]', (1, "", "object", "must be a JSON object")),
    "a cut line": ("jsonl", b'{"id": "k", "a": "x', (1, "", "json", "at character 18")),
    "a mark in the middle": ("jsonl", b'{"id": "0", "a": "0"}\n\xef\xbb\xbf{"a": 1}', (2, "", "json", "not JSON")),
    "a key of another type": ("jsonl", b'{"id": 1.5, "a": 1}', (1, "id", "key", "a text or a whole number")),
    "no key in JSON": ("jsonl", b'{"a": 1}', (1, "id", "key", "there must be a key")),
}
GOOD = {"csv": b"good,fine\n", "jsonl": b'\n{"id": "good", "a": "fine"}\n'}


@pytest.mark.parametrize("case", CASES)
def test_a_bad_row_is_named_and_the_good_one_after_it_taken(settings, case):
    settings.IMPORT_ROW_MOST_BYTES = 1_000
    format, raw, (line, column, code, said) = CASES[case]
    good = (
        GOOD[format].replace(b",", b"," * (raw.split(b"\n")[0].count(b",") or 1)) if format == "csv" else GOOD[format]
    )
    run = make.ended(make.import_of(raw + good, format=format, key_column="id"))
    (bad,) = run.bad_rows.all()
    assert (bad.line, bad.column, bad.code) == (line, column, code)
    assert said in bad.message
    assert (run.state, run.bad) == ("done", 1)
    assert ItemAlias.objects.filter(dataset=run.dataset, key="good").exists()


def test_a_whole_number_with_more_digits_than_python_reads_is_a_problem_of_its_line():
    run = make.ended(make.import_of(f'{{"a": {HUGE}}}\n{{"a": {"9" * 4_000}}}', format="jsonl"))
    assert [(bad.line, bad.message) for bad in run.bad_rows.all()] == [(1, f"the number {'9' * 40} is too large")]
    assert Item.objects.get().payload == {"a": int("9" * 4_000)}


@pytest.mark.parametrize(
    ("raw", "said"),
    [
        (b"", "the file is empty"),
        (b"\xef\xbb\xbf", "the first line is blank"),
        ("id,a\n1,x\n".encode("utf-16"), "UTF-16; save it as UTF-8"),
        ("id,a\n1,x\n".encode("utf-32"), "save it as UTF-8"),
        ("id,a\n1,x\n".encode("utf-16-le"), "NUL"),
        ("id,caf\xe9\n1,x\n".encode("latin-1"), "column 2 of the header: the cell is not UTF-8"),
        (b"id,a,a\n1,x,y\n", "names the column 'a' twice"),
        (b"a,b\n1,x\n", "the header has no column 'id'; it has a, b"),
        (b"id,a\r1,x\r", "LF or CRLF"),
        (b"id,a\r" + b"1,x\r" * 1_000, "LF or CRLF"),
        (b'id,"a\n1,x\n', "never closed"),
    ],
)
def test_a_file_of_which_no_row_can_be_read_fails_and_leaves_nothing(settings, raw, said):
    settings.IMPORT_ROW_MOST_BYTES = 1_000
    run = make.ended(make.import_of(raw, key_column="id"))
    run.dataset.refresh_from_db()
    assert said in run.failure
    assert (run.state, run.good, run.bad, run.dataset.version, Item.objects.count()) == ("failed", 0, 0, 0, 0)


def test_a_truth_column_that_the_header_lacks_fails_the_file():
    project = make.project()
    options = {"truth_columns": {"truth": "animal"}, "project": project}
    run = make.ended(make.import_of("id,a\n1,x\n", project.organisation, **options))
    assert (run.state, run.failure) == ("failed", "the header has no column 'truth'; it has id, a")


@pytest.mark.parametrize("cell", ["=1+1", "@SUM(A1)", "+1", "-1", " =x", "\t=x", "'=x"])
def test_what_a_spreadsheet_would_run_is_kept_to_the_letter(cell):
    run = make.ended(make.import_of(f'id,a\nk1,"{cell}"\n', key_column="id"))
    assert (run.bad, Item.objects.get().payload) == (0, {"a": cell})


@pytest.mark.parametrize("format", FORMATS)
@pytest.mark.parametrize("end", [b"\nlast,x\n", b""])
def test_a_line_of_a_hundred_megabytes_is_passed_over_without_being_held(tmp_path, format, end):
    path = tmp_path / "rows"
    with path.open("wb") as file:
        file.write(b"id,a\n")
        for _ in range(100):
            file.write(b"x" * 1_000_000)
        file.write(end)
    reader = FORMATS[format]
    with path.open("rb") as file:
        tracemalloc.start()
        found = list(reader.rows(file, reader.start(file, 1_000_000), 1_000_000))
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
    assert [getattr(row.value, "code", "row") for row in found if row.line == 2] == ["too-long"]
    assert found[-1].end == path.stat().st_size
    assert peak < 10_000_000


def test_a_quote_left_open_on_every_line_does_not_make_a_step_long(settings, monkeypatch):
    """Behind each of them may stand a row of many lines, so that all are read again and again; a step reads so much."""
    settings.IMPORT_ROW_MOST_BYTES = 1_000
    monkeypatch.setattr(datasets, "STEP_MOST_BYTES", 10_000)
    run = make.import_of("a,b\n" + 'x","\n' * 1_000)
    assert datasets.import_step(run.pk)
    run.refresh_from_db()
    assert (run.line, run.bad) == (11, 10)
