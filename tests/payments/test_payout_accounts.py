"""Where people are paid: opened once, looked at in any order, closed with what is left."""

from datetime import timedelta

import pytest

from marketplace.core import clock
from marketplace.core.errors import Conflict, Forbidden, Invalid
from marketplace.models import AuditEvent
from payments import holds, jobs, ledger, payout_accounts, payouts, schedules
from payments.gateway import AccountState
from payments.holds import PayoutHeld
from payments.models import Payout, PayoutAccount, PayoutSchedule
from payments.payouts import PayoutAccountNeeded
from tests import make
from tests.payments import made
from tests.payments.payer import Bank

UNIT = 1_000_000
on_its_own = pytest.mark.django_db(transaction=True)
READY = AccountState("ready", [], "same place")
HOUR = timedelta(hours=1)


@pytest.fixture(autouse=True)
def _real(settings):
    settings.MODE = "test"


def opened(user=None, country="US"):
    return payout_accounts.open(user or make.user("wes"), country)


def made_by_bank(user):
    bank = Bank()
    return payout_accounts.make(opened(user).pk, through=bank), bank


def seen(account):
    account.refresh_from_db()
    return account.state, account.missing


# Opening


def test_it_is_opened_once_and_the_provider_is_asked_in_the_background(wes, queued):
    account = opened(wes)
    assert (account.state, account.mode, account.country, account.provider_id) == ("new", "test", "US", "")
    assert opened(wes) == account
    assert queued == [("payments.jobs.make_payout_account", account.pk)]
    assert payout_accounts.of(wes) == account
    with pytest.raises(Conflict, match="paid in US"):
        opened(wes, "DE")


def test_nobody_is_paid_where_nobody_can_be(wes, settings):
    settings.PAYOUT_COUNTRIES = {"US": frozenset({"USD"})}
    for country in ("DE", "", "us", "XX"):
        with pytest.raises(Invalid) as refusal:
            opened(wes, country)
        assert refusal.value.facts["errors"][0]["path"] == "country"


def test_the_unconfirmed_have_none(wes):
    wes.emailaddress_set.update(verified=False)
    with pytest.raises(Forbidden):
        opened(wes)


@on_its_own
@pytest.mark.parametrize("fault", ["before", "after"])
def test_a_lost_reply_makes_one_account(wes, fault):
    account, bank = opened(wes), Bank(fault)
    with pytest.raises(ConnectionError):
        payout_accounts.make(account.pk, through=bank)
    payout_accounts.look_again(through=bank, at=clock.now() + HOUR)
    assert seen(account) == ("incomplete", ["external_account"])
    assert account.provider_id == f"acct_{account.pk}"
    assert list(bank.accounts) == [f"account:{account.pk}"]
    payout_accounts.make(account.pk, through=bank)
    assert len(bank.emails) == (1 if fault == "before" else 2)


@on_its_own
def test_the_address_is_passed_on_and_not_kept(wes):
    _, bank = made_by_bank(wes)
    assert bank.emails == ["wes@example.org"]
    rows = [str(row) for model in (PayoutAccount, AuditEvent) for row in model.objects.values()]
    assert not [row for row in rows if "wes@" in row]


@on_its_own
def test_a_refused_account_is_closed_and_another_can_be_opened(wes):
    account = opened(wes)
    payout_accounts.make(account.pk, through=Bank("refused"))
    account.refresh_from_db()
    assert (account.state, account.refusal) == ("closed", "the account is closed")
    assert payout_accounts.of(wes) is None
    with pytest.raises(Conflict, match="the account is closed"):
        payout_accounts.onboarding_url(account, through=Bank())
    assert opened(wes, "DE").country == "DE"


# To the provider


@on_its_own
def test_each_link_is_a_fresh_one_and_kept_nowhere(wes):
    account, bank = opened(wes), Bank()
    first = payout_accounts.onboarding_url(account, through=bank)
    account.refresh_from_db()
    second = payout_accounts.onboarding_url(account, through=bank)
    assert first != second
    assert account.provider_id, "it is made where the job was not faster"
    assert not [row for row in PayoutAccount.objects.values() if "provider.example" in str(row)]


# How it stands


@on_its_own
def test_every_message_asks_the_provider_and_any_order_has_the_same_end(wes):
    account, bank = made_by_bank(wes)
    for now in (READY, AccountState("restricted", ["id"]), AccountState("incomplete", ["id"]), READY):
        bank.now = now
        for _ in range(2):
            payout_accounts.refresh(account.provider_id, through=bank)
        assert seen(account) == (now.state, now.missing)
    assert account.identity == "same place"
    verbs = AuditEvent.objects.filter(target_type="payoutaccount").order_by("pk").values_list("verb", flat=True)
    assert list(verbs) == ["open", "look", "look", "look", "look", "look"]


@on_its_own
def test_what_was_asked_earlier_and_answered_later_changes_nothing(wes):
    account, bank = made_by_bank(wes)

    class Slow(Bank):
        """While it answers, the person is done and a second message comes."""

        def look_at(self, account):
            bank.now = READY
            payout_accounts.refresh(account.provider_id, through=bank)
            return AccountState("incomplete", ["external_account"])

    payout_accounts.refresh(account.provider_id, through=Slow())
    assert seen(account) == ("ready", [])


@on_its_own
def test_a_closed_account_stays_closed_and_strangers_are_none_of_ours(wes):
    account, bank = made_by_bank(wes)
    bank.now = AccountState("closed")
    payout_accounts.refresh(account.provider_id, through=bank)
    bank.now = READY
    calls = bank.calls
    assert payout_accounts.refresh(account.provider_id, through=bank).state == "closed"
    assert payout_accounts.refresh("acct_of_somebody", through=bank) is None
    assert payout_accounts.refresh("", through=bank) is None
    assert bank.calls == calls


@on_its_own
def test_the_sweep_looks_where_nothing_was_heard_and_not_again_at_once(wes):
    account, bank = made_by_bank(wes)
    bank.now, at = READY, clock.now()
    assert payout_accounts.look_again(through=bank, at=at) is False
    assert seen(account)[0] == "incomplete"
    payout_accounts.look_again(through=bank, at=at + 2 * HOUR)
    assert seen(account)[0] == "ready"
    calls = bank.calls
    payout_accounts.look_again(through=bank, at=at + 3 * HOUR)
    assert bank.calls == calls
    payout_accounts.look_again(through=bank, at=at + 48 * HOUR)
    assert bank.calls == calls + 1


@on_its_own
def test_the_sweep_passes_by_what_fails_and_leaves_other_modes_alone(wes, sam, settings):
    first, second = opened(wes), opened(sam)
    PayoutAccount.objects.filter(pk=first.pk).update(due_at=clock.now() - HOUR)
    bank = Bank("before")
    assert payout_accounts.look_again(1, through=bank, at=clock.now() + HOUR) is True
    assert payout_accounts.look_again(1, through=bank, at=clock.now() + timedelta(minutes=2)) is True
    assert (seen(first)[0], seen(second)[0]) == ("new", "incomplete")
    settings.MODE = "live"
    calls = bank.calls
    payout_accounts.look_again(through=bank, at=clock.now() + 48 * HOUR)
    assert payout_accounts.make(first.pk, through=bank).state == "new"
    assert payout_accounts.refresh(second.provider_id, through=bank) is None
    assert bank.calls == calls
    assert payout_accounts.of(wes) is None


@on_its_own
def test_play_money_is_ready_at_once(wes, settings):
    settings.MODE = "sandbox"
    account = opened(wes)
    jobs.make_payout_account(account.pk)
    assert seen(account) == ("ready", [])
    assert payout_accounts.onboarding_url(account) == f"{settings.SITE_URL}/earnings/account/back"


# Closing


def test_closing_pays_out_less_than_the_least_and_keeps_parts_of_a_cent(wes, queued):
    made.owed(wes, 550_009)
    account = made.paid_to(wes)
    with pytest.raises(Exception, match="at least"):
        payouts.request(wes)
    (payout,) = payout_accounts.close(wes)
    assert (payout.amount_micros, payout.account, payout.state) == (550_000, account, "requested")
    assert ledger.account("earnings", user=wes, currency="USD", mode="test").balance_micros == 9
    assert seen(account)[0] == "closed"
    made.owed(wes, 5 * UNIT)
    with pytest.raises(PayoutAccountNeeded):
        payouts.request(wes)
    assert payout_accounts.close(wes) == []


@on_its_own
def test_what_was_on_its_way_when_it_was_closed_arrives(wes):
    made.owed(wes, 550_000)
    made.paid_to(wes)
    (payout,) = payout_accounts.close(wes)
    assert payouts.send(payout.pk, through=Bank()).state == "paid"


def test_closing_pays_every_currency_the_country_takes(wes, settings):
    settings.PAYOUT_COUNTRIES = {"CH": frozenset({"CHF", "EUR"})}
    made.paid_to(wes, country="CH")
    for currency in ("EUR", "USD", "CHF"):
        made.owed(wes, 300_000, currency=currency)
    paid = payout_accounts.close(wes)
    assert sorted(one.currency for one in paid) == ["CHF", "EUR"]
    assert payouts.available_micros(wes, "USD", "test") == 300_000


def test_a_hold_keeps_it_open(wes):
    made.owed(wes, 5 * UNIT)
    account = made.paid_to(wes)
    holds.put(wes, clock.now() + HOUR)
    with pytest.raises(PayoutHeld):
        payout_accounts.close(wes)
    assert seen(account)[0] == "ready"
    assert not Payout.objects.exists()


def test_one_that_is_not_ready_is_closed_and_the_earnings_stay(wes):
    made.owed(wes, 5 * UNIT)
    account = made.paid_to(wes, "incomplete")
    assert payout_accounts.close(wes) == []
    assert seen(account)[0] == "closed"
    assert payouts.available_micros(wes, "USD", "test") == 5 * UNIT


def test_of_who_is_gone_only_the_keys_stay(wes):
    account = made.paid_to(wes, identity="same place", missing=["id"])
    schedules.choose(wes, "weekly")
    payout_accounts.erase(wes)
    account.refresh_from_db()
    assert (account.state, account.identity, account.missing) == ("closed", "", [])
    assert account.provider_id
    assert PayoutSchedule.objects.get().every == "none"
