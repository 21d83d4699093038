import csv
import io
import json

import psycopg
import pytest
from django.db import connection

from payments import prepayments
from tasks import jobs
from tasks.exports import csv as csv_file
from tasks.exports import jsonl, labels
from tests import make
from tests.plans import plans
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
    assert {answer["guideline_version"] for answer in row["answers"]} == {0}
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
    with django_assert_max_num_queries(7):
        list(labels.rows(batch))


def small_blocks(monkeypatch):
    monkeypatch.setattr(labels, "FIRST_STEP", 1)
    monkeypatch.setattr(jsonl, "BLOCK_BYTES", 1)
    monkeypatch.setattr(csv_file, "BLOCK_LETTERS", 1)


def written(batch):
    return {"jsonl": jsonl.write(labels.rows(batch)), "csv": csv_file.write(batch, labels.rows(batch))}


def test_steps_and_blocks_of_any_size_make_the_same_file(monkeypatch):
    batch = labelled()
    whole = {kind: list(blocks) for kind, blocks in written(batch).items()}
    small_blocks(monkeypatch)
    monkeypatch.setattr(labels, "STEP_MOST_BYTES", 1)
    parts = {kind: list(blocks) for kind, blocks in written(batch).items()}
    assert {kind: b"".join(blocks) for kind, blocks in parts.items()} == {
        kind: b"".join(blocks) for kind, blocks in whole.items()
    }
    assert [len(blocks) for blocks in whole.values()] == [1, 1]
    assert min(len(blocks) for blocks in parts.values()) >= 3


@pytest.mark.django_db(transaction=True)
@pytest.mark.parametrize("kind", ["jsonl", "csv"])
def test_between_two_blocks_no_transaction_is_open_and_a_cut_download_leaves_none(monkeypatch, kind):
    batch = labelled()
    small_blocks(monkeypatch)
    blocks = written(batch)[kind]
    for _ in range(2):
        assert next(blocks)
        assert connection.connection.info.transaction_status == psycopg.pq.TransactionStatus.IDLE
    blocks.close()
    assert connection.connection.info.transaction_status == psycopg.pq.TransactionStatus.IDLE


def test_a_key_that_looks_like_a_formula_comes_back_as_it_was_but_for_the_table():
    batch = labelled_under("=1+1")
    (row,) = labels.rows(batch)
    assert row["key"] == "=1+1"
    text = b"".join(csv_file.write(batch, [row])).decode("utf-8-sig")
    assert next(csv.DictReader(io.StringIO(text)))["key"] == "'=1+1"


def test_payloads_come_back_to_the_letter():
    payload = {"text": 'Zoë, "quoted"\nand = \u2028', "size": [1, 2.5, None], "deep": {"a": {"b": True}}}
    batch = labelled_under("k", **payload)
    (line,) = b"".join(jsonl.write(labels.rows(batch))).splitlines()
    assert json.loads(line)["payload"] == payload
    text = b"".join(csv_file.write(batch, labels.rows(batch))).decode("utf-8-sig")
    assert json.loads(next(csv.DictReader(io.StringIO(text, newline="")))["payload"]) == payload


TASKS = """
WITH items AS (
    INSERT INTO marketplace_item (dataset_id, content_hash, payload, version)
    SELECT %s, sha256(n::text::bytea), '{}', 1 FROM generate_series(1, 20000) n RETURNING id)
INSERT INTO tasks_task (batch_id, item_id, state, priority, pos, bought, taken)
SELECT %s, id, 'open', 0, id, 3, 0 FROM items"""


def test_a_step_reads_its_own_tasks_and_no_others():
    batch = work.published(items=1)
    with connection.cursor() as cursor:
        cursor.execute(TASKS, [batch.dataset_id, batch.pk])
        cursor.execute("ANALYZE tasks_task, marketplace_item")
    last = batch.tasks.order_by("item_id")[10_000].item_id
    cost = plans.of(lambda: list(labels._tasks(batch, last)[: labels.STEP]))
    assert not cost.scans, cost.told()
    assert cost.buffers < labels.STEP * 5, cost.told()


def test_gold_is_in_no_export():
    batch = work.published(items=2, gold=2)
    assert len(list(labels.rows(batch))) == 2


def labelled_under(key, **payload):
    """A batch of one item with this key."""
    prepayments.request(home := make.organisation(), make.owner(home), 100_000_000, "USD")
    project = make.project(home, guideline="Look closely.", redundancy_min=1, redundancy_max=1, gold_share=0.0)
    rows = [{"id": key, "text": "item", **payload}]
    return work.publish(project, make.dataset(rows, home, key_column="id"))


def test_unanswered_items_are_in_the_export_without_a_label():
    batch = work.published(items=2)
    assert [row["labels"] for row in labels.rows(batch)] == [{}, {}]
