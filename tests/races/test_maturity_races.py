"""Settling into a day while it is made payable: nothing is left behind, nothing is moved twice."""

from datetime import date

import pytest

from marketplace.core import states
from payments import checks, ledger, maturities
from payments.models import Account, Maturity
from tests import make
from tests.payments.test_maturities import USD, reserve, young
from tests.race import race

pytestmark = pytest.mark.django_db(transaction=True)
LONG_AGO = date(2026, 1, 1)
ROUNDS = 30


@pytest.fixture(autouse=True)
def _due(monkeypatch):
    """Everything is payable from a day that has come: settlements and sweeps meet in it."""
    monkeypatch.setattr("payments.funding.payable_on", lambda *about: LONG_AGO)


def settle(account, n):
    return ledger.post_settlement(f"settle:{n}", account, {make.user(f"w{n % 3}").pk: 10 + n}, 0)


def people():
    return [make.user(f"w{n}") for n in range(3)]


def test_settlements_and_sweepers_at_once_leave_nothing_behind_and_move_nothing_twice():
    young(project := make.project())
    account = reserve(project, 1_000_000)
    people()
    calls = [lambda n=n: settle(account, n) for n in range(12)]
    ended = race(*calls, *[maturities.mature] * 6)
    assert [one for one in ended if isinstance(one, Exception)] == []
    assert checks.broken() == []
    while maturities.mature():
        pass
    assert checks.broken() == []
    assert Maturity.objects.get().state == "done"
    earned = {one.kind: one.balance_micros for one in Account.objects.filter(kind="pending")}
    assert set(earned.values()) <= {0}
    assert sum(one.balance_micros for one in Account.objects.filter(kind="earnings")) == sum(10 + n for n in range(12))


def left_behind(expect, monkeypatch):
    """Whether a settlement into a day just made payable stays pending for ever, in one of some rounds."""
    monkeypatch.setattr(maturities, "expect", expect)
    young(project := make.project())
    account = reserve(project, 1_000_000)
    people()
    for n in range(ROUNDS):
        settle(account, 2 * n)
        ended = race(lambda n=n: settle(account, 2 * n + 1), maturities.mature)
        assert [one for one in ended if isinstance(one, Exception)] == []
        if checks.broken():
            return True
    return False


def test_what_is_settled_while_its_day_is_made_payable_waits_for_the_next_sweep(monkeypatch):
    assert not left_behind(maturities.expect, monkeypatch)


def test_control_a_settlement_that_only_looks_at_the_day_is_left_behind(monkeypatch):
    def naive(reserve_account, at):
        same = {"organisation": reserve_account.organisation, "day": LONG_AGO, **USD}
        row, _ = Maturity.objects.get_or_create(**same)
        if row.state == Maturity.State.DONE:
            states.move(row, Maturity.State.WAITING)
        return LONG_AGO

    assert left_behind(naive, monkeypatch)
