"""A thief founds an organisation, prepays with a stolen card, and has their own people earn it before the bank notices.

What leaves the platform is nothing while a new organisation's payments wait; who worked honestly is owed theirs.
"""

from datetime import datetime, timedelta
from types import SimpleNamespace
from typing import Any

import pytest

from marketplace import accounts
from marketplace.core.errors import InsufficientFunds
from marketplace.models import User
from payments import balances, disputes, holds, ledger, maturities, payouts, prepayments
from payments.gateway.sandbox import Sandbox
from payments.models import Account, Maturity, Payout, PayoutAccount
from tasks import assignments, audit, decisions, earning, holding, jobs, signals
from tasks.errors import MayNotEarn, OwnWork
from tasks.models import Answer
from tests import make
from tests.tasks import work
from workers.models import Worker

pytestmark = pytest.mark.django_db(transaction=True)
UNIT = 1_000_000
PRICE, ITEMS, STOLEN = 30 * UNIT, 10, 2_000 * UNIT
EARNED = PRICE * ITEMS  # by each who does it all
ANSWERS = 4  # wanted of each item, one more than there are people
FIRST = 200 * UNIT  # what one new payee gets without an admin
USD = {"currency": "USD", "mode": "test"}


class Provider(Sandbox):
    """Pays whatever it is asked to, once a row."""

    mode = "test"

    def __init__(self) -> None:
        self.paid: dict[int, int] = {}

    def pay_out(self, payout: Payout) -> str:
        self.paid[payout.pk] = payout.amount_micros
        return f"tr_{payout.pk}"

    @property
    def out(self) -> int:
        return sum(self.paid.values())


@pytest.fixture
def bank(settings: Any) -> Provider:
    settings.MODE, settings.FUNDING_HOLD_DAYS = "test", 7
    settings.FIRST_PAYOUT_MOST_MICROS, settings.PAYOUTS_A_DAY_MOST_MICROS = FIRST, 500 * UNIT
    return Provider()


def payee(name: str, identity: str) -> Worker:
    """A person who stated age and country, and is paid at this place."""
    user = make.user(name)
    PayoutAccount.objects.create(user=user, mode="test", country="US", state="ready", identity=identity)
    worker = work.worker(name)
    earning.state(worker, country="US", of_age=True)
    jobs.relate(user.pk)
    return Worker.objects.get(pk=worker.pk)


def crime(bank: Provider) -> SimpleNamespace:
    """Tom's batch, paid with a stolen card and done by Max, by Mel who is paid where Max is, and by honest Wes."""
    tom = make.user("tom")
    home = accounts.found(tom, "Tom's lab")
    asked = prepayments.request(home, tom, STOLEN, "USD", through=bank)
    prepayments.settle_paid(asked.pk, "ch_stolen")
    terms = {"redundancy_min": ANSWERS, "redundancy_max": ANSWERS, "page_size": 10, "practice_size": 0}
    project = make.project(home, price_micros=PRICE, gold_share=0.0, **terms)
    data = make.dataset([{"text": f"item {n}"} for n in range(ITEMS)], home, project=project)
    batch = work.publish(project, data)
    people = {name: payee(name, bank_of) for name, bank_of in (("max", "b1"), ("mel", "b1"), ("wes", "b2"))}
    for worker in people.values():
        work.work(worker, batch)
    decisions.accept(list(Answer.objects.filter(batch=batch, state="submitted").select_related("batch")), tom)
    work.sweep()
    return SimpleNamespace(tom=tom, home=home, batch=batch, **people)


def take_out(user: User, bank: Provider, micros: int | None = None) -> str:
    """What became of asking for it: the state of the payout, or that there is nothing to pay out."""
    try:
        payout = payouts.request(user, micros)
    except InsufficientFunds:
        return "nothing"
    return str(payouts.send(payout.pk, through=bank).state)


def owed(worker: Worker) -> tuple[int, int]:
    """Payable now, and from a later day."""
    [one] = balances.of_user(worker.user)
    return one.balance_micros, one.pending_micros


def on_the_day(after: timedelta = timedelta()) -> datetime:
    return datetime.combine(Maturity.objects.order_by("day").last().day, datetime.min.time()) + after


def dispute(bank: Provider) -> None:
    disputes.opened("ch_stolen", "dp_1", STOLEN, "fraudulent")


def test_nothing_leaves_before_the_bank_notices_and_who_worked_honestly_is_paid(bank):
    here = crime(bank)
    # the thief's own account, and one that is paid to the same place as the thief
    payee("tom", "b0")
    with pytest.raises(OwnWork):
        assignments.claim(work.worker("tom"), here.batch.project)
    with pytest.raises(OwnWork):
        assignments.claim(payee("mia", "b0"), here.batch.project)
    with pytest.raises(MayNotEarn):
        assignments.claim(work.worker("kid"), here.batch.project)
    # all have earned, nothing can be paid out
    for worker in (here.max, here.mel, here.wes):
        assert owed(worker) == (0, EARNED)
        assert take_out(worker.user, bank) == "nothing"
    maturities.mature(at=on_the_day(-timedelta(seconds=1)))
    assert take_out(here.max.user, bank) == "nothing"
    assert "same_payee" in [one.kind for one in signals.of(here.batch.project).signals]
    # the bank takes it back: the organisation stops, and its day makes nothing payable while that is open
    dispute(bank)
    here.home.refresh_from_db()
    assert here.home.frozen_at
    assert not maturities.mature(at=on_the_day(timedelta(days=30)))
    assert take_out(here.max.user, bank) == "nothing"
    assert bank.out == 0
    assert audit.check() == []
    # it is lost: an admin holds what looks like theft; what is earned is owed to the others
    ada = make.user("ada", staff=True)
    for worker in (here.max, here.mel):
        holding.place(worker, ada, days=30, reason_code="fraud", reason="Paid by a stolen card, to one bank account.")
    disputes.closed("dp_1", won=False)
    maturities.mature(at=on_the_day())
    for worker in (here.max, here.mel):
        with pytest.raises(holds.PayoutHeld):
            take_out(worker.user, bank, FIRST)
    assert owed(here.wes) == (EARNED, 0)
    assert take_out(here.wes.user, bank, FIRST) == "paid"
    assert bank.out == FIRST
    # what was still prepaid went back; what the open batch had set aside, with a tenth as its fee, is lost
    lost = -Account.objects.get(kind="losses", **USD).balance_micros
    assert 3 * EARNED * 11 // 10 <= lost <= STOLEN
    assert lost == ANSWERS * EARNED * 11 // 10
    assert ledger.audit() == []
    assert audit.check() == []


def test_control_without_the_wait_money_leaves_and_the_limit_of_first_payouts_bounds_it(bank, settings):
    settings.FUNDING_HOLD_DAYS = 0
    here = crime(bank)
    assert owed(here.max) == (EARNED, 0)
    assert take_out(here.max.user, bank, FIRST) == "paid"
    assert take_out(here.max.user, bank) == "review"
    assert take_out(here.mel.user, bank, FIRST) == "paid"
    assert take_out(here.mel.user, bank) == "review"
    dispute(bank)
    assert bank.out == 2 * FIRST


def test_control_without_any_limit_all_of_it_leaves(bank, settings):
    settings.FUNDING_HOLD_DAYS = 0
    settings.FIRST_PAYOUT_MOST_MICROS = settings.PAYOUTS_A_DAY_MOST_MICROS = 10**12
    here = crime(bank)
    for worker in (here.max, here.mel):
        assert take_out(worker.user, bank) == "paid"
    dispute(bank)
    assert bank.out == 2 * EARNED
