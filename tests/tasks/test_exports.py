import csv
import io
import json

import pytest

from tasks import jobs
from tasks.exports import csv as csv_file
from tasks.exports import jsonl, labels
from tests.tasks import work

pytestmark = pytest.mark.django_db


def labelled():
    batch = work.published(items=3)
    for name in ("ann", "ben"):
        work.work(work.worker(name), batch, "dog")
    jobs.update_consensus()
    return batch


def test_every_label_carries_where_it_comes_from():
    batch = labelled()
    rows = [json.loads(line) for line in b"".join(jsonl.write(labels.rows(batch))).splitlines()]
    assert [row["key"] for row in rows] == ["1", "2", "3"]
    row = rows[0]
    assert (row["labels"], row["support"], row["state"]) == ({"animal": "dog"}, {"animal": 2}, "closed")
    assert sum(row["posterior"]["animal"].values()) == pytest.approx(1, abs=1e-4)
    assert row["method"]["animal"].startswith("variational")
    assert {answer["worker"][:2] for answer in row["answers"]} == {"w_"}
    assert {answer["guideline_version"] for answer in row["answers"]} == {1}
    assert (row["schema_version"], row["dataset_version"]) == (1, 1)


def test_a_table_has_one_line_a_key():
    batch = labelled()
    text = b"".join(csv_file.write(batch, labels.rows(batch))).decode("utf-8-sig")
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [row["animal"] for row in rows] == ["dog"] * 3
    assert float(rows[0]["animal.confidence"]) > 0.5


@pytest.mark.parametrize("cell", ["=1+1", "+1", "-1", "@sum", " =1", "\t=1", "＝1"])
def test_a_cell_that_a_spreadsheet_would_run_is_defused(cell):
    assert csv_file.defused(cell) == "'" + cell


@pytest.mark.parametrize("cell", ["cat", 3, -3, "", csv_file.Number("-3")])
def test_other_cells_stay_as_they_are(cell):
    assert csv_file.defused(cell) == cell


def test_an_export_reads_in_bounded_steps(django_assert_max_num_queries, monkeypatch):
    batch = labelled()
    with django_assert_max_num_queries(6):
        list(labels.rows(batch))


def test_unanswered_items_are_in_the_export_without_a_label():
    batch = work.published(items=2)
    assert [row["labels"] for row in labels.rows(batch)] == [{}, {}]
