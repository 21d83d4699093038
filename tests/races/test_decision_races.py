"""Decisions and appeals against each other, against work, and against the money that waits for them."""

from datetime import timedelta
from threading import Event

import pytest
from django.db import transaction

from marketplace.core import clock
from marketplace.core.errors import Conflict
from payments.models import Account
from tasks import appeals, assignments, audit, batches, decisions, settlement
from tasks.errors import Stopped
from tasks.models import Answer, Appeal, Batch, Decision
from tests import make
from tests.race import race
from tests.tasks import work

pytestmark = pytest.mark.django_db(transaction=True)
WHY = {"reason_code": "inaccurate", "reason": "Ten of twelve checks were missed."}


def rejected(page_size: int = 1, **terms) -> Decision:
    """An answer of Wes's that Rita has rejected."""
    batch = work.published(items=page_size, page_size=page_size, redundancy_min=1, redundancy_max=1, **terms)
    lease = work.work(work.worker(), batch)
    answer = lease.answers.select_related("task", "batch").first()
    return decisions.reject(answer, make.user("rita"), "wrong", "It is a dog.", refill=False)


def earned_micros() -> int:
    return sum(account.balance_micros for account in Account.objects.filter(kind="earnings"))


def test_two_admins_on_one_appeal_come_to_one_verdict():
    ada, abe = make.user("ada", staff=True), make.user("abe", staff=True)
    for _ in range(4):
        appeal = appeals.contest(rejected(), work.worker(), "It is one.")
        mine, yours = (Appeal.objects.select_related("decision__answer__task").get(pk=appeal.pk) for _ in range(2))
        told = race(lambda a=mine: appeals.uphold(a, ada, "Yes."), lambda a=yours: appeals.dismiss(a, abe, "No."))
        assert sorted(isinstance(one, Conflict) for one in told) == [False, True]
        appeal.refresh_from_db()
        decision = Decision.objects.get(appeal=appeal)
        assert (appeal.state, decision.state) in (("upheld", "overturned"), ("dismissed", "standing"))
        assert audit.check() == []


def test_control_looking_before_the_verdict_gives_two():
    appeal = appeals.contest(rejected(), work.worker(), "It is one.")
    has_looked, is_dismissed = Event(), Event()

    def upholds():
        assert Appeal.objects.get(pk=appeal.pk).state == "open"
        has_looked.set()
        is_dismissed.wait(10)
        return Appeal.objects.filter(pk=appeal.pk).update(state="upheld")

    def dismisses():
        has_looked.wait(10)
        appeals.dismiss(appeal, make.user("abe", staff=True), "No.")
        is_dismissed.set()

    assert race(upholds, dismisses) == [1, None]
    assert Decision.objects.get().state == "standing"


def contested_in_the_last_moment() -> list[str]:
    """An appeal that began in time and commits after the rest of a closed batch's reserve was returned."""
    decision = rejected()
    batch = Batch.objects.select_related("project__organisation").get()
    batches.close(batch, make.user("rita"))
    Decision.objects.update(contestable_until=clock.now() + timedelta(seconds=1))
    is_contested, is_returned = Event(), Event()

    def contests():
        with transaction.atomic():
            appeals.contest(decision, work.worker(), "It is one.")
            is_contested.set()
            is_returned.wait(10)

    def returns():
        is_contested.wait(10)
        while clock.now() < Decision.objects.get().contestable_until:
            is_returned.wait(0.1)
        while batches.return_rest(batch.pk):
            pass
        is_returned.set()

    assert race(contests, returns) == [None, None]
    return audit.check()


def test_an_appeal_that_began_in_time_finds_its_money():
    assert contested_in_the_last_moment() == []
    appeals.uphold(Appeal.objects.get(), make.user("ada", staff=True), "It is one.")
    settlement.settle(Batch.objects.get().pk)
    assert earned_micros() == 50_000
    assert audit.check() == []


def test_control_returning_the_reserve_at_the_stroke_of_the_clock_leaves_an_appeal_without_money(monkeypatch):
    monkeypatch.setattr(batches, "COMMITTED_WITHIN", timedelta(0))
    (broken,) = contested_in_the_last_moment()
    assert broken.startswith("a reserve does not cover what its batch may come to owe")


def test_an_appeal_upheld_while_settlers_run_is_paid_once():
    ada = make.user("ada", staff=True)
    for n in range(4):
        appeal = appeals.contest(rejected(), work.worker(), "It is one.")
        appeal = Appeal.objects.select_related("decision__answer__task", "decision__answer__batch").get(pk=appeal.pk)
        batch = appeal.decision.answer.batch_id
        race(lambda a=appeal: appeals.uphold(a, ada, "Yes."), *[lambda b=batch: settlement.settle(b)] * 3)
        while settlement.settle(batch):
            pass
        assert earned_micros() == (n + 1) * 50_000
        assert audit.check() == []


def test_a_stop_against_a_submit_and_a_claim_loses_no_answer_and_gives_no_page_after_it():
    for n in range(4):
        batch, wes = work.published(items=6), work.worker(f"wes{n}")
        lease = assignments.claim(wes, batch.project)
        until = clock.now() + timedelta(hours=1)
        decide = {"project": batch.project, "by": make.user("rita"), "until": until, **WHY}
        race(lambda w=wes, d=decide: decisions.decide("stop", w, **d), lambda held=lease: work.answer(held))
        assert Answer.objects.filter(worker=wes, state="submitted").count() == 3
        with pytest.raises(Stopped):
            assignments.claim(wes, batch.project)
        assert audit.check() == []


def test_a_proposal_signed_by_four_at_once_is_signed_once():
    batch, wes, rita = work.published(), work.worker(), make.user("rita")
    answer = work.work(wes, batch).answers.select_related("task").first()
    rule = batch.project.rules.create(
        name="Missed", collector="gold", conditions=[], action={}, created_by=rita, created_at=clock.now()
    )
    proposal = decisions.propose("reject", wes, rule, answer=answer, **WHY)
    told = race(*[lambda: decisions.sign(proposal, rita)] * 4)
    assert sum(isinstance(one, Decision) for one in told) == 1
    assert all(isinstance(one, Decision | Conflict) for one in told)
    assert audit.check() == []
