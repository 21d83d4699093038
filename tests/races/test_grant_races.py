"""A grant that ends while its worker claims and hands in: what was given out is taken, and nothing more is given."""

from collections.abc import Callable

import pytest
from django.db import connection

from tasks import assignments, audit
from tasks.errors import PracticeNeeded
from tasks.models import Assignment
from tests.race import race
from tests.tasks import work
from workers import qualifications
from workers.models import Grant, Worker

pytestmark = pytest.mark.django_db(transaction=True)
CROWD, ROUNDS = 8, 12


def crowd() -> list[tuple[Worker, Assignment]]:
    """Workers who passed the practice, each with a page."""
    batch = work.published(items=40, gold=2, practice_size=1, gold_share=0.0, redundancy_min=8, redundancy_max=8)
    made = []
    for n in range(CROWD):
        person = work.worker(f"w{n}")
        work.practise(person, batch.project)
        made.append((person, assignments.claim(person, batch.project)))
    return made


def end_all() -> None:
    for grant in Grant.objects.filter(revoked_at=None).order_by("pk"):
        qualifications.end(grant, "Too many are wrong.")


def hand_in(lease: Assignment) -> Assignment:
    held = range(lease.answers.count())
    return assignments.submit(lease, {n: {"animal": "cat"} for n in held})


def hand_in_if_still_qualified(person: Worker, lease: Assignment) -> Assignment:
    """The naive way: whoever hands in must hold the grant."""
    if not qualifications.meets(person, lease.project):
        raise PracticeNeeded
    return hand_in(lease)


def refused(verb: Callable[[Worker, Assignment], Assignment]) -> int:
    """How many pages that were given out are not taken, while every grant ends."""
    pages = crowd()
    outcomes = race(end_all, *(lambda pair=pair: verb(*pair) for pair in pages))
    faults = [one for one in outcomes if isinstance(one, Exception) and not isinstance(one, PracticeNeeded)]
    assert faults == []
    return sum(isinstance(one, PracticeNeeded) for one in outcomes)


def test_every_page_that_was_out_is_taken_whenever_the_grant_ends():
    assert refused(lambda person, lease: hand_in(lease)) == 0
    assert not Grant.objects.filter(revoked_at=None).exists()
    assert audit.check() == []


def test_control_asking_for_the_grant_again_loses_work_that_was_given_out():
    for _ in range(ROUNDS):
        if refused(hand_in_if_still_qualified):
            return
        _forget()
    pytest.fail("the race was never met")


def test_a_claim_against_the_end_gives_a_page_or_none_and_afterwards_none():
    pages = crowd()
    project = pages[0][1].project
    for _, lease in pages:
        hand_in(lease)
    outcomes = race(end_all, *(lambda person=person: assignments.claim(person, project) for person, _ in pages))
    for (person, _), outcome in zip(pages, outcomes[1:], strict=True):
        assert isinstance(outcome, Assignment | PracticeNeeded), outcome
        if isinstance(outcome, Assignment):
            assert hand_in(outcome).state == "submitted"
        with pytest.raises(PracticeNeeded):
            assignments.claim(person, project)
    assert audit.check() == []


def _forget() -> None:
    """Begin the next round with nothing of the last."""
    with connection.cursor() as cursor:
        tables = ", ".join(connection.introspection.django_table_names(only_existing=True))
        cursor.execute(f"TRUNCATE {tables} CASCADE")
