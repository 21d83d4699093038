"""Several reviewers at once, and reviews beside everything else that goes on."""

import random
import time
from contextlib import suppress
from threading import Barrier

import pytest
from django.db import OperationalError

from marketplace import guidelines
from marketplace.core.errors import DomainError, IllegalMove
from tasks import assignments, audit, jobs, reopening, reviews
from tasks.errors import NoReviewWaiting
from tasks.models import Evidence, Review
from tasks.reviews import taking
from tests import make
from tests.race import race
from tests.tasks import work
from tests.tasks.reviewed import asked, labelled, member, taken, tasks_of
from workers import guidelines as read

pytestmark = pytest.mark.django_db(transaction=True)
CATS = ("cat", "cat")
NAMES = ["rosa", "ruth", "rudi", "rani"]
STRESS_S = 5.0


def people(batch):
    return [member(batch, name) for name in NAMES]


def test_each_label_is_given_to_one_reviewer_and_nobody_is_sent_away_while_one_waits():
    batch = labelled(*[CATS] * 4)
    asked(batch)
    given = race(*(lambda by=by: reviews.next_for(batch.project, by) for by in people(batch)))
    assert {review.pk for review in given} == set(Review.objects.values_list("pk", flat=True))
    assert set(Review.objects.values_list("held_by__email", flat=True)) == {f"{name}@example.org" for name in NAMES}


def test_of_two_labels_two_reviewers_get_one_each_and_the_others_none():
    batch = labelled(CATS, CATS)
    asked(batch)
    given = race(*(lambda by=by: reviews.next_for(batch.project, by) for by in people(batch)))
    got = [one for one in given if isinstance(one, Review)]
    assert len({one.pk for one in got}) == len(got) == 2
    assert sum(isinstance(one, NoReviewWaiting) for one in given) == 2


def test_control_looking_before_holding_gives_one_label_twice():
    batch = labelled(CATS, CATS)
    asked(batch)
    barrier = Barrier(2)

    def naive(by):
        found = taking.open_to(batch.project, by).order_by("pk").first()
        barrier.wait(10)
        Review.objects.filter(pk=found.pk).update(state="held", held_by=by, held_until=found.asked_at)
        return found.pk

    given = race(*(lambda by=by: naive(by) for by in people(batch)[:2]))
    assert given[0] == given[1]


def test_one_person_in_two_tabs_holds_one_label():
    batch = labelled(CATS, CATS)
    asked(batch)
    given = race(lambda: taken(batch), lambda: taken(batch))
    assert given[0] == given[1]
    assert Review.objects.filter(state="held").count() == 1


def test_two_verdicts_at_once_count_once():
    batch = labelled(CATS)
    asked(batch)
    held, rita = taken(batch), make.user("rita")
    outcome = race(
        lambda: reviews.decide(held, rita, "accept"), lambda: reviews.decide(held, rita, "correct", {"animal": "dog"})
    )
    assert sum(isinstance(one, IllegalMove) for one in outcome) == 1
    assert Evidence.objects.filter(kind="review").count() == 2


def test_asking_at_once_asks_once():
    batch = labelled(CATS, CATS, CATS)
    made = race(*(lambda: asked(batch) for _ in range(4)))
    assert sum(made) == 3
    assert Review.objects.count() == 3


def test_reviews_beside_work_reopening_and_sweeps_meet_no_deadlock_and_break_no_promise():
    batch = labelled(*[CATS] * 6, redundancy_max=3, review_verdicts=2, review_share=0.5, review_unsure=0.9)
    crowd, rita = people(batch), make.user("rita")
    member(batch, "max", "manager")
    guidelines.write(batch.project, rita, "Look.")
    until, faults = time.monotonic() + STRESS_S, []

    def reviewer(by, seed):
        luck = random.Random(seed)

        def look():
            while time.monotonic() < until:
                with suppress(DomainError):
                    held = reviews.next_for(batch.project, by)
                    verdict = luck.choice(["accept", "correct", "correct", "send_back"])
                    reviews.decide(held, by, verdict, {"animal": luck.choice(["cat", "dog"])})

        return look

    def asker():
        luck = random.Random(7)
        while time.monotonic() < until:
            with suppress(DomainError):
                asked(batch)
                reviews.doubt(luck.choice(tasks_of(batch)))
                last = guidelines.write(batch.project, rita, "Look again.").version
                reopening.reopen(batch.project, rita, "animal", luck.choice(["cat", "dog"]), last - 1)
            time.sleep(0.3)

    def worker():
        luck = random.Random(8)
        names = iter(range(10, 10_000))
        while time.monotonic() < until:
            with suppress(DomainError):
                me = work.worker(f"worker{next(names)}")
                read.acknowledge(me, batch.project, batch.project.guidelines.first().version)
                work.answer(assignments.claim(me, batch.project), default=luck.choice(["cat", "dog"]))

    def cluster():
        while time.monotonic() < until:
            try:
                for step in (jobs.update_consensus, jobs.expire_reviews, jobs.reopen, jobs.settle):
                    step()
            except OperationalError as error:
                faults.append(error)

    looks = [reviewer(by, seed) for seed, by in enumerate([*crowd[:2], rita, make.user("max")])]
    outcome = race(*looks, asker, worker, cluster)
    assert [one for one in outcome if one] == faults == []
    assert Review.objects.filter(value__isnull=False).count() > 2
    assert audit.check() == []
    work.sweep()
    assert audit.check() == []
