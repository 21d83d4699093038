"""What a reviewer sees: the item, the label and the answers side by side, and nothing of who gave them."""

import hashlib
from dataclasses import dataclass
from typing import Any

from django.conf import settings

from marketplace.models import Guideline, Item
from tasks.models import Answer, Consensus, Review
from tasks.reviews import rows

ANSWERS_SHOWN = 26  # as many as there are letters
DECIDED = [Review.State.GIVEN, Review.State.FINAL, Review.State.SENT_BACK, Review.State.VOID]


@dataclass(frozen=True)
class Seen:
    """An answer, or what a reviewer said, under a letter or number."""

    name: str
    value: dict[str, Any]


@dataclass(frozen=True)
class Sureness:
    """How sure a label was, field by field; told after the verdict."""

    field: str
    value: Any
    confidence: float | None
    support: int
    method: str


@dataclass(frozen=True)
class Case:
    """One label with what there is to judge it by.

    label     field -> value: as it stands, or as it was shown to whoever holds it
    answers   those that count, in an order that is the same at each look and tells nothing
    verdicts  in the second tier, what the first two said
    sureness  empty until the one who asks has decided
    """

    review: Review
    item: Item
    guideline: Guideline | None
    label: dict[str, Any]
    answers: list[Seen]
    verdicts: list[Seen]
    sureness: list[Sureness]

    @property
    def is_decided(self) -> bool:
        return self.review.state in DECIDED


def case(review: Review) -> Case:
    """The review with everything a verdict needs in view; needs `batch`, `task.item` and `project` loaded."""
    is_decided = review.state in DECIDED
    given = Review.objects.filter(task=review.task_id, tier=1, state=Review.State.GIVEN) if review.tier == 2 else None
    return Case(
        review=review,
        item=review.task.item,
        guideline=review.project.guidelines.first(),
        label=rows.label(review.task_id, review.batch.schema) if review.label is None else review.label,
        answers=_answers(review),
        verdicts=[Seen(str(n), row.value or {}) for n, row in enumerate(given.order_by("public_id"), 1)]
        if given is not None
        else [],
        sureness=_sureness(review) if is_decided else [],
    )


def _answers(review: Review) -> list[Seen]:
    """The answers that count, by letters that say nothing of when they came."""
    counted = Answer.objects.counted().filter(task=review.task_id, attempt=0)
    if review.decided_at:  # what came later was not in view
        counted = counted.filter(submitted_at__lte=review.decided_at)
    mixed = sorted(counted.values_list("pk", "value"), key=lambda row: _mix(review.public_id, row[0]))
    return [Seen(chr(ord("A") + n), value or {}) for n, (_, value) in enumerate(mixed[:ANSWERS_SHOWN])]


def _sureness(review: Review) -> list[Sureness]:
    kept = Consensus.objects.filter(task=review.task_id).order_by("field")
    return [Sureness(row.field, row.value, row.confidence, row.support, row.method) for row in kept]


def _mix(review: str, answer: int) -> bytes:
    return hashlib.blake2b(f"{review}:{answer}".encode(), key=settings.SECRET_KEY.encode()[:64]).digest()
