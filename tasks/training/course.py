"""What practice and exam share: whose terms hold, and the page that is given out."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from marketplace.core import clock
from marketplace.labels import schema as label_schema
from marketplace.models import Project
from tasks import gold
from tasks.models import Answer, Assignment, Batch
from workers.models import Worker


def latest_with(project: Project, size: str) -> Batch | None:
    """The newest batch that is open for work and has this: `practice_size` or `exam_size`."""
    return project.batches.workable().filter(**{f"{size}__gt": 0}).order_by("-pk").first()


def give_out(
    worker: Worker, batch: Batch, purpose: str, attempt: int, tasks: Sequence[int], pay: Sequence[tuple[int, int]]
) -> Assignment:
    """A page of gold for one person; `pay` is the price and fee of each position."""
    at, guideline = clock.now(), batch.project.guidelines.order_by("-version").first()
    is_exam = purpose == Assignment.Purpose.EXAM
    page = Assignment.objects.create(
        worker=worker,
        project=batch.project,
        batch=batch,
        purpose=purpose,
        attempt=attempt,
        guideline_version=guideline.version if guideline else 0,
        claimed_at=at,
        leased_until=at + timedelta(seconds=batch.exam_s if is_exam else batch.lease_s),
    )
    Answer.objects.bulk_create(
        Answer(
            assignment=page,
            position=position,
            task_id=task,
            worker=worker,
            batch=batch,
            attempt=attempt,
            price_micros=price_micros,
            fee_micros=fee_micros,
        )
        for position, (task, (price_micros, fee_micros)) in enumerate(zip(tasks, pay, strict=True))
    )
    page.is_new = True
    return page


def is_right(value: Any, truth: dict[str, Any], schema: dict[str, Any]) -> bool:
    """Whether an answer, which may be any JSON, has every known field right."""
    if value is None or label_schema.validate(schema, value):
        return False
    return all(gold.right(value, truth, schema).values())
