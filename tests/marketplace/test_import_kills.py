"""An import whose process is killed at every point of a step is in the end the same as one that was left alone."""

import json
import subprocess
import sys

import pytest
from django.conf import settings as django_settings
from django.db import connection

from marketplace.models import Item, ItemAlias
from tests import make

pytestmark = pytest.mark.django_db(transaction=True)

ROWS, STEP_ROWS, TRIPS = 2_000, 20, 40  # a step makes some dozen round trips
OPTIONS = {"key_column": "key", "truth_columns": {"truth": "animal"}}


def row(number):
    """Good rows, equal ones under other keys, keys that come twice, truth that comes late or contradicts, nonsense."""
    key, text, truth = f"k{number}", f"text {number}", ""
    match number % 50:
        case 7 | 8:
            text, truth = f"text {number - 3}", "cat"
        case 9:
            text, truth = f"text {number - 5}", "owl"
        case 30:
            key = f"k{number - 29}"
        case 31:
            truth = "zebra"
        case 32:
            text = ""
        case 33:
            key, text = f"k{number - 1_000}", f"text {number - 1_000}"
    return {"key": key, "text": text, "truth": truth}


def as_csv(rows):
    return "key,text,truth\n" + "".join(f"{','.join(cells.values())}\n" for cells in rows)


def as_jsonl(rows):
    return "".join(f"{json.dumps(cells)}\n" for cells in rows)


FORMATS = {"csv": as_csv, "jsonl": as_jsonl}


def begun(format, numbers=range(ROWS)):
    project = make.project()
    content = FORMATS[format](row(number) for number in numbers)
    return make.import_of(content, project.organisation, format=format, project=project, **OPTIONS)


def kill(run, media, seed, *how):
    """Have forks of a process take steps and be killed; how many were."""
    arguments = [connection.settings_dict["NAME"], media, STEP_ROWS, run.pk, seed, TRIPS, *how]
    command = [sys.executable, "-m", "tests.marketplace.killed", *map(str, arguments)]
    done = subprocess.run(command, cwd=django_settings.ROOT, capture_output=True, text=True, timeout=240, check=True)
    assert not done.stderr, done.stderr
    return int(done.stdout)


def outcome(run):
    """All that an import leaves behind, but for numbers that the database gives."""
    items = Item.objects.filter(dataset=run.dataset).order_by("pk")
    aliases = ItemAlias.objects.filter(dataset=run.dataset).order_by("pk")
    return {
        "counts": (run.state, run.good, run.duplicates, run.bad, run.line, run.bytes_done, run.failure),
        "items": [
            (bytes(digest), *rest) for digest, *rest in items.values_list("content_hash", "payload", "truth", "version")
        ],
        "aliases": list(aliases.values_list("key", "version", "item__content_hash")),
        "bad rows": list(run.bad_rows.values_list("line", "column", "code", "message")),
    }


@pytest.mark.parametrize(("format", "seed"), [("csv", 1), ("csv", 2), ("jsonl", 3)])
def test_an_import_killed_at_every_point_ends_as_if_left_alone(settings, format, seed):
    untroubled, run = make.ended(begun(format)), begun(format)
    assert kill(run, settings.MEDIA_ROOT, seed) == TRIPS
    run.refresh_from_db()
    assert (run.state, 0 < run.line < ROWS) == ("running", True), "it was to be killed in the middle"
    assert outcome(make.ended(run)) == outcome(untroubled)
    assert untroubled.good > ROWS / 2
    assert {bad.code for bad in run.bad_rows.all()} == {"duplicate-key", "truth", "truth-conflict", "empty"}


def test_without_one_transaction_for_rows_and_place_it_does_not(settings):
    """The kills above are such that they matter: where the place is committed after the rows, some count twice."""
    good = range(0, 50 * ROWS, 50)  # a bad one twice would be refused by the database
    untroubled, run = make.ended(begun("csv", good)), begun("csv", good)
    assert kill(run, settings.MEDIA_ROOT, 1, "apart") == TRIPS
    assert outcome(make.ended(run))["counts"] != outcome(untroubled)["counts"]
