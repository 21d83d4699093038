"""Pages of what moved, over several accounts."""

import pytest

from payments import balances, ledger
from payments.moves import Moves
from tests import make
from tests.payments.made import USD, at, booked

pytestmark = pytest.mark.django_db


@pytest.fixture(autouse=True)
def _audited():
    """Not here: payouts and maturities are booked without their rows."""


@pytest.fixture
def accounts(wes):
    outside, own = ledger.account("outside", **USD), ledger.account("earnings", user=wes, **USD)
    pending = ledger.account("pending", user=wes, organisation=make.organisation(), subject="2026-12-01", **USD)
    for day in range(1, 5):
        booked(at(f"2026-10-0{day}"), "settlement", f"in:{day}", (outside, pending if day % 2 else own, day))
    booked(at("2026-10-05"), "maturity", "over", (pending, own, 4))  # of both
    booked(at("2026-10-06"), "payout", "out", (own, outside, 6))
    return own, pending


def keys(rows):
    return [row.entry.key for row in rows]


def test_what_is_of_two_accounts_is_there_once_in_either_order(accounts):
    both = Moves([account.pk for account in accounts])
    assert keys(both[:9]) == ["out", "over", "in:4", "in:3", "in:2", "in:1"]
    assert keys(both.order_by("pk")[:3]) == ["in:1", "in:2", "in:3"]
    assert Moves([])[:9] == []


def test_a_page_begins_behind_the_one_before(accounts):
    both = Moves([account.pk for account in accounts])
    first = both[:2]
    assert keys(both.filter(pk__lt=first[-1].pk)[:2]) == ["in:4", "in:3"]
    assert keys(both.order_by("pk").filter(pk__gt=first[-1].pk)[:2]) == ["out"]


def test_only_one_side_and_only_a_span_of_time(accounts):
    own, _ = accounts
    assert keys(Moves([own.pk], ("credit",))[:9]) == ["over", "in:4", "in:2"]
    assert keys(Moves([own.pk], begin=at("2026-10-04"), end=at("2026-10-06"))[:9]) == ["over", "in:4"]


def test_what_moved_between_own_accounts_is_left_out_and_does_not_shorten_a_page(wes, accounts):
    assert keys(balances.earned(wes)[:3]) == ["in:4", "in:3", "in:2"]
