from datetime import UTC, date, datetime, timedelta

import pytest

from payments import funding
from payments.models import Prepayment
from tests import make

DAY = timedelta(days=1)
NOON = datetime(2026, 3, 10, 12, tzinfo=UTC)
pytestmark = pytest.mark.usefixtures("_apart_from_the_ledger")


@pytest.fixture
def _apart_from_the_ledger(_audited):
    """These rows say when they were paid and moved nothing."""
    yield
    Prepayment.objects.all().update(state="failed", disputed_micros=0, refunded_micros=0)


def paid(acme, at, mode="test", currency="USD", **fields):
    facts = {"amount_micros": 1_000_000, "currency": currency, "requested_by": make.owner(acme), "mode": mode}
    start = funding.payable_from(acme, mode, at)
    return Prepayment.objects.create(
        organisation=acme, paid_at=at, **{"state": "paid", "payable_from": start, **facts, **fields}
    )


def test_what_a_new_organisation_pays_waits(settings):
    assert funding.payable_from(make.organisation(), "test", NOON) == NOON + settings.FUNDING_HOLD_DAYS * DAY


def test_play_money_waits_for_nothing():
    assert funding.payable_from(make.organisation(), "sandbox", NOON) == NOON


@pytest.mark.parametrize(("age", "start"), [(7 * DAY, NOON), (7 * DAY - timedelta(seconds=1), NOON + 7 * DAY)])
def test_a_payment_that_has_stood_long_enough_proves_an_organisation(age, start):
    acme = make.organisation()
    paid(acme, NOON - age)
    assert funding.payable_from(acme, "test", NOON) == start


@pytest.mark.parametrize(
    "fields", [{"disputed_micros": 1}, {"refunded_micros": 1}, {"state": "requested"}, {"mode": "sandbox"}]
)
def test_what_went_back_was_not_paid_or_was_played_proves_nothing(fields):
    acme = make.organisation()
    paid(acme, NOON - 30 * DAY, **fields)
    assert funding.payable_from(acme, "test", NOON) == NOON + 7 * DAY


def test_what_another_organisation_paid_proves_nothing():
    acme, other = make.organisation(), make.organisation()
    paid(other, NOON - 30 * DAY)
    assert funding.payable_from(acme, "test", NOON) == NOON + 7 * DAY


def test_earnings_wait_for_the_last_prepayment():
    acme = make.organisation()
    paid(acme, NOON - 2 * DAY)
    paid(acme, NOON - DAY)
    assert funding.payable_on(acme, "USD", "test", NOON) == date(2026, 3, 17)  # noon of the 16th, rounded up
    assert funding.payable_on(acme, "USD", "test", NOON + 6 * DAY) is None


def test_a_day_begins_at_midnight():
    acme = make.organisation()
    paid(acme, NOON, payable_from=datetime(2026, 3, 12, tzinfo=UTC))
    assert funding.payable_on(acme, "USD", "test", NOON) == date(2026, 3, 12)


def test_each_currency_and_mode_waits_for_its_own():
    acme = make.organisation()
    paid(acme, NOON)
    assert funding.payable_on(acme, "EUR", "test", NOON) is None
    assert funding.payable_on(acme, "USD", "live", NOON) is None
    assert funding.payable_on(make.organisation(), "USD", "test", NOON) is None


def test_a_dispute_makes_nothing_payable_sooner():
    acme = make.organisation()
    paid(acme, NOON, disputed_micros=1_000_000)
    assert funding.payable_on(acme, "USD", "test", NOON) == date(2026, 3, 18)
