"""Pay for accepted answers: some thousands at a time, each exactly once."""

from collections import defaultdict

from django.db import transaction
from django.db.models import QuerySet

from payments import ledger
from payments.models import Reserve
from tasks.models import Answer, Batch

SETTLE_STEP = 10_000


def waiting() -> list[int]:
    """Batches with accepted answers that are not paid yet."""
    return list(_owed().order_by("batch").values_list("batch", flat=True).distinct())


@transaction.atomic
def settle(batch: int, limit: int = SETTLE_STEP) -> bool:
    """Move the price and fee of accepted, unsettled answers of a batch out of its reserve; True: ask again.

    An answer is paid once because its entry was null under the lock that this transaction holds.
    """
    answers = _owed().filter(batch=batch).order_by("pk").select_for_update(no_key=True, skip_locked=True, of=("self",))
    rows = list(answers.values_list("pk", "worker__user", "price_micros", "fee_micros")[:limit])
    if rows:
        _settle_batch(batch, rows)
    return len(rows) == limit


def _owed() -> "QuerySet[Answer]":
    return Answer.objects.filter(state__in=["accepted", "excluded"], entry=None, price_micros__gt=0)


def _settle_batch(batch: int, rows: list[tuple[int, int, int, int]]) -> None:
    rewards: dict[int, int] = defaultdict(int)
    for _, user, price, _ in rows:
        rewards[user] += price
    fee_micros = sum(fee for *_, fee in rows)
    reserve = Reserve.objects.select_related("account", "project").get(subject=Batch(pk=batch).subject)
    facts = {"project": reserve.project.public_id, "answers": len(rows)}
    entry = ledger.post_settlement(f"settle:{batch}:{rows[0][0]}", reserve.account, rewards, fee_micros, facts=facts)
    Answer.objects.filter(pk__in=[pk for pk, *_ in rows]).update(entry=entry)
