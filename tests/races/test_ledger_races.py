"""The ledger under threads; each race is also run on a naive version, which must lose it."""

import secrets
from threading import Barrier

import pytest
from django.db import IntegrityError, OperationalError, transaction
from django.db.models import F

from marketplace.core.errors import InsufficientFunds
from payments import ledger, payouts, reserves
from payments.gateway.sandbox import Sandbox
from payments.models import Account, Entry, Transfer
from tests import make
from tests.payments import made
from tests.payments.made import USD, balance
from tests.race import PATIENCE_S, race

pytestmark = pytest.mark.django_db(transaction=True)
CLIENTS = 12


def fees():
    return ledger.account("fees", **USD)


# A balance for exactly so many posts


def test_a_balance_for_five_posts_gives_five_of_twelve_clients_theirs():
    prepaid, to = made.prepaid(make.organisation(), 5), fees()
    ended = race(*(lambda n=n: ledger.post("charge", f"charge:{n}", (prepaid, to, 1)) for n in range(CLIENTS)))
    assert sum(isinstance(one, Entry) for one in ended) == 5
    assert sum(isinstance(one, InsufficientFunds) for one in ended) == CLIENTS - 5
    assert {one.facts["missing_micros"] for one in ended if isinstance(one, InsufficientFunds)} == {1}
    assert (balance(prepaid), balance(to)) == (0, 5)
    assert ledger.audit() == []


def test_reading_the_balance_before_writing_it_spends_it_twice():
    prepaid, to = made.prepaid(make.organisation(), 5), fees()
    all_have_read = Barrier(CLIENTS, timeout=PATIENCE_S)

    @transaction.atomic
    def naive(n):
        debit, credit = Account.objects.get(pk=prepaid.pk), Account.objects.get(pk=to.pk)
        assert debit.balance_micros >= 1
        all_have_read.wait()
        entry = Entry.objects.create(kind="charge", key=f"charge:{n}")
        Transfer.objects.create(entry=entry, debit=debit, credit=credit, amount_micros=1, **USD)
        Account.objects.filter(pk=debit.pk).update(debits_micros=debit.debits_micros + 1)
        Account.objects.filter(pk=credit.pk).update(credits_micros=credit.credits_micros + 1)
        return entry

    ended = race(*(lambda n=n: naive(n) for n in range(CLIENTS)))
    assert sum(isinstance(one, Entry) for one in ended) > 5
    assert ledger.audit() != []


# A reserve for exactly so many answers


def test_money_for_twenty_more_answers_is_reserved_for_twenty_of_64_clients():
    reserve, each = made.reserve(1), 55_000
    prepaid = made.prepaid(reserve.account.organisation, 20 * each)
    ended = race(*[lambda: reserves.add("batch:1", "answers", each)] * 64)
    assert sum(isinstance(one, Entry) for one in ended) == 20, ended
    assert {one.facts["missing_micros"] for one in ended if not isinstance(one, Entry)} == {each}
    assert (balance(prepaid), reserves.balance("batch:1")) == (0, 1 + 20 * each)
    assert ledger.audit() == []


def test_looking_at_what_is_prepaid_before_reserving_it_promises_it_twice():
    reserve, each = made.reserve(1), 55_000
    prepaid = made.prepaid(reserve.account.organisation, 20 * each)
    all_have_looked = Barrier(64, timeout=PATIENCE_S)

    @transaction.atomic
    def naive():
        left, line = balance(prepaid), reserve.lines.get().amount_micros
        assert left >= each
        all_have_looked.wait()
        reserve.lines.update(amount_micros=line + each)
        Account.objects.filter(pk=prepaid.pk).update(debits_micros=F("credits_micros") - left + each)
        return True

    assert race(*[naive] * 64).count(True) > 20
    assert ledger.audit() != []


# One key


def test_a_key_used_by_sixteen_threads_at_once_is_one_entry_for_all():
    prepaid, to = made.prepaid(make.organisation(), 100), fees()
    ended = race(*[lambda: ledger.post("charge", "charge:1", (prepaid, to, 10))] * 16)
    assert {one.pk for one in ended} == {Entry.objects.get(key="charge:1").pk}
    assert balance(prepaid) == 90
    assert ledger.audit() == []


def test_a_key_whose_first_user_fails_is_free_for_the_others():
    prepaid, to = made.prepaid(make.organisation(), 10), fees()

    @transaction.atomic
    def fails():
        ledger.post("charge", "charge:1", (prepaid, to, 10))
        raise RuntimeError

    ended = race(fails, fails, *[lambda: ledger.post("charge", "charge:1", (prepaid, to, 10))] * 6)
    assert {one.pk for one in ended[2:]} == {Entry.objects.get(key="charge:1").pk}
    assert ledger.audit() == []


def test_looking_for_the_key_before_using_it_moves_the_money_again():
    prepaid, to = made.prepaid(make.organisation(), 100), fees()
    all_have_looked = Barrier(4, timeout=PATIENCE_S)

    def naive():
        found = Entry.objects.filter(key__startswith="charge:1").first()
        all_have_looked.wait()
        return found or ledger.post("charge", f"charge:1:{secrets.token_hex(4)}", (prepaid, to, 10))

    race(*[naive] * 4)
    assert balance(prepaid) < 90


# The order of locks


def test_transfers_to_and_fro_do_not_wait_for_each_other():
    prepaid, to = made.prepaid(make.organisation(), 1_000), fees()
    ledger.post("charge", "charge:0", (prepaid, to, 500))

    def there(n):
        return [ledger.post("charge", f"there:{n}:{k}", (prepaid, to, 1)) for k in range(20)]

    def back(n):
        return [ledger.post("charge", f"back:{n}:{k}", (to, prepaid, 1)) for k in range(20)]

    ended = race(*(lambda n=n, way=way: way(n) for n in range(4) for way in (there, back)))
    assert all(isinstance(one, list) for one in ended), ended
    assert (balance(prepaid), balance(to)) == (500, 500)
    assert ledger.audit() == []


def test_locking_the_debited_account_first_deadlocks():
    prepaid, to = made.prepaid(make.organisation(), 1_000), fees()
    ledger.post("charge", "charge:0", (prepaid, to, 500))
    both_hold_one = Barrier(2, timeout=PATIENCE_S)

    @transaction.atomic
    def naive(debit, credit):
        Account.objects.filter(pk=debit.pk).update(debits_micros=F("debits_micros") + 1)
        both_hold_one.wait()
        Account.objects.filter(pk=credit.pk).update(credits_micros=F("credits_micros") + 1)

    ended = race(lambda: naive(prepaid, to), lambda: naive(to, prepaid))
    assert any(isinstance(one, OperationalError) and "deadlock" in str(one) for one in ended)


# Settlements that share workers who have no account yet


def test_settlements_that_share_new_workers_all_happen():
    reserves = [made.reserve(10_000, f"batch:{n}") for n in range(4)]
    workers = [make.user(f"worker{n}").pk for n in range(40)]

    def settle(n):
        rewards = dict.fromkeys(workers[n * 5 : n * 5 + 25], 10)
        return ledger.post_settlement(f"settle:{n}", reserves[n].account, rewards, 5)

    ended = race(*(lambda n=n: settle(n) for n in range(4)), *(lambda n=n: settle(n) for n in range(4)))
    assert [one.key for one in ended] == [f"settle:{n}" for n in range(4)] * 2
    assert Transfer.objects.filter(entry__kind="settlement").count() == 4 * 26
    assert balance(fees()) == 20
    assert ledger.audit() == []


def test_looking_for_an_account_before_making_it_fails_for_the_second():
    wes, both_have_looked = make.user("wes"), Barrier(2, timeout=PATIENCE_S)

    def naive():
        found = Account.objects.filter(kind="earnings", user=wes, **USD).first()
        both_have_looked.wait()
        return found or Account.objects.create(kind="earnings", user=wes, **USD)

    assert sorted(type(one).__name__ for one in race(naive, naive)) == sorted(["Account", IntegrityError.__name__])
    everyone = race(*[lambda: ledger.account("earnings", user=wes, **USD)] * CLIENTS)
    assert len(set(everyone)) == 1


# Payouts


def test_a_payout_sent_by_eight_threads_is_booked_once():
    wes = make.user("wes")
    made.earned(wes, 5_000_000)
    payout = payouts.request(wes)
    ended = race(*[lambda: payouts.send(payout.pk)] * 8)
    assert {one.state for one in ended} == {"paid"}
    assert {one.provider_id for one in ended} == {Sandbox().pay_out(payout)}
    assert balance(ledger.account("in_transit", **USD)) == 0
    assert ledger.audit() == []


def test_all_that_is_there_is_requested_once():
    wes = make.user("wes")
    made.earned(wes, 5_000_000)
    ended = race(*[lambda: payouts.request(wes)] * 8)
    assert sum(isinstance(one, InsufficientFunds) for one in ended) == 7
    assert wes.payouts.get().amount_micros == 5_000_000
    assert ledger.audit() == []


def test_booking_a_payout_under_a_new_key_each_time_pays_it_twice():
    wes = make.user("wes")
    for _ in range(2):
        made.earned(wes, 5_000_000)
    payout, other = payouts.request(wes, 5_000_000), payouts.request(wes, 5_000_000)
    transit, outside = ledger.account("in_transit", **USD), ledger.account("outside", **USD)
    both_have_read = Barrier(2, timeout=PATIENCE_S)

    def naive():
        payout.refresh_from_db()
        both_have_read.wait()
        assert payout.state == "requested"
        ledger.post("payout_paid", f"payout:{secrets.token_hex(4)}", (transit, outside, payout.amount_micros))
        payout.__class__.objects.filter(pk=payout.pk).update(state="paid")

    race(naive, naive)
    assert other.state == "requested"
    assert balance(transit) == 0, "the money of the other payout went out with it"
    assert ledger.audit() != []
