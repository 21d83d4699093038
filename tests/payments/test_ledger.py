from contextlib import contextmanager

import pytest
from django.db import IntegrityError, connection, transaction

from marketplace.core.errors import InsufficientFunds, KeyReused
from payments import ledger, payouts, prepayments, reserves
from payments.models import Account, Entry, Payout, Transfer
from tests import make
from tests.payments import made
from tests.payments.made import USD, balance

UNIT = 1_000_000


def lost(currency="USD", mode="sandbox"):
    """Where a test takes money from that nobody has paid: losses may be overdrawn."""
    return ledger.account("losses", currency=currency, mode=mode)


def prepaid(organisation, currency="USD", mode="sandbox"):
    return ledger.account("prepaid", organisation=organisation, currency=currency, mode=mode)


def test_the_textbook_example():
    project, wes, ann = make.project(), make.user("wes"), make.user("ann")
    acme = project.organisation
    prepayments.request(acme, make.owner(acme), 100 * UNIT, "USD")
    assert balance(prepaid(acme)) == 100 * UNIT
    assert balance(ledger.account("outside", **USD)) == -100 * UNIT

    reserve = reserves.open(project, "batch:1", {"answers": 33 * UNIT}, 1000, "USD", "sandbox")
    assert (balance(prepaid(acme)), balance(reserve.account)) == (67 * UNIT, 33 * UNIT)

    entry = ledger.post_settlement("settle:1", reserve.account, {wes.pk: 12 * UNIT, ann.pk: 8 * UNIT}, 2 * UNIT)
    assert [transfer.amount_micros for transfer in entry.transfers.order_by("pk")] == [12 * UNIT, 8 * UNIT, 2 * UNIT]
    assert balance(ledger.account("earnings", user=wes, **USD)) == 12 * UNIT
    assert balance(ledger.account("earnings", user=ann, **USD)) == 8 * UNIT
    assert balance(ledger.account("fees", **USD)) == 2 * UNIT

    reserves.release("batch:1", 11 * UNIT, "answers")
    assert (balance(prepaid(acme)), balance(reserve.account)) == (78 * UNIT, 0)

    payouts.request(wes, 12 * UNIT)
    assert balance(ledger.account("earnings", user=wes, **USD)) == 0
    assert balance(ledger.account("in_transit", **USD)) == 12 * UNIT
    assert sum(account.balance_micros for account in Account.objects.all()) == 0


def test_an_account_is_one():
    acme = make.organisation()
    assert prepaid(acme) == prepaid(acme)
    assert prepaid(acme) != prepaid(acme, currency="EUR")
    assert lost() == lost()
    assert lost() != lost(mode="test")


def test_the_same_key_with_the_same_transfers_is_the_first_entry():
    acme = make.organisation()
    first = ledger.post("prepayment", "k", (lost(), prepaid(acme), 5), (lost(), prepaid(acme), 7), facts={"a": 1})
    again = ledger.post("prepayment", "k", (lost(), prepaid(acme), 7), (lost(), prepaid(acme), 5))
    assert again == first
    assert again.facts == {"a": 1}
    assert balance(prepaid(acme)) == 12


def test_the_key_is_looked_at_before_the_balance():
    acme, fees = make.organisation(), ledger.account("fees", **USD)
    ledger.post("prepayment", "in", (lost(), prepaid(acme), 5))
    first = ledger.post("charge", "out", (prepaid(acme), fees, 5))
    assert ledger.post("charge", "out", (prepaid(acme), fees, 5)) == first


def test_the_same_key_for_something_else_is_refused():
    acme = make.organisation()
    ledger.post("prepayment", "k", (lost(), prepaid(acme), 5))
    for kind, moves in {
        "another kind": [(lost(), prepaid(acme), 5)],
        "prepayment": [(lost(), prepaid(acme), 6)],
        "prepayment ": [(lost(), prepaid(acme), 5), (lost(), prepaid(acme), 5)],
    }.items():
        with pytest.raises(KeyReused):
            ledger.post(kind.strip(), "k", *moves)
    assert balance(prepaid(acme)) == 5


def test_an_overdraft_is_refused_with_what_is_missing_and_leaves_nothing():
    acme, fees = make.organisation(), ledger.account("fees", **USD)
    ledger.post("prepayment", "in", (lost(), prepaid(acme), 5))
    with pytest.raises(InsufficientFunds) as refusal:
        ledger.post("charge", "out", (prepaid(acme), fees, 4), (prepaid(acme), fees, 4))
    assert refusal.value.facts == {"missing_micros": 3, "currency": "USD"}
    assert not Entry.objects.filter(key="out").exists()
    assert (balance(prepaid(acme)), balance(fees)) == (5, 0)
    ledger.post("charge", "out", (prepaid(acme), fees, 5))  # the key was not used up


def test_what_comes_in_with_an_entry_may_go_out_with_it():
    acme, fees = make.organisation(), ledger.account("fees", **USD)
    ledger.post("prepayment", "k", (prepaid(acme), fees, 5), (lost(), prepaid(acme), 5))
    assert balance(fees) == 5


def test_only_the_outside_and_losses_may_be_overdrawn():
    bounded = set(Account.Kind.values) - set(Account.UNBOUNDED)
    everything = [lost(), *(ledger.account(kind, **USD) for kind in sorted(bounded))]
    for debit in everything[1:]:
        with pytest.raises(InsufficientFunds):
            ledger.post("test", f"from {debit.kind}", (debit, everything[0], 1))


@pytest.mark.parametrize("amount", [0, -1])
def test_the_database_refuses_an_amount_that_is_not_positive(amount):
    entry = ledger.post("prepayment", "k", (lost(), prepaid(make.organisation()), 5))
    with pytest.raises(IntegrityError, match="transfer_amount_positive"), transaction.atomic():
        insert_transfer(entry, *entry.transfers.values_list("debit", "credit")[0], amount=amount)


@pytest.mark.parametrize(("currency", "mode"), [("EUR", "sandbox"), ("USD", "live")])
def test_the_database_refuses_a_transfer_of_other_money_than_its_accounts(currency, mode):
    acme = make.organisation()
    entry = ledger.post("prepayment", "k", (lost(), prepaid(acme), 5))
    usd, other = prepaid(acme), prepaid(acme, currency, mode)
    for debit, credit, wrong in ((usd, lost(), "debit"), (other, usd, "credit")):
        with pytest.raises(IntegrityError, match=f"transfer_{wrong}_same_money"), transaction.atomic():
            insert_transfer(entry, debit.pk, credit.pk, currency=currency, mode=mode)
    with pytest.raises(IntegrityError, match="transfer_credit_same_money"), transaction.atomic():
        ledger.post("prepayment", "mixed", (lost(), other, 5))


def insert_transfer(entry, debit, credit, amount=1, currency="USD", mode="sandbox"):
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO payments_transfer (entry_id, debit_id, credit_id, amount_micros, currency, mode, created_at) "
            "VALUES (%s, %s, %s, %s, %s, %s, now())",
            [entry.pk, debit, credit, amount, currency, mode],
        )


@pytest.mark.parametrize("table", ["payments_entry", "payments_transfer"])
@pytest.mark.parametrize("change", ["UPDATE {} SET id = id", "DELETE FROM {}"])
def test_rows_of_the_ledger_are_never_changed_or_deleted(table, change):
    ledger.post("prepayment", "k", (lost(), prepaid(make.organisation()), 5))
    with pytest.raises(IntegrityError, match=f"rows of {table} are append-only"), transaction.atomic():
        run(change.format(table))


def test_a_settlement_pays_each_worker_and_the_fee_in_one_entry():
    reserve = made.reserve(1_000)
    workers = [make.user(f"worker{n}") for n in range(3)]
    ledger.account("earnings", user=workers[1], **USD)  # one has earned before
    rewards = {worker.pk: 100 + n for n, worker in enumerate(workers)}
    entry = ledger.post_settlement("settle:1", reserve.account, rewards, 30, facts={"project": "prj_1"})
    paid = dict(entry.transfers.filter(credit__kind="earnings").values_list("credit__user", "amount_micros"))
    assert paid == rewards
    assert entry.transfers.get(credit__kind="fees").amount_micros == 30
    assert entry.facts == {"project": "prj_1"}
    assert reserves.balance("batch:1") == 1_000 - 303 - 30


def test_a_settlement_happens_once_under_its_key():
    reserve, wes = made.reserve(1_000), make.user("wes")
    first = ledger.post_settlement("settle:1", reserve.account, {wes.pk: 100}, 10)
    assert ledger.post_settlement("settle:1", reserve.account, {wes.pk: 100}, 10) == first
    with pytest.raises(KeyReused):
        ledger.post_settlement("settle:1", reserve.account, {wes.pk: 100}, 11)
    assert reserves.balance("batch:1") == 890


def test_a_settlement_without_a_fee_has_no_transfer_for_it():
    entry = ledger.post_settlement("settle:1", made.reserve(1_000).account, {make.user("wes").pk: 100}, 0)
    assert entry.transfers.count() == 1


def test_a_settlement_beyond_its_reserve_moves_nothing():
    reserve, wes = made.reserve(1_000), make.user("wes")
    with pytest.raises(InsufficientFunds) as refusal:
        ledger.post_settlement("settle:1", reserve.account, {wes.pk: 1_000}, 100)
    assert refusal.value.facts["missing_micros"] == 100
    assert reserves.balance("batch:1") == 1_000
    assert not Account.objects.filter(user=wes).exists()


def test_a_settlement_asks_as_much_of_the_database_for_many_as_for_one(django_assert_max_num_queries):
    reserve = made.reserve(1_000_000)
    many = {make.user(f"worker{n}").pk: 10 for n in range(200)}
    with django_assert_max_num_queries(23):
        ledger.post_settlement("settle:1", reserve.account, many, 100)
    assert Transfer.objects.filter(entry__key="settle:1").count() == 201


LOOSE = "ALTER TABLE payments_{} DROP CONSTRAINT {}"
TAMPERING = {
    "do not sum to zero but to 1 micros": [
        "UPDATE payments_account SET credits_micros = credits_micros + 1 WHERE kind = 'fees'"
    ],
    "its totals say": [
        "UPDATE payments_account SET credits_micros = credits_micros + 1 WHERE kind = 'fees'",
        "UPDATE payments_account SET debits_micros = debits_micros + 1 WHERE kind = 'outside'",
    ],
    "its transfers say": ["UPDATE payments_transfer SET amount_micros = amount_micros + 1"],
    "is overdrawn by 1 micros": [
        LOOSE.format("account", "account_not_overdrawn"),
        "UPDATE payments_account SET debits_micros = credits_micros + 1 WHERE kind = 'fees'",
    ],
    "has no transfers": ["DELETE FROM payments_transfer"],
    "is not a positive amount": [
        LOOSE.format("transfer", "transfer_amount_positive"),
        "UPDATE payments_transfer SET amount_micros = -amount_micros",
    ],
    "between two accounts": [
        LOOSE.format("transfer", "transfer_between_two"),
        "UPDATE payments_transfer SET credit_id = debit_id",
    ],
    "is of EUR sandbox, its accounts are not": [
        LOOSE.format("transfer", "transfer_debit_same_money"),
        LOOSE.format("transfer", "transfer_credit_same_money"),
        "UPDATE payments_transfer SET currency = 'EUR'",
    ],
    "reserve batch:1: its lines sum to": ["UPDATE payments_reserveline SET amount_micros = amount_micros - 1"],
    "is paid, of 1 micros; its entry moved": ["UPDATE payments_prepayment SET amount_micros = 1"],
    "is failed, of 5000000 micros; its entry moved 5000000": ["UPDATE payments_prepayment SET state = 'failed'"],
    "is paid, of 2000000 micros; its entries moved 2000000 on, 0 out and 0 back": [
        "UPDATE payments_payout SET state = 'paid'"
    ],
    "its entries moved 0 on": ["UPDATE payments_entry SET key = 'gone' WHERE kind = 'payout'"],
    "micros are in transit, payouts of 0 micros wait": ["UPDATE payments_payout SET state = 'failed'"],
}


@pytest.mark.parametrize("found", TAMPERING)
def test_the_audit_finds_what_was_tampered_with(found):
    project, wes = make.project(), make.user("wes")
    prepayments.request(project.organisation, make.owner(project.organisation), 5_000_000, "USD")
    reserve = reserves.open(project, "batch:1", {"answers": 5_000_000}, 1000, "USD", "sandbox")
    ledger.post_settlement("settle:1", reserve.account, {wes.pk: 2_000_000}, 200_000)
    payouts.request(wes)
    assert Payout.objects.get().amount_micros == 2_000_000
    assert ledger.audit() == []
    with tampered(*TAMPERING[found]):
        assert any(found in sentence for sentence in ledger.audit()), ledger.audit()


@contextmanager
def tampered(*statements):
    """The ledger with its triggers off and these statements run; undone afterwards."""
    with transaction.atomic():
        run("SET CONSTRAINTS ALL IMMEDIATE")
        for table in ("payments_entry", "payments_transfer"):
            run(f"ALTER TABLE {table} DISABLE TRIGGER USER")
        for statement in statements:
            run(statement)
        yield
        transaction.set_rollback(True)


def run(statement):
    with connection.cursor() as cursor:
        cursor.execute(statement)
