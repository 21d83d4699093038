from datetime import timedelta

import pytest

from marketplace.core import clock
from payments import reviews
from payments.models import Payout, PayoutAccount
from tests import make

UNIT = 1_000_000
pytestmark = pytest.mark.django_db


def paid(user, units, *, days_ago=0.0, state="paid", **fields):
    """A payout that was asked for and ended so long ago."""
    made = Payout.objects.create(
        user=user, amount_micros=units * UNIT, **{"currency": "USD", "mode": "test", "state": state, **fields}
    )
    at = clock.now() - timedelta(days=days_ago)
    Payout.objects.filter(pk=made.pk).update(created_at=at, ended_at=at)
    return made


def why(user, units, currency="USD", mode="test"):
    return reviews.why(user, units * UNIT, currency, mode)


def identified(user, identity, mode="test"):
    PayoutAccount.objects.create(user=user, mode=mode, country="US", identity=identity, state="ready")


@pytest.fixture(autouse=True)
def _limits(settings):
    settings.FIRST_PAYOUT_MOST_MICROS, settings.PAYOUTS_A_DAY_MOST_MICROS = 200 * UNIT, 500 * UNIT
    settings.NEW_PAYEE_DAYS = 30


@pytest.fixture(autouse=True)
def _no_books(monkeypatch):
    """These payouts have no entries: what is asked here reads payouts alone."""
    monkeypatch.setattr("payments.ledger.audit", list)


def test_play_money_is_never_reviewed():
    assert why(make.user("wes"), 10**6, mode="sandbox") == ""
    assert why(make.user("wes"), 10**6) != ""


def test_a_first_payout_over_the_limit_is_seen_by_a_person():
    wes = make.user("wes")
    assert why(wes, 200) == ""
    assert why(wes, 201) == "the first payouts of a new payee: 201.00 USD together, more than 200.00 USD"


def test_first_payouts_in_small_pieces_count_together():
    wes = make.user("wes")
    paid(wes, 150, days_ago=3, state="requested")
    assert why(wes, 50) == ""
    assert "201.00 USD together" in why(wes, 51)


@pytest.mark.parametrize("state", ["failed", "reversed"])
def test_what_came_back_does_not_count(state):
    wes = make.user("wes")
    paid(wes, 150, state=state)
    assert why(wes, 200) == ""


def test_what_an_admin_has_seen_does_not_count_towards_the_first():
    wes = make.user("wes")
    paid(wes, 190, days_ago=2, reviewed_by=make.user("ada", staff=True))
    assert why(wes, 200) == ""


def test_nobody_is_new_for_ever():
    wes = make.user("wes")
    paid(wes, 10, days_ago=29)
    assert why(wes, 300) != ""
    paid(sue := make.user("sue"), 10, days_ago=31)
    assert why(sue, 300) == ""


def test_a_first_payout_that_still_waits_makes_nobody_old():
    wes = make.user("wes")
    paid(wes, 10, days_ago=31, state="requested")
    assert why(wes, 300) != ""


def test_much_within_a_day_is_seen_by_a_person():
    wes = make.user("wes")
    paid(wes, 10, days_ago=40)
    paid(wes, 400, days_ago=0.9)
    assert why(wes, 100) == ""
    assert why(wes, 101) == "501.00 USD within a day to one person, more than 500.00 USD"
    Payout.objects.filter(amount_micros=400 * UNIT).update(created_at=clock.now() - timedelta(days=1.1))
    assert why(wes, 500) == ""


def test_currencies_and_modes_are_counted_apart():
    wes = make.user("wes")
    paid(wes, 10, days_ago=40)
    paid(wes, 400, currency="EUR")
    paid(wes, 400, mode="live")
    assert why(wes, 500) == ""


def test_those_who_are_paid_at_one_place_are_counted_together():
    wes, sue, sam = (make.user(name) for name in ("wes", "sue", "sam"))
    for user in (wes, sue, sam):
        paid(user, 10, days_ago=40)
        paid(user, 240, days_ago=0.5)
    identified(wes, "same"), identified(sue, "same"), identified(sam, "other")
    assert why(wes, 20) == ""
    assert why(wes, 21) == "501.00 USD within a day to 2 people who are paid at one place, more than 500.00 USD"
    assert why(sam, 21) == ""


def test_accounts_whose_place_is_not_known_are_nobodys_kin():
    wes, sue = make.user("wes"), make.user("sue")
    for user in (wes, sue):
        paid(user, 10, days_ago=40)
        paid(user, 300, days_ago=0.5)
        identified(user, "")
    assert why(wes, 200) == ""
