"""What reviewers said the labels are, for consensus."""

from collections.abc import Sequence
from typing import Any, NamedTuple

from tasks.models import Batch, Review


class Verdict(NamedTuple):
    """What is right, by the verdict that is final.

    value  field -> value; fields that it does not name are left to the answers
    rate   with which probability the label was drawn at random; None: it was looked at for another reason alone, and
           says nothing of the labels that were not
    """

    value: dict[str, Any]
    rate: float | None

    @property
    def sampled(self) -> bool:
        return self.rate is not None


def verdicts(batch: Batch, tasks: Sequence[int] | None = None) -> dict[int, Verdict]:
    """The final verdict of every task of a batch that has one, or of every one of these, in one query."""
    final = Review.objects.filter(batch=batch, state=Review.State.FINAL)
    if tasks is not None:
        final = final.filter(task__in=tasks)
    return {task: Verdict(value or {}, rate) for task, value, rate in final.values_list("task", "value", "rate")}
