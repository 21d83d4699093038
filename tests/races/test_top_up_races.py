"""Top-ups while others sweep, close, return and decide."""

from threading import Barrier

import pytest
from django.db import transaction
from django.db.models import F

from marketplace.core.errors import DomainError
from payments import ledger, reserves
from payments.models import Account, Reserve
from tasks import audit, batches, fair_pay, jobs
from tasks.fair_pay import top_ups
from tasks.models import Batch, PayFigures, TimeSheet, TopUp, TopUpProposal
from tests import make
from tests.race import race
from tests.tasks import paid, work

pytestmark = pytest.mark.django_db(transaction=True)


def ready(**terms):
    """A batch whose workers are all to be topped up at the next look."""
    batch, people = paid.published(**terms), paid.crowd()
    paid.slow(batch, people)
    work.sweep()
    jobs.note_time()
    jobs.update_pay()
    paid.call_for_top_ups(batch)
    return batch, people


def total():
    return sum(account.balance_micros for account in Account.objects.filter(kind__in=["earnings", "pending"]))


def looked(batch):
    return lambda: [fair_pay.top_up(batch.pk) for _ in range(3)]


@pytest.mark.parametrize("_", range(3))
def test_several_sweepers_top_everybody_up_once(_):
    batch, people = ready()
    outcomes = race(*[looked(batch)] * 4)
    assert not [outcome for outcome in outcomes if isinstance(outcome, Exception)], outcomes
    assert [paid.added(person) for person in people] == [[250_000]] * 5
    assert total() == 5 * 750_000
    assert audit.check() == []


def test_control_two_sweepers_that_look_before_they_lock_pay_twice():
    batch, (wes, *_) = ready()
    both_have_looked = Barrier(2)

    def naive(number):
        def run():
            row, figures = Batch.objects.select_related("project").get(pk=batch.pk), PayFigures.objects.get()
            sheet = TimeSheet.objects.select_related("worker").get(batch=batch, worker=wes)
            known = top_ups._missing(row, sheet, figures, "*")
            both_have_looked.wait(10)
            with transaction.atomic():
                account = Reserve.objects.get(subject=batch.subject).account
                rewards = {wes.user_id: known.missing_micros}
                ledger.post_settlement(f"naive:{number}", account, rewards, 0, kind="top_up")

        return run

    assert race(naive(1), naive(2)) == [None, None]
    assert paid.earned(wes) == 500_000 + 2 * 250_000
    assert audit.check() != []


@pytest.mark.parametrize("_", range(3))
def test_closing_and_returning_against_top_ups_returns_exactly_what_is_not_owed(_):
    batch, people = ready()
    rita = make.user("rita")
    before = sum(account.balance_micros for account in Account.objects.filter(kind__in=["prepaid", "reserve"]))

    def end():
        batches.close(Batch.objects.get(pk=batch.pk), rita)
        for _ in range(5):
            batches.return_rest(batch.pk)

    def sweep():
        for _ in range(5):
            fair_pay.top_up(batch.pk)
            jobs.update_pay()

    Batch.objects.filter(pk=batch.pk, state="closed").update(state="open", closed_at=None)
    outcomes = race(end, sweep, sweep)
    assert not [outcome for outcome in outcomes if isinstance(outcome, Exception)], outcomes
    for _ in range(3):
        Batch.objects.filter(pk=batch.pk).update(look_again_at=None)
        work.sweep()
        paid.sweep()
    batch.refresh_from_db()
    assert batch.returned_at
    assert [paid.added(person) for person in people] == [[250_000]] * 5
    assert reserves.balance(batch.subject) == 0
    after = sum(account.balance_micros for account in Account.objects.filter(kind__in=["prepaid", "reserve"]))
    assert before - after == 5 * 250_000
    assert audit.check() == []


def test_control_returning_without_waiting_for_the_last_look_leaves_no_money_for_it():
    batch, people = ready()
    reserves.release_all_but(batch.subject, batches.owed_micros(batch))
    fair_pay.top_up(batch.pk)
    assert [paid.added(person) for person in people] == [[]] * 5


@pytest.mark.parametrize("_", range(3))
def test_two_who_grant_the_same_proposal_pay_it_once(_):
    batch, people = ready(top_up_most_percent=20)
    fair_pay.top_up(batch.pk)
    proposal, rita, ada = TopUpProposal.objects.get(worker=people[0]), make.user("rita"), make.user("ada", staff=True)
    outcomes = race(
        lambda: fair_pay.grant(proposal, rita),
        lambda: fair_pay.grant(proposal, ada),
        lambda: fair_pay.decline(proposal, ada, "No."),
        looked(batch),
    )
    refused = [outcome for outcome in outcomes[:3] if isinstance(outcome, DomainError)]
    assert len(refused) == 2, outcomes
    assert sum(paid.added(people[0])) == (250_000 if TopUp.objects.filter(granted_by__isnull=False) else 100_000)
    assert audit.check() == []


def test_settling_counting_and_topping_up_at_once_leave_the_sheets_right():
    batch, people = paid.published(items=40, page_size=5), paid.crowd()

    def labour(person):
        def run():
            while paid.spend(person, batch, 300):
                pass

        return run

    def sweeps():
        for _ in range(15):
            for step in (jobs.accept, jobs.settle, jobs.note_time, jobs.update_pay):
                step()
            Batch.objects.filter(pk=batch.pk, top_up_at__isnull=False).update(top_up_at=F("published_at"))
            jobs.top_up()

    outcomes = race(*[labour(person) for person in people], sweeps, sweeps, sweeps)
    assert not [outcome for outcome in outcomes if isinstance(outcome, Exception)], outcomes
    for _ in range(3):
        paid.look(batch)
    assert audit.check() == []
    assert [sum(paid.added(person)) for person in people] == [1_000_000] * 5
