"""Each kind of damage to refunds and disputes is planted, and the audit names it."""

from contextlib import contextmanager

import pytest
from django.db import connection, transaction

from payments import disputes, funding_checks, ledger, prepayments, refunds, reserves
from tests import make
from tests.payments.bank import Bank

UNIT = 1_000_000
pytestmark = pytest.mark.django_db(transaction=True)
PREPAYMENT = "UPDATE payments_prepayment SET"
REFUND = "UPDATE payments_refund SET"
DISPUTE = "UPDATE payments_dispute SET"
DAMAGE = {
    "is paid, but nothing says when": [f"{PREPAYMENT} paid_at = NULL", f"{PREPAYMENT} payable_from = NULL"],
    "are said to be asked back": [f"{PREPAYMENT} refunded_micros = refunded_micros + 1 WHERE refunded_micros > 0"],
    "are said to be taken back": [f"{PREPAYMENT} disputed_micros = 0"],
    "its entries moved": [
        f"{REFUND} state = 'failed' WHERE state = 'paid'",
        f"{REFUND} state = 'paid' WHERE state = 'requested'",
        f"{REFUND} amount_micros = amount_micros + 1",
        f"{REFUND} state = 'requested' WHERE state = 'failed'",
        "DELETE FROM payments_transfer WHERE entry_id IN (SELECT id FROM payments_entry WHERE kind = 'refund_paid')",
    ],
    "are refunding": [f"{REFUND} state = 'failed' WHERE state = 'requested'", f"{REFUND} state = 'proposed'"],
    "its entries took": [
        f"{DISPUTE} state = 'won'",
        f"{DISPUTE} covered_micros = covered_micros - 1 WHERE state = 'open'",
        f"{DISPUTE} amount_micros = amount_micros + 1",
        f"{DISPUTE} recoveries = 0",
        f"{DISPUTE} prepayment_id = NULL",
        f"{DISPUTE} state = 'open' WHERE state = 'won'",
    ],
}


def test_every_check_is_asked_of_damage():
    assert len(DAMAGE) == len(funding_checks.CHECKS)
    assert all(any(named in sentence for sentence in funding_checks.CHECKS) for named in DAMAGE)


@pytest.mark.parametrize(("named", "statement"), [(named, way) for named, ways in DAMAGE.items() for way in ways])
def test_damage_is_named(settings, named, statement):
    settings.MODE = "test"
    everything()
    assert ledger.audit() == []
    with damaged(statement):
        assert any(named in sentence for sentence in ledger.audit()), ledger.audit()


def everything():
    """Refunds in every state, and disputes: one covered later, one won."""
    acme = make.organisation()
    rita = make.owner(acme)

    def paid(units, charge):
        begun = prepayments.request(acme, rita, units * UNIT, "USD", through=Bank())
        return prepayments.settle_paid(begun.pk, charge)

    paid(50, "ch_1")
    for n, outcome in enumerate(("", "refused", None)):
        (refund,) = refunds.request(acme, rita, (n + 1) * UNIT, "USD")
        if outcome is not None and refund.state == "requested":
            refunds.send(refund.pk, through=Bank(outcome))
    paid(5, "ch_3")
    refunds.request(acme, rita, UNIT, "USD")
    reserves.open(make.project(acme), "batch:1", {"answers": 30 * UNIT}, 1000, "USD", "test")
    disputes.opened("ch_1", "dp_1", 40 * UNIT)
    reserves.release("batch:1", 5 * UNIT, "answers")
    disputes.catch_up()
    disputes.opened("ch_3", "dp_2", UNIT)
    disputes.closed("dp_2", won=True)


@contextmanager
def damaged(statement):
    """The database with the ledger's triggers off and this statement run; undone afterwards."""
    with transaction.atomic(), connection.cursor() as sql:
        sql.execute("SET CONSTRAINTS ALL IMMEDIATE")
        sql.execute("ALTER TABLE payments_transfer DISABLE TRIGGER USER")
        sql.execute(statement)
        yield
        transaction.set_rollback(True)
