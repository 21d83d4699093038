"""Unsure tasks ask for people who are good at what they may be: 6 items, cats or dogs."""

from datetime import timedelta

import numpy as np
import pytest

from marketplace.core import clock
from tasks import assignments, consensus, jobs, wishes
from tasks.aggregation.learned import Learned
from tasks.errors import NoTaskAvailable
from tasks.models import Assignment, Batch, Cursor, Task
from tests.tasks import work
from tests.tasks.test_waiting import answer, tasks
from workers.models import Worker

pytestmark = pytest.mark.django_db


def good_at(person: Worker, batch: Batch, classes: list[int] | None) -> Worker:
    Cursor.objects.update_or_create(worker=person, batch=batch, defaults={"good_at": classes})
    return person


def seen_lately(person: Worker, batch: Batch, took_s: float = 0) -> None:
    """As if they had handed in a page that held none of these tasks."""
    at = clock.now()
    Assignment.objects.create(
        **{"worker": person, "project": batch.project, "batch": batch, "state": "submitted", "guideline_version": 1},
        **{
            "public_id": f"asg_{person.pk}",
            "leased_until": at,
            "submitted_at": at,
            "claimed_at": at - timedelta(seconds=took_s),
        },
    )


def claimed(person: Worker, batch: Batch) -> set[int]:
    try:
        lease = assignments.claim(person, batch.project)
    except NoTaskAvailable:
        return set()
    found = set(lease.answers.values_list("task", flat=True))
    assignments.give_back(lease)
    return found


def unsure(**terms) -> Batch:
    """All agree about 4 items; 2 are cat or dog, and a third answer is bought."""
    terms = {"redundancy_min": 2, "redundancy_max": 5, "page_size": 6, "target_confidence": 0.99, **terms}
    batch = work.published(items=6, **terms)
    answer("ann", batch, *["cat"] * 6)
    answer("ben", batch, *["cat"] * 4, "dog", "dog")
    return batch


@pytest.fixture
def batch() -> Batch:
    """The two that are unsure wish for Eva, who is good at cats and dogs."""
    batch = unsure()
    seen_lately(good_at(work.worker("eva"), batch, [0, 1]), batch)
    consensus.update(batch)
    return batch


def wishing() -> set[int]:
    return set(Task.objects.filter(wants_until__isnull=False).values_list("pk", flat=True))


def test_an_unsure_task_wishes_for_who_is_good_at_its_likely_classes(batch):
    last = {task.pk for task in tasks()[4:]}
    assert wishing() == last
    assert {tuple(sorted(task.wants)) for task in tasks()[4:]} == {(0, 1)}


def test_who_is_good_gets_it_others_do_not_and_after_a_while_everybody_does(batch):
    wes = good_at(work.worker("wes"), batch, [0])
    olga = work.worker("olga")  # nothing is known of her
    last = wishing()
    assert claimed(work.worker("eva"), batch) == last
    assert claimed(wes, batch) == set()
    assert claimed(olga, batch) == set()
    Task.objects.filter(wants_until__isnull=False).update(wants_until=clock.now() - timedelta(seconds=1))
    epoch = Batch.objects.get().queue_epoch
    jobs.lift_wishes()
    assert Batch.objects.get().queue_epoch == epoch + 1
    assert claimed(wes, batch) == claimed(olga, batch) == last


def test_a_wish_is_not_lifted_before_its_time(batch):
    before = wishing()
    jobs.lift_wishes()
    assert wishing() == before


def test_many_wishes_are_lifted_in_steps(batch):
    Task.objects.filter(wants_until__isnull=False).update(wants_until=clock.now() - timedelta(seconds=1))
    assert wishes.lift(limit=1)
    assert len(wishing()) == 1
    wishes.lift(limit=1)
    assert not wishes.lift(limit=1)
    assert not wishing()


@pytest.mark.parametrize("classes", [None, [], [0], [1, 2]])
def test_where_nobody_is_good_at_both_nobody_is_wished_for(classes):
    batch = unsure()
    seen_lately(good_at(work.worker("eva"), batch, classes), batch)
    consensus.update(batch)
    assert not wishing()
    assert claimed(work.worker("olga"), batch) == {task.pk for task in tasks()[4:]}


def test_who_has_not_been_there_lately_is_not_wished_for():
    batch = unsure()
    seen_lately(good_at(work.worker("eva"), batch, [0, 1]), batch)
    Assignment.objects.filter(worker=work.worker("eva")).update(submitted_at=clock.now() - timedelta(hours=1))
    consensus.update(batch)
    assert not wishing()


@pytest.mark.parametrize(("took_s", "lasts_s"), [(0.1, 10), (60, 480), (3600, 900)])
def test_a_wish_lasts_as_long_as_eight_pages_do_there_within_bounds(took_s, lasts_s):
    batch = unsure()
    Assignment.objects.update(submitted_at=clock.now() - timedelta(hours=1))
    seen_lately(good_at(work.worker("eva"), batch, [0, 1]), batch, took_s)
    consensus.update(batch)
    left = [
        (until - clock.now()).total_seconds()
        for until in Task.objects.exclude(wants_until=None).values_list("wants_until", flat=True)
    ]
    assert len(left) == 2
    assert all(lasts_s - 5 < seconds <= lasts_s for seconds in left)


def test_who_has_answered_it_is_not_wished_for():
    batch = unsure()
    consensus.update(batch)  # what is noted of Ann and Ben is noted after it
    Cursor.objects.filter(batch=batch).update(good_at=[0, 1])
    wishes.ask(batch, [task.pk for task in tasks()])
    assert not wishing()


def test_where_it_is_switched_off_nobody_is_wished_for():
    batch = unsure(ask_experts=False)
    seen_lately(good_at(work.worker("eva"), batch, [0, 1]), batch)
    consensus.update(batch)
    assert not wishing()
    assert Task.objects.get(pk=tasks()[4].pk).bought == 3


def test_only_so_many_tasks_of_a_batch_wish_at_once(monkeypatch):
    monkeypatch.setattr(wishes, "AT_ONCE", 1)
    batch = unsure()
    seen_lately(good_at(work.worker("eva"), batch, [0, 1]), batch)
    consensus.update(batch)
    assert wishing() == {tasks()[4].pk}
    wishes.ask(batch, [tasks()[5].pk])
    assert len(wishing()) == 1


def test_what_a_fit_learned_of_workers_is_noted_where_it_changed():
    batch = unsure()
    people = np.sort([work.worker(name).pk for name in ("ann", "ben")])
    newcomer = np.array([[0.8, 0.1, 0.1], [0.1, 0.8, 0.1], [0.1, 0.1, 0.8]])
    better, mixed = newcomer.copy(), newcomer.copy()
    better[0], better[1], mixed[2] = [0.9, 0.05, 0.05], [0.05, 0.9, 0.05], [0.0, 0.0, 1.0]
    confusions = np.stack([better, mixed, newcomer])
    says = Learned(np.zeros((9, 3)), np.zeros(3), confusions, np.full(3, 1 / 3), 1.0, "dawid-skene", "1")
    wishes.know(batch, people, {"animal": says})
    known = dict(Cursor.objects.filter(batch=batch).values_list("worker", "good_at"))
    assert [known[pk] for pk in people.tolist()] == [[0, 1], [2]]


def test_opinions_wish_for_nobody():
    schema = {
        "display": [{"column": "text"}],
        "fields": [{"name": "animal", "type": "choice", "options": ["cat", "dog"], "truth": "perspective"}],
    }
    batch = unsure(schema=schema)
    seen_lately(good_at(work.worker("eva"), batch, [0, 1]), batch)
    consensus.update(batch)
    assert not wishing()
    assert {task.bought for task in tasks()} == {3}
