"""Labels to rows: only what changed is written, and what was is kept."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from django.db import connection

from marketplace.core import clock, copying, strictjson
from tasks import consolidations
from tasks.consensus.labelled import Labelled
from tasks.models import Batch

SAME = 1e-4  # a posterior that moved less is not written again
ANALYSED = 5_000  # rows from which on the planner must know how many there are

# One table a connection, emptied at each commit: making one each time would bloat the catalogue.
FRESH = """
CREATE TEMPORARY TABLE IF NOT EXISTS tasks_fresh (
    task_id bigint, code smallint, place integer, support integer, confidence real, method smallint, posterior real[])
ON COMMIT DELETE ROWS
"""
COPY = "COPY tasks_fresh ({columns}) FROM STDIN (FORMAT BINARY)"
NEW = """
SELECT f.task_id, f.code, (%(values)s::jsonb -> f.place) AS value, f.support,
    nullif(f.confidence, 'NaN') AS confidence,
    CASE WHEN m.name <> %(foreign)s THEN f.posterior END AS posterior, m.name AS method, m.version
FROM tasks_fresh f JOIN unnest(%(methods)s::text[], %(versions)s::text[]) WITH ORDINALITY AS m (name, version, number)
    ON m.number = f.method + 1
"""
KEEP = "INSERT INTO tasks_consensuschange (task_id, field, value, confidence, support, method, version, at)"
OLD = "SELECT c.task_id, c.field, c.value, c.confidence, c.support, c.method, c.version, %(at)s"
FLIPPED = f"""
{KEEP} {OLD} FROM ({NEW}) n JOIN tasks_consensus c ON c.task_id = n.task_id AND c.field = %(field)s
WHERE c.value IS DISTINCT FROM n.value ORDER BY c.task_id RETURNING task_id
"""
UPSERT = f"""
INSERT INTO tasks_consensus AS c
    (task_id, field, value, code, posterior, confidence, support, method, version, updated_at)
SELECT n.task_id, %(field)s, n.value, n.code, n.posterior, n.confidence, n.support, n.method, n.version, %(at)s
FROM ({NEW}) n ORDER BY n.task_id
ON CONFLICT (task_id, field) DO UPDATE SET value = excluded.value, code = excluded.code,
    posterior = excluded.posterior, confidence = excluded.confidence, support = excluded.support,
    method = excluded.method, version = excluded.version, updated_at = excluded.updated_at
WHERE (c.value, c.support, c.method, c.version) IS DISTINCT FROM
        (excluded.value, excluded.support, excluded.method, excluded.version)
    OR (c.confidence IS NULL) <> (excluded.confidence IS NULL)
    OR abs(c.confidence - excluded.confidence) > {SAME}
    OR (SELECT max(abs(was - now)) FROM unnest(c.posterior, excluded.posterior) AS share (was, now)) > {SAME}
"""
# Labels of tasks that were looked at and all of whose answers are gone
UNANSWERED = f"""
WITH gone AS (
    DELETE FROM tasks_consensus c USING tasks_task t
    WHERE t.id = c.task_id AND t.batch_id = %(batch)s {{among}} AND c.field = %(field)s
        AND NOT EXISTS (SELECT FROM tasks_fresh f WHERE f.task_id = c.task_id)
    RETURNING c.*)
{KEEP} {OLD} FROM gone c
"""
AMONG = "AND t.id = ANY(%(among)s::bigint[])"


def write(batch: Batch, fields: Sequence[Labelled], among: Sequence[int] | None = None) -> set[int]:
    """Bring the consensus rows up to date; return the tasks whose label is now another.

    among  the tasks that were looked at, of which these are all labels; None: all of the batch
    """
    with connection.cursor() as sql:
        sql.execute(FRESH)
    flipped: set[int] = set()
    for one in fields:
        flipped |= _write(batch, one, among)
    return flipped


def _write(batch: Batch, one: Labelled, among: Sequence[int] | None) -> set[int]:
    _copy(one)
    named: dict[str, Any] = {
        "batch": batch.pk,
        "among": list(among or ()),
        "field": one.name,
        "at": clock.now(),
        "foreign": consolidations.METHOD,  # of which our posterior says nothing
        "values": strictjson.dumps(list(one.values)),
        "methods": [name for name, _ in one.methods],
        "versions": [version for _, version in one.methods],
    }
    with connection.cursor() as sql:
        if len(one.tasks) > ANALYSED:
            sql.execute("ANALYZE tasks_fresh")
        sql.execute(FLIPPED, named)
        flipped = {row[0] for row in sql.fetchall()}
        sql.execute(UPSERT, named)
        sql.execute(UNANSWERED.format(among="" if among is None else AMONG), named)
        sql.execute("TRUNCATE tasks_fresh")
    return flipped


def _copy(one: Labelled) -> None:
    columns = {
        "task_id": one.tasks.astype("i8"),
        "code": one.code.astype("i2"),
        "place": (one.code if one.posterior is not None else np.arange(len(one.tasks))).astype("i4"),
        "support": one.support.astype("i4"),
        "confidence": one.confidence.astype("f4"),
        "method": one.method.astype("i2"),
    }
    if one.posterior is not None:
        columns["posterior"] = one.posterior.astype("f4")
    copying.write(COPY.format(columns=", ".join(columns)), columns)
