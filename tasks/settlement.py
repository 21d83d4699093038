"""Pay for accepted answers: some ten thousand at a time, each exactly once."""

from django.db import connection, transaction

from payments import ledger
from payments.models import Reserve
from tasks import fair_pay
from tasks.models import Batch
from workers import totals

SETTLE_STEP = 50_000  # so that few workers are paid by many transfers; about a second

OWED = "state IN ('accepted', 'excluded') AND entry_id IS NULL AND price_micros > 0"
# From one batch to the next: what is behind the first answer of each is not read
OWING = f"""
WITH RECURSIVE owing AS (
    (SELECT batch_id FROM tasks_answer WHERE {OWED} ORDER BY batch_id LIMIT 1)
    UNION ALL
    SELECT (SELECT batch_id FROM tasks_answer WHERE {OWED} AND batch_id > owing.batch_id ORDER BY batch_id LIMIT 1)
    FROM owing WHERE batch_id IS NOT NULL)
SELECT batch_id FROM owing WHERE batch_id IS NOT NULL
"""
# Summed where the rows are: what leaves the database is one row a worker, and the keys of the answers to stamp
LOCK_AND_SUM = f"""
WITH owed AS MATERIALIZED (
    SELECT id, worker_id, price_micros, fee_micros, attempt FROM tasks_answer WHERE batch_id = %s AND {OWED}
    ORDER BY id LIMIT %s FOR NO KEY UPDATE SKIP LOCKED),
sums AS (
    SELECT worker_id, sum(price_micros)::bigint AS reward, sum(fee_micros)::bigint AS fee, array_agg(id) AS answers,
        count(*) FILTER (WHERE attempt = 0) AS worked,
        coalesce(sum(price_micros) FILTER (WHERE attempt = 0), 0)::bigint AS work_micros
    FROM owed GROUP BY worker_id)
SELECT worker.user_id, reward, fee, answers, worker.id, worked, work_micros
FROM sums JOIN workers_worker worker ON worker.id = sums.worker_id
"""
# user, reward and fee in micros, answers, worker; of the answers those of work, and their prices
Sums = list[tuple[int, int, int, list[int], int, int, int]]


def waiting() -> list[int]:
    """Batches with accepted answers that are not paid yet."""
    with connection.cursor() as sql:
        sql.execute(OWING)
        return [batch for (batch,) in sql.fetchall()]


@transaction.atomic
def settle(batch: int, limit: int = SETTLE_STEP) -> bool:
    """Move the price and fee of accepted, unsettled answers of a batch out of its reserve; True: ask again.

    An answer is paid once because its entry was null under the lock that this transaction holds.
    """
    with connection.cursor() as sql:
        sql.execute(LOCK_AND_SUM, [batch, limit])
        sums: Sums = sql.fetchall()
    answers = [answer for _, _, _, of_worker, *_ in sums for answer in of_worker]
    if answers:
        _pay(batch, sums, sorted(answers))
    return len(answers) == limit


def _pay(batch: int, sums: Sums, answers: list[int]) -> None:
    rewards = {user: reward for user, reward, *_ in sums}
    fee_micros = sum(fee for _, _, fee, *_ in sums)
    reserve = Reserve.objects.select_related("account", "project").get(subject=Batch(pk=batch).subject)
    worked = ((worker, n, micros, reward - micros) for _, reward, _, _, worker, n, micros in sums)
    fair_pay.note_paid(batch, worked)
    facts = {"project": reserve.project.public_id, "answers": len(answers)}
    entry = ledger.post_settlement(f"settle:{batch}:{answers[0]}", reserve.account, rewards, fee_micros, facts=facts)
    home = reserve.project.organisation_id
    totals.add((home, worker, len(given), 0) for _, _, _, given, worker, *_ in sums)
    with connection.cursor() as sql:
        sql.execute("UPDATE tasks_answer SET entry_id = %s WHERE id = ANY(%s)", [entry.pk, answers])
