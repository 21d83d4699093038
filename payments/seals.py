"""Seals: transfers to which none can be added any more, under a digest, with the totals of their accounts.

What is sealed is taken for granted by the audit of every night, which reads only what came since; `--full` reads all.

Only what `payments.months` has counted is sealed: no transfer with such a key can appear any more, however late it
commits. A transaction that stays open delays a seal and spoils none.
"""

from typing import Any

from django.db import connection, transaction

from marketplace.core import clock
from payments.models import Counting, SealedCheckpoint

SEAL_STEP = 100_000  # transfers of a checkpoint: what is read to check one digest
LAST = """SELECT max(id) FROM (
    SELECT id FROM payments_transfer WHERE id > %(after)s AND id <= %(upto)s ORDER BY id LIMIT %(limit)s) step"""
# All of a transfer and of its entry; a digest holds the one before, so that none can be exchanged alone
DIGEST = """
SELECT encode(sha256(convert_to(%(before)s || coalesce(string_agg(line, E'\\n' ORDER BY id), ''), 'UTF8')), 'hex'),
       count(*)
FROM (SELECT transfer.id, concat_ws('|', transfer.id, entry_id, entry.key, entry.kind, md5(entry.facts::text), debit_id,
             credit_id, amount_micros, currency, mode, extract(epoch FROM transfer.created_at)) AS line
      FROM payments_transfer transfer JOIN payments_entry entry ON entry.id = entry_id
      WHERE transfer.id > %(after)s AND transfer.id <= %(upto)s) sealed
"""
# What each account had by the checkpoint before it moved, and what it moved
SUMS = """
SELECT moved.id, coalesce(earlier.debits_micros, 0) + moved.outward AS debits,
       coalesce(earlier.credits_micros, 0) + moved.inward AS credits
FROM (SELECT id, sum(outward)::bigint AS outward, sum(inward)::bigint AS inward
      FROM (SELECT debit_id AS id, amount_micros AS outward, 0 AS inward FROM payments_transfer
            WHERE id > %(after)s AND id <= %(upto)s
            UNION ALL
            SELECT credit_id, 0, amount_micros FROM payments_transfer WHERE id > %(after)s AND id <= %(upto)s) sides
      GROUP BY id) moved
LEFT JOIN LATERAL (SELECT debits_micros, credits_micros FROM payments_sealedtotal total
                   WHERE total.account_id = moved.id AND total.checkpoint_id < %(checkpoint)s
                   ORDER BY total.checkpoint_id DESC LIMIT 1) earlier ON true
"""
KEEP_TOTALS = f"""
INSERT INTO payments_sealedtotal (checkpoint_id, account_id, debits_micros, credits_micros)
SELECT %(checkpoint)s, id, debits, credits FROM ({SUMS}) sums
"""
WRONG_TOTAL = f"""
SELECT coalesce(sums.id, kept.account_id) FROM ({SUMS}) sums
FULL JOIN (SELECT account_id, debits_micros, credits_micros FROM payments_sealedtotal
           WHERE checkpoint_id = %(checkpoint)s) kept ON kept.account_id = sums.id
WHERE (sums.debits, sums.credits) IS DISTINCT FROM (kept.debits_micros, kept.credits_micros) ORDER BY 1 LIMIT 1
"""
GAP = """
SELECT checkpoint.after_id FROM payments_sealedcheckpoint checkpoint
LEFT JOIN payments_sealedcheckpoint earlier ON earlier.upto_id = checkpoint.after_id
WHERE checkpoint.after_id <> 0 AND earlier.id IS NULL ORDER BY 1 LIMIT 1
"""


def sealed_upto() -> int:
    """The last transfer that is sealed; 0: none is."""
    return SealedCheckpoint.objects.order_by("-upto_id").values_list("upto_id", flat=True).first() or 0


@transaction.atomic
def seal(limit: int = SEAL_STEP) -> bool:
    """Seal the next transfers that are counted by months; True while there are more to seal.

    Called where the audit has just found nothing wrong.
    """
    counting = Counting.objects.select_for_update(no_key=True).first()
    if counting is None:
        return False
    after = sealed_upto()
    (upto,) = _row(LAST, after=after, upto=counting.counted_id, limit=limit)
    if upto is None:
        return False
    _seal(after, upto)
    return upto < counting.counted_id


def broken(full: bool = False) -> list[str]:
    """Checkpoints that no longer say what they sealed: of one that takes turns day by day, or of all of them."""
    checkpoints = list(SealedCheckpoint.objects.order_by("upto_id"))
    found = [f"a checkpoint before transfer {gap + 1} is missing" for (gap,) in _rows(GAP)]
    digests = ["", *(checkpoint.digest for checkpoint in checkpoints)]
    places = range(len(checkpoints))
    if not full and checkpoints:
        places = range(turn := clock.now().toordinal() % len(checkpoints), turn + 1)
    for place in places:
        found += _changed(checkpoints[place], digests[place])
    return found


def _seal(after: int, upto: int) -> None:
    last = SealedCheckpoint.objects.order_by("-upto_id").first()
    digest, transfers = _row(DIGEST, before=last.digest if last else "", after=after, upto=upto)
    checkpoint = SealedCheckpoint.objects.create(
        after_id=after, upto_id=upto, transfers=transfers, digest=digest, sealed_at=clock.now()
    )
    with connection.cursor() as cursor:
        cursor.execute(KEEP_TOTALS, {"checkpoint": checkpoint.pk, "after": after, "upto": upto})


def _changed(checkpoint: SealedCheckpoint, before: str) -> list[str]:
    """What became of one checkpoint since it was sealed."""
    span = {"after": checkpoint.after_id, "upto": checkpoint.upto_id}
    digest, transfers = _row(DIGEST, before=before, **span)
    found = []
    if digest != checkpoint.digest:
        found.append(
            f"transfers {checkpoint} are not what was sealed on {checkpoint.sealed_at:%Y-%m-%d}: "
            f"{checkpoint.transfers} of them were, {transfers} are there"
        )
    found += [
        f"account {account}: its sealed totals in transfers {checkpoint} are not what these moved"
        for (account,) in _rows(WRONG_TOTAL, checkpoint=checkpoint.pk, **span)
    ]
    return found


def _rows(query: str, **values: Any) -> list[Any]:
    with connection.cursor() as cursor:
        cursor.execute(query, values or None)
        return cursor.fetchall()


def _row(query: str, **values: Any) -> Any:
    return _rows(query, **values)[0]
