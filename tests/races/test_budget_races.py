"""Budgets raced: what is paid is what was bought, whoever claims, lowers, raises or closes at the same time."""

import time
from functools import partial
from threading import Barrier, Event

import pytest
from django.db import connection, transaction

from marketplace.core.errors import DomainError, IllegalMove, NotFound
from payments import ledger, reserves
from payments.models import Account, ReserveLine
from tasks import (
    appeals,
    assignments,
    audit,
    batches,
    bonuses,
    budgets,
    consensus,
    decisions,
    effects,
    jobs,
    seats,
    settlement,
)
from tasks.errors import NoTaskAvailable
from tasks.models import Answer, Batch, Bonus, Cursor, Decision, Task, Withheld
from tests import apart, make
from tests.race import race
from tests.tasks import work
from tests.tasks.paid import prepaid

pytestmark = pytest.mark.django_db(transaction=True)
EACH = 55_000
FUNDED = 100_000_000
CROWD = 64


@pytest.fixture
def rita():
    return make.user("rita")


def crowd(size: int):
    return [work.worker(f"worker{n}") for n in range(size)]


def works(person, batch, claim=assignments.claim) -> int:
    """Claims and hands in until there is nothing; how many answers."""
    done = 0
    while True:
        try:
            lease = claim(person, batch.project)
        except NoTaskAvailable as refusal:
            if refusal.facts.get("retry_after_s", 30) < 30:
                continue
            return done
        if lease is None:
            return done
        done += work.answer(lease).answers.count()


def weighs(batch, rounds: int = 8) -> None:
    for _ in range(rounds):
        consensus.update(Batch.objects.get(pk=batch.pk))


def settles(batch, rounds: int = 30) -> None:
    for _ in range(rounds):
        Answer.objects.filter(batch=batch, state="submitted").update(accept_at="2020-01-01T00:00:00Z")
        decisions.accept_due()
        settlement.settle(batch.pk, 20)


def paid_in_the_end(batch) -> int:
    """How many answers are paid when all is over."""
    weighs(batch, 1)
    Answer.objects.filter(batch=batch, state="submitted").update(accept_at="2020-01-01T00:00:00Z")
    work.sweep()
    return Answer.objects.filter(batch=batch, entry__isnull=False).count()


def test_a_budget_for_100_answers_pays_exactly_100_to_64_clients(rita):
    """F15: 60 tasks want up to 3 answers each, and people disagree; 100 are paid, not 101, not 99."""
    batch = work.published(items=60, redundancy_min=1, redundancy_max=3, target_confidence=0.999, page_size=3)
    budgets.lower(batch, rita, 100 * EACH)
    people = crowd(CROWD)
    calls = [partial(works, person, batch) for person in people]
    results = race(*calls, partial(weighs, batch), partial(settles, batch))
    assert not [result for result in results if isinstance(result, BaseException)], results
    while not Batch.objects.get().dry_at:  # what consensus bought last is still to be done
        weighs(batch, 1)
        for person in people[:6]:
            works(person, batch)
    assert paid_in_the_end(batch) == 100
    assert reserves.standing(batch.subject).spent_micros == 100 * EACH
    assert reserves.balance(batch.subject) == 0
    assert audit.check() == []


def test_control_a_budget_that_counts_answers_before_it_buys_pays_more(rita):
    batch = work.published(items=60, redundancy_min=3, redundancy_max=3, page_size=3)
    people, ready = crowd(CROWD), Barrier(CROWD)

    def naive(person, project):
        if Answer.objects.filter(batch=batch).count() >= 100:
            return None
        ready.wait(60)
        return assignments.claim(person, project)

    def once(person):
        lease = naive(person, batch.project)
        return work.answer(lease) if lease else None

    race(*[partial(once, person) for person in people])
    assert paid_in_the_end(batch) > 100


def test_a_lowering_never_takes_what_a_claim_was_given(rita, monkeypatch):
    batch = work.published(items=40, redundancy_min=1, redundancy_max=1, page_size=2)
    people, counted, withdraw = crowd(16), Event(), seats.withdraw

    def late(*some):
        counted.set()
        time.sleep(0.3)  # claims take what was counted
        return withdraw(*some)

    def claims(person):
        assert counted.wait(30)
        return assignments.claim(person, batch.project)

    def lowers():
        for to in range(16, -1, -4):
            try:
                budgets.lower(batch, rita, to * EACH)
            except DomainError:
                return

    monkeypatch.setattr(seats, "withdraw", late)
    *claimed, first, second = race(*[partial(claims, person) for person in people], lowers, lowers)
    assert (first, second) == (None, None)
    pages = [lease for lease in claimed if not isinstance(lease, NoTaskAvailable)]
    assert pages
    assert not [one for one in pages if isinstance(one, Exception)], claimed
    while jobs.fit_budgets():
        pass
    assert audit.check() == []
    leased = Answer.objects.filter(state="leased").count()
    assert leased == sum(lease.answers.count() for lease in pages)
    line = ReserveLine.objects.get(name="answers").amount_micros
    assert line == (leased + Task.objects.filter(open=True).count()) * EACH


def test_control_a_lowering_that_locks_no_seat_takes_what_was_given(rita):
    batch = work.published(items=1, redundancy_min=1, redundancy_max=1, page_size=1)
    looked = Barrier(2)

    def naive():
        free = Task.objects.filter(batch=batch, open=True).count()
        looked.wait(30)
        looked.wait(30)
        reserves.release(batch.subject, free * EACH, "answers")

    def claims():
        looked.wait(30)
        assignments.claim(work.worker(), batch.project)
        looked.wait(30)

    race(naive, claims)
    assert any("reserve does not cover" in sentence for sentence in audit.check())


def test_a_lowering_whose_seats_were_just_taken_goes_on_with_others(rita, monkeypatch):
    """A step looks at one task; while it waits for it, the task is claimed, and two more are open."""
    monkeypatch.setattr(budgets, "STEP", 1)
    batch = work.published(items=3, redundancy_min=1, redundancy_max=1, page_size=1)
    last = Task.objects.order_by("-pos")[0]
    Cursor.objects.create(worker=work.worker(), batch=batch, priority=0, pos=last.pos - 1)
    _while_one_waits(partial(assignments.claim, work.worker(), batch.project), partial(budgets.lower, batch, rita, 0))
    assert Answer.objects.get().task == last
    told = budgets.of(batch)
    assert (told.lowering_to_micros, told.dry) == (0, False)
    while jobs.fit_budgets():
        pass
    told = budgets.of(batch)
    assert (told.answers_micros, told.open_seats, told.withdrawn_seats, told.dry) == (EACH, 0, 2, True)


def _settled_answer(rita) -> tuple[Batch, Answer]:
    batch = work.published(items=1, redundancy_min=1, redundancy_max=1, page_size=1)
    work.work(work.worker(), batch)
    Answer.objects.update(accept_at="2020-01-01T00:00:00Z")
    decisions.accept_due()
    settlement.settle(batch.pk)
    return batch, Answer.objects.select_related("task", "worker", "batch").get()


def _closes_and_returns(batch, rita) -> None:
    batches.close(batch, rita)
    while batches.return_rest(batch.pk):
        pass
    assert Batch.objects.get().returned_at


def test_a_refill_in_a_batch_that_was_just_returned_buys_nothing(rita):
    batch, answer = _settled_answer(rita)
    excludes = partial(decisions.exclude, answer, rita, "damaged", "No.")
    _while_one_waits(partial(_closes_and_returns, batch, rita), excludes)
    assert Answer.objects.get().state == "excluded"
    assert (reserves.balance(batch.subject), prepaid()) == (0, FUNDED - EACH)
    assert not Task.objects.filter(open=True).exists()


def test_control_a_refill_that_trusts_what_it_read_before_the_lock_buys_in_a_returned_batch(rita, monkeypatch):
    batch, answer = _settled_answer(rita)
    monkeypatch.setattr(effects, "_is_open", lambda batch: batch.state == Batch.State.OPEN)
    excludes = partial(decisions.exclude, answer, rita, "damaged", "No.")
    _while_one_waits(partial(_closes_and_returns, batch, rita), excludes)
    work.sweep()
    assert reserves.balance(batch.subject) == EACH  # for good
    assert Task.objects.filter(open=True).exists()


def _while_one_waits(first, second) -> None:
    """Do the first, and commit it once the second has come to wait for it."""
    is_done = Event()

    @transaction.atomic
    def one():
        first()
        is_done.set()
        for _ in range(1000):
            if _somebody_waits():
                return
            time.sleep(0.01)
        raise AssertionError("nobody waits")

    def other():
        is_done.wait(30)
        second()

    assert race(one, other) == [None, None]


def _somebody_waits() -> int:
    with connection.cursor() as sql:
        sql.execute(
            """SELECT count(*) FROM pg_stat_activity
               WHERE datname = current_database() AND wait_event_type = 'Lock' AND pid <> pg_backend_pid()"""
        )
        return sql.fetchone()[0]


def test_consensus_never_buys_with_what_a_lowering_returns(rita):
    batch = work.published(items=20, redundancy_min=2, redundancy_max=3, target_confidence=0.99, page_size=10)
    for name, animal in (("wes", "cat"), ("sam", "dog")):
        work.work_all(work.worker(name), batch, animal)
    results = race(partial(weighs, batch, 1), partial(budgets.lower, batch, rita, 45 * EACH))
    assert not isinstance(results[0], Exception)
    assert audit.check() == []
    assert Task.objects.filter(bought=3).count() in (5, 20)  # bought before: then lowered only as far as that


def test_a_raise_and_a_close_end_in_one_or_the_other(rita):
    for number in range(5):
        batch = work.published(items=6, redundancy_min=2, redundancy_max=2, micros=10_000_000)
        before = prepaid() + reserves.balance(batch.subject)
        budgets.lower(batch, rita, 4 * EACH)
        raised, _ = race(partial(budgets.raise_to, batch, rita, 9 * EACH), partial(batches.close, batch, rita))
        assert isinstance(raised, (budgets.Budget, IllegalMove)), raised
        work.sweep()
        assert (number, prepaid()) == (number, before)
        assert audit.check() == []


def test_a_project_that_is_closed_with_leases_live_returns_what_was_funded_less_what_was_paid(rita):
    """F20, with a rejection that is filled again, a part that is paid, and claims in flight."""
    batch = work.published(items=60, redundancy_min=1, redundancy_max=2, page_size=3, target_confidence=0.999)
    people = crowd(18)
    for person in people[16:]:
        work.work(person, batch)
    leases = [assignments.claim(person, batch.project) for person in people[14:16]]
    judged = list(
        Answer.objects.select_related("task", "worker", "batch__project__organisation").filter(state="submitted")
    )
    rejects = [partial(decisions.reject, one, rita, "wrong", "No cat.", refill=True) for one in judged[:3]]
    parts = [partial(decisions.pay_part, one, rita, "wrong", "Half.", percent=50, refill=False) for one in judged[3:]]
    calls = [partial(works, person, batch) for person in people[:14]]
    closes = partial(batches.close_project, batch.project, rita)
    Answer.objects.update(accept_at="2100-01-01T00:00:00Z")

    def settles_others():
        for _ in range(5):
            others = Answer.objects.filter(batch=batch, state="submitted").exclude(pk__in=[one.pk for one in judged])
            others.update(accept_at="2020-01-01T00:00:00Z")
            decisions.accept_due()
            settlement.settle(batch.pk, 20)

    def returns():
        apart.until(lambda: Batch.objects.get().state == "closed")
        while batches.return_rest(batch.pk):
            pass

    ended = race(*rejects, *parts, *calls, closes, settles_others, partial(weighs, batch, 2), returns)
    decided, claimed, rest = ended[:6], ended[6:20], ended[20:]
    assert not [one for one in decided if not isinstance(one, Decision)], ended
    assert not [one for one in claimed if isinstance(one, Exception) and not isinstance(one, NotFound)], ended
    assert not [one for one in rest if isinstance(one, Exception)], ended
    assert audit.check() == []
    for lease in leases:
        work.answer(lease)
    Decision.objects.update(contestable_until="2020-01-01T00:00:00Z")
    paid = paid_in_the_end(batch)
    Batch.objects.update(look_again_at=None)
    work.sweep()
    assert Batch.objects.get().returned_at
    assert Withheld.objects.count() == 3
    assert Answer.objects.filter(state="rejected").count() == 3
    assert prepaid() == FUNDED - paid * EACH + 3 * 27_500
    assert audit.check() == []


def test_control_a_close_that_forgets_the_leases_returns_too_much(rita):
    batch = work.published(items=6, redundancy_min=1, redundancy_max=1, page_size=3)
    lease = assignments.claim(work.worker(), batch.project)
    batches.close(batch, rita)
    reserves.release_all_but(batch.subject, reserves.standing(batch.subject).spent_micros)
    work.answer(lease)
    assert any("reserve does not cover" in sentence for sentence in audit.check())


@pytest.fixture
def worked(rita):
    batch = work.published(items=2, redundancy_min=1, redundancy_max=1, page_size=1)
    work.work(work.worker(), batch)
    return batch


def test_a_bonus_that_is_sent_many_times_is_paid_once(worked, rita):
    name = worked.project.organisation.pseudonym(work.worker().public_id)
    give = partial(bonuses.give, worked.project, name, rita, 2_000_000, "Well done.", "june")
    results = race(*[give] * 16)
    assert {type(result) for result in results} == {Bonus}
    assert Bonus.objects.count() == 1
    assert prepaid() == FUNDED - 2 * EACH - 2_200_000


def test_control_a_bonus_that_only_looks_for_its_key_is_paid_many_times(worked, rita, monkeypatch):
    name, looked = worked.project.organisation.pseudonym(work.worker().public_id), Barrier(8)
    real = bonuses._last_worked
    monkeypatch.setattr(bonuses, "_hold", lambda project: None)

    def together(*some):
        looked.wait(30)  # all have looked for the key
        return real(*some)

    monkeypatch.setattr(bonuses, "_last_worked", together)
    with connection.cursor() as sql:
        sql.execute("ALTER TABLE tasks_bonus DROP CONSTRAINT bonus_once")
    try:
        race(*[partial(bonuses.give, worked.project, name, rita, 2_000_000, "Well done.", "june")] * 8)
        assert Bonus.objects.count() > 1
    finally:
        with connection.cursor() as sql:
            sql.execute("TRUNCATE tasks_bonus")
            sql.execute("ALTER TABLE tasks_bonus ADD CONSTRAINT bonus_once UNIQUE (organisation_id, key)")


def settled_whole() -> int:
    return sum(account.credits_micros for account in Account.objects.filter(user=make.user("wes")))


def test_a_part_its_settlement_and_its_appeal_come_to_the_whole_price(worked, rita):
    ada = make.user("ada", staff=True)
    answer = Answer.objects.select_related("task", "worker", "batch__project__organisation").get(state="submitted")
    decision = decisions.pay_part(answer, rita, "wrong", "Half.", percent=50, refill=False)
    appeal = appeals.contest(decision, work.worker(), "It is whole.")
    upholds = partial(appeals.uphold, appeal, ada, "It is.")
    race(upholds, upholds, partial(settlement.settle, worked.pk), partial(settlement.settle, worked.pk), upholds)
    work.sweep()
    assert settled_whole() == 50_000
    assert Withheld.objects.get().entry
    assert audit.check() == []


def test_control_a_rest_that_is_paid_without_a_key_is_paid_twice(worked, rita, monkeypatch):
    answer = Answer.objects.select_related("task", "worker", "batch__project__organisation").get(state="submitted")
    decision = decisions.pay_part(answer, rita, "wrong", "Half.", percent=50, refill=False)
    reserves.add(worked.subject, "answers", 10 * EACH)
    real, count = ledger.post_settlement, iter(range(100))
    monkeypatch.setattr(
        ledger, "post_settlement", lambda key, *some, **more: real(f"{key}:{next(count)}", *some, **more)
    )

    def naive():
        with transaction.atomic():
            effects._restore_pay(Decision.objects.get(pk=decision.pk), answer)

    race(naive, naive)
    work.sweep()
    assert settled_whole() > 50_000


def test_a_part_and_an_acceptance_decide_once(worked, rita):
    answer = Answer.objects.select_related("task", "worker", "batch__project__organisation").get(state="submitted")
    Answer.objects.update(accept_at="2020-01-01T00:00:00Z")
    decide = partial(decisions.pay_part, answer, rita, "wrong", "Half.", percent=50, refill=False)
    race(decide, decisions.accept_due, partial(settlement.settle, worked.pk))
    work.sweep()
    assert settled_whole() == (25_000 if Withheld.objects.exists() else 50_000)
    assert audit.check() == []
