"""Time itself goes wrong: clocks that disagree, and a snapshot that never ends."""

import time
from datetime import timedelta
from random import Random
from statistics import median

import numpy as np
import psycopg
from django.db.models import F

from marketplace.core import clock, money
from payments import reserves
from tasks.models import Answer, Assignment, Batch, Task
from tests.faults.ground import Stage
from tests.faults.load import Person, Seen, at_work, problems, published, with_keys
from tests.faults.outcome import Outcome
from tests.tasks import work

AHEAD_S = 600
LEASE_S, ACCEPT_AFTER_S = 120, 300
SLOWER = 1.5  # the p95 of claims beside an old snapshot, at most
MEASURE_S = 4.0
GONE_BY = 20_000  # tasks that were taken since the old snapshot began


def old_snapshot(stage: Stage, rng: Random, times: int) -> Outcome:
    """F16: claims beside a snapshot that was taken before 20,000 others; so many pairs of measurements."""
    batch = published(1, page_size=1, redundancy_min=1, redundancy_max=1)
    many_more(stage, batch.pk, 2 * GONE_BY)
    seen, ratios = Seen(is_calm=True), []
    stage.web()
    crowd = [Person(stage.ports(), seen, work.worker(f"worker{n}")) for n in range(4)]
    measure(crowd, batch, seen, 2)  # warm
    for _ in range(times):
        before = measure(crowd, batch, seen, MEASURE_S)
        with psycopg.connect(stage.url) as old:
            old.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ")
            old.execute("SELECT count(*) FROM tasks_task")
            head = Task.objects.filter(batch=batch, open=True).order_by("pos").values_list("pk", flat=True)[:GONE_BY]
            gone = list(head)
            Task.objects.filter(pk__in=gone).update(taken=F("bought"))  # as if others had them
            measure(crowd, batch, seen, 1)  # every cursor is past them
            ratios.append(measure(crowd, batch, seen, MEASURE_S) / before)
        Task.objects.filter(pk__in=gone).update(taken=0)
        Batch.objects.filter(pk=batch.pk).update(queue_epoch=F("queue_epoch") + 1)
        stage.ask("VACUUM tasks_task")
    slower = median(ratios)
    found = [] if slower <= SLOWER else [f"claims take {slower:.2f} times as long beside an old snapshot"]
    return Outcome(f"{len(seen.claim_s)} claims; p95 x {slower:.2f}", times, [*found, *problems(seen)])


def measure(crowd: list[Person], batch: Batch, seen: Seen, seconds: float) -> float:
    """The p95 of claims while they work this long, in seconds."""
    first = len(seen.claim_s)
    with at_work(crowd, batch.project):
        time.sleep(seconds)
    return float(np.percentile(seen.claim_s[first:], 95))


def many_more(stage: Stage, batch: int, count: int) -> None:
    """So many more tasks in random order, neighbours in the queue far apart on the disk, and the money for them."""
    stage.ask(
        """WITH made AS (
               INSERT INTO marketplace_item (dataset_id, version, payload, content_hash)
               SELECT b.dataset_id, 1, jsonb_build_object('text', n), decode(md5(n::text), 'hex')
               FROM tasks_batch b, generate_series(1, %s) n WHERE b.id = %s RETURNING id)
           INSERT INTO tasks_task (batch_id, item_id, state, priority, pos, bought, taken)
           SELECT %s, id, 'open', 0, place, 1, 0
           FROM (SELECT id, row_number() OVER (ORDER BY md5(id::text)) AS place FROM made) AS shuffled ORDER BY id""",
        [count, batch, batch],
    )
    stage.ask("VACUUM ANALYZE tasks_task")  # as a table that has grown is, in time
    terms = Batch.objects.get(pk=batch)
    reserves.add(
        terms.subject, "answers", count * (terms.price_micros + money.fee_micros(terms.price_micros, terms.fee_bp))
    )


def clocks_apart(stage: Stage, rng: Random, times: int) -> Outcome:
    """F9: one web server ten minutes ahead, one ten minutes behind, the cluster ahead; for so many seconds."""
    batch = published(1500, lease_s=LEASE_S, accept_after_s=ACCEPT_AFTER_S)
    seen, began = Seen(is_calm=True), clock.now()
    for shift_s in (AHEAD_S, -AHEAD_S):
        stage.web(shift_s)
    stage.cluster(AHEAD_S)
    crowd = with_keys(stage.ports(), seen, [f"worker{n}" for n in range(8)])
    for person in crowd[:4]:
        person.claim(batch.project)  # and these only hold their pages
    with at_work(crowd[4:], batch.project):
        time.sleep(times)
    found, ended = [], clock.now()
    rows = Assignment.objects.filter(project=batch.project)
    for row in rows:
        if not began <= row.claimed_at <= ended or row.leased_until - row.claimed_at != timedelta(seconds=LEASE_S):
            found.append(f"a lease from {row.claimed_at - began} to {row.leased_until - began} after the beginning")
        if row.submitted_at and not row.claimed_at <= row.submitted_at <= ended:
            found.append(f"a page handed in {row.submitted_at - began} after the beginning")
    if hasty := rows.filter(state="expired").count():
        found.append(f"{hasty} leases expired before their time")
    if hasty := Answer.objects.filter(state="accepted").count():
        found.append(f"{hasty} answers were accepted before their time")
    return Outcome(f"{len(seen.submits)} pages", len(rows), [*found[:3], *problems(seen)])
