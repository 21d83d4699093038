"""What is set aside and paid in one transaction, while others settle, return and pay: nobody waits for each other."""

import time
from contextlib import suppress
from datetime import date
from functools import partial
from threading import Event

import pytest
from django.db import OperationalError, connection

from marketplace.core.errors import Conflict
from payments import ledger, payout_accounts, reserves
from payments.models import Reserve
from tasks import audit, bonuses, decisions, erasure, fair_pay, settlement
from tasks.models import Answer, Decision
from tests import make
from tests.race import race
from tests.tasks import paid, work

pytestmark = pytest.mark.django_db(transaction=True)
PATIENCE_S = 5
ONE = {"redundancy_min": 1, "redundancy_max": 1}
BLOCKED = "SELECT count(*) FROM pg_locks WHERE NOT granted AND pg_backend_pid() = ANY(pg_blocking_pids(pid))"


@pytest.fixture
def rita():
    return make.user("rita")


def begun(how, monkeypatch):
    """A batch in which Wes has an answer to be settled and one paid in part.

    how  "old": he was paid before the batch had a reserve; "new": never; "pending": what he earns waits for a day
    """
    if how == "old":
        work.earned(work.worker(), 50_000)
    if how == "pending":
        monkeypatch.setattr("payments.funding.payable_on", lambda *about: date(2026, 1, 1))
    batch = work.published(items=4, page_size=2, **ONE)
    work.work(work.worker(), batch)
    first, second = Answer.objects.filter(batch=batch, state="submitted").select_related("task", "worker", "batch")
    decisions.pay_part(first, make.user("rita"), "wrong", "Half.", percent=50, refill=False)
    Decision.objects.update(contestable_until="2020-01-01T00:00:00Z")  # so that its rest is reserved anew
    decisions.accept([second], make.user("rita"))
    return batch


def gives(batch, rita, who="wes"):
    name = batch.project.organisation.pseudonym(work.worker(who).public_id)
    return partial(bonuses.give, batch.project, name, rita, 1_000, "Thanks.", "june")


def grants(batch, rita):
    return partial(fair_pay.grant, paid.proposed(work.worker(), batch), rita)


def restores(batch, rita):
    return partial(decisions.withdraw, Decision.objects.get(), rita, "It is whole.")


def as_it_comes(users, with_fee=True):
    """The naive version: every entry locks its own."""
    return {
        subject: (Reserve.objects.select_related("account", "project").get(subject=subject), None) for subject in users
    }


def meet(first, second, monkeypatch, pause="add", naive=None, of=reserves):
    """Begin the second call once the first has come through this function, and go on when the second waits for it.

    naive  what the first does instead of it
    """
    real, through = getattr(of, pause), Event()

    def slow(*what, **more):
        if through.is_set():
            return real(*what, **more)
        found = (naive or real)(*what, **more)
        through.set()
        until = time.monotonic() + PATIENCE_S
        while not waits() and time.monotonic() < until:
            time.sleep(0.02)
        return found

    def waits():
        with connection.cursor() as sql:
            sql.execute(BLOCKED)
            return sql.fetchone()[0]

    def after():
        assert through.wait(30)
        return second()

    monkeypatch.setattr(of, pause, slow)
    ended = race(first, after)
    monkeypatch.setattr(of, pause, real)
    return [one for one in ended if isinstance(one, Exception)]


def is_deadlock(failed):
    return len(failed) == 1 and isinstance(failed[0], OperationalError) and "deadlock" in str(failed[0])


@pytest.mark.parametrize("how", ["old", "new", "pending"])
@pytest.mark.parametrize("pays", [gives, restores])
def test_what_is_set_aside_and_paid_never_deadlocks_with_a_settlement(pays, how, rita, monkeypatch):
    batch = begun(how, monkeypatch)
    assert meet(pays(batch, rita), partial(settlement.settle, batch.pk), monkeypatch) == []
    while settlement.settle(batch.pk):
        pass
    assert audit.check() == []


@pytest.mark.parametrize("how", ["old", "new", "pending"])
def test_control_locking_entry_by_entry_deadlocks_with_a_settlement(how, rita, monkeypatch):
    batch = begun(how, monkeypatch)
    monkeypatch.setattr(reserves, "lock_to_pay", as_it_comes)
    assert is_deadlock(meet(gives(batch, rita), partial(settlement.settle, batch.pk), monkeypatch))


def of_others(monkeypatch):
    """A batch in which a top-up of Wes waits for somebody, and an answer of Sue's to be settled for a later day."""
    batch = begun("pending", monkeypatch)
    settlement.settle(batch.pk)
    work.work(work.worker("sue"), batch)
    Answer.objects.filter(state="submitted").update(state="accepted")
    return batch


@pytest.mark.parametrize("pays", [grants, restores])
def test_what_is_set_aside_and_paid_never_deadlocks_with_the_settlement_of_others(pays, rita, monkeypatch):
    batch = of_others(monkeypatch)
    assert meet(pays(batch, rita), partial(settlement.settle, batch.pk), monkeypatch) == []
    assert ledger.audit() == []


@pytest.mark.parametrize("pays", [grants, restores])
def test_control_paying_before_the_day_is_locked_deadlocks_with_the_settlement_of_others(pays, rita, monkeypatch):
    batch = of_others(monkeypatch)
    monkeypatch.setattr(reserves, "lock_to_pay", as_it_comes)
    assert is_deadlock(meet(pays(batch, rita), partial(settlement.settle, batch.pk), monkeypatch))


def test_a_granted_top_up_never_deadlocks_with_a_bonus(rita, monkeypatch):
    batch = begun("old", monkeypatch)
    work.work(work.worker("sue"), batch)
    assert meet(grants(batch, rita), gives(batch, rita, "sue"), monkeypatch, "lock_to_pay") == []
    assert ledger.audit() == []


def test_control_locking_accounts_before_the_reserve_deadlocks_with_a_bonus(rita, monkeypatch):
    def accounts_first(users, with_fee=True):
        found = as_it_comes(users)
        ledger.lock([reserve.account_id for reserve, _ in found.values()])
        return found

    batch = begun("old", monkeypatch)
    work.work(work.worker("sue"), batch)
    ended = meet(grants(batch, rita), gives(batch, rita, "sue"), monkeypatch, "lock_to_pay", accounts_first)
    assert is_deadlock(ended)


def over_two_batches(rita):
    """A list for people who worked in two batches, and the second of these."""
    batch = work.published(items=4, page_size=2, **ONE)
    work.work(work.worker("wes"), batch)
    other = work.publish(batch.project, make.dataset([{"text": "more"}], batch.project.organisation))
    Answer.objects.filter(batch=batch).update(accept_at="2020-01-01T00:00:00Z")
    work.work(work.worker("sue"), batch)
    work.work(work.worker("sue"), other)
    names = [batch.project.organisation.pseudonym(work.worker(who).public_id) for who in ("wes", "sue")]
    wanted = [bonuses.Wanted(name, 1_000, "Thanks.", name) for name in names]
    return partial(bonuses.give_all, batch.project, rita, wanted), other


def test_a_list_over_two_batches_never_deadlocks_with_what_one_of_them_returns(rita, monkeypatch):
    give, other = over_two_batches(rita)
    assert meet(give, partial(reserves.release, other.subject, 1_000, "answers"), monkeypatch) == []
    assert {bonus.batch_id for bonus in bonuses.Bonus.objects.all()} == {other.pk - 1, other.pk}


def test_control_a_list_that_locks_batch_by_batch_deadlocks_with_what_one_returns(rita, monkeypatch):
    give, other = over_two_batches(rita)
    monkeypatch.setattr(reserves, "lock_to_pay", as_it_comes)
    assert is_deadlock(meet(give, partial(reserves.release, other.subject, 1_000, "answers"), monkeypatch))


def deletes(batch, rita):
    """Wes deletes his account, after he was paid."""
    Answer.objects.filter(batch=batch, state="submitted").update(accept_at="2020-01-01T00:00:00Z")
    work.sweep()
    return partial(erasure.erase, make.user("wes"), leave_rest=True)


def test_who_is_deleting_their_account_is_given_nothing(rita, monkeypatch):
    wes, batch = work.worker(), work.published(items=1, page_size=1, **ONE)
    work.work(wes, batch)
    (refusal,) = meet(deletes(batch, rita), gives(batch, rita), monkeypatch, "erase", of=payout_accounts)
    assert "deleted their account" in str(refusal.facts["errors"])
    assert paid.earned(wes) == 50_000


def test_control_only_looking_at_who_is_deleting_their_account_pays_nobody(rita, monkeypatch):
    def naive(project, workers, batches):
        gone = [name for name, worker in workers.items() if worker.state == worker.State.ERASED]
        return dict.fromkeys(gone, "has deleted their account")

    wes, batch = work.worker(), work.published(items=1, page_size=1, **ONE)
    work.work(wes, batch)
    monkeypatch.setattr(bonuses, "_refused", naive)
    assert meet(deletes(batch, rita), gives(batch, rita), monkeypatch, "erase", of=payout_accounts) == []
    assert paid.earned(wes) == 51_000


def test_bonuses_granted_top_ups_settlements_and_budgets_at_once_come_to_the_sum(rita):
    people = paid.crowd(4)
    for person in people:
        work.earned(person, 10_000)
    batch = work.published(items=60, page_size=5, **ONE)
    for _ in range(3):
        for person in people:
            work.work(person, batch)
    Answer.objects.filter(batch=batch, state="submitted").update(state="accepted")
    proposals = [paid.proposed(person, batch) for person in people]
    home = batch.project.organisation
    names = [home.pseudonym(person.public_id) for person in people]

    def give():
        for n in range(15):
            bonuses.give_all(
                batch.project, rita, [bonuses.Wanted(name, 1_000, "Thanks.", f"{n}:{name}") for name in names]
            )

    def grant():
        for proposal in proposals:
            with suppress(Conflict):  # what is settled meanwhile may leave nothing missing
                fair_pay.grant(proposal, rita)

    def settle():
        while settlement.settle(batch.pk, 2):
            pass

    def change():
        for _ in range(20):
            reserves.add(batch.subject, "answers", 1_000)
            reserves.release(batch.subject, 1_000, "answers")

    ended = race(give, grant, settle, change)
    assert not [one for one in ended if isinstance(one, Exception)], ended
    earned = [paid.earned(person) - sum(paid.added(person)) for person in people]
    assert earned == [10_000 + 15 * 50_000 + 15 * 1_000] * 4
    assert ledger.audit() == []
