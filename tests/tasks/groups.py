"""A crowd whose people said something of themselves, and answered yesterday."""

from datetime import timedelta

from django.db.models import F

from tasks import assignments
from tasks.models import Answer
from tests.tasks import work
from workers import self_descriptions
from workers.models import SelfDescription

ITEMS = 12


def asked(people, **terms):
    """A batch that so many people may answer, on a page each."""
    bounds = {"redundancy_min": people, "redundancy_max": people, "page_size": ITEMS}
    return work.published(**{"items": ITEMS, "micros": 1_000_000_000, **bounds, **terms})


def answered(batch, said, answers=lambda person, item: "cat", question="gender", prefix="p"):
    """These people work; each has said this, empty: nothing. Returns them in order, their answers of yesterday."""
    workers = []
    for number, choice in enumerate(said):
        worker = work.worker(f"{prefix}{number}")
        workers.append(worker)
        if choice:
            self_descriptions.say(worker, {question: choice}, consents=True)
        lease = assignments.claim(worker, batch.project)
        held = lease.answers.select_related("task__item")
        items = {one.position: int(one.task.item.payload["text"].split()[-1]) for one in held}
        values = {position: {"animal": answers(number, item)} for position, item in items.items()}
        assignments.submit(lease, values)
    yesterday()
    return workers


def yesterday():
    """Everything that was said and handed in is a day old."""
    Answer.objects.update(submitted_at=F("submitted_at") - timedelta(days=1))
    SelfDescription.objects.update(consented_at=F("consented_at") - timedelta(days=1))


def two_groups(one=12, other=12):
    return ["woman"] * one + ["man"] * other
