"""Two admins sign one correction at the same moment; the naive way moves the money back twice."""

from threading import Barrier

import pytest
from django.db import transaction

from marketplace.core.errors import Conflict
from payments import corrections, ledger
from payments.models import Correction
from tests import make
from tests.payments import made
from tests.payments.made import USD, balance
from tests.race import PATIENCE_S, race

pytestmark = pytest.mark.django_db(transaction=True)
UNIT = 1_000_000


@pytest.fixture
def waiting(settings):
    settings.CORRECTION_ALONE_MOST_MICROS = 0
    made.prepaid(make.organisation(), 100 * UNIT)  # fees have more than is moved back once
    prepaid, fees = made.prepaid(make.organisation(make.user("sam")), 100 * UNIT), ledger.account("fees", **USD)
    ledger.post("charge", "more", (prepaid, fees, 50 * UNIT))
    entry = ledger.post("charge", "wrong", (prepaid, fees, 10 * UNIT))
    return corrections.propose(entry, make.user("ada", staff=True), "Wrong."), prepaid


def admins(count=4):
    return [make.user(f"admin{n}", staff=True) for n in range(count)]


def test_of_four_who_sign_at_once_one_moves_it_back(waiting):
    _, prepaid = waiting
    ended = race(*(lambda by=by: corrections.sign(Correction.objects.get(), by) for by in admins()))
    assert sum(isinstance(one, Correction) for one in ended) == 1
    assert sum(isinstance(one, Conflict) for one in ended) == 3
    assert balance(prepaid) == 50 * UNIT
    assert ledger.audit() == []


def test_of_four_who_propose_at_once_one_does(settings):
    settings.CORRECTION_ALONE_MOST_MICROS = 100 * UNIT
    prepaid, fees = made.prepaid(make.organisation(), 20 * UNIT), ledger.account("fees", **USD)
    entry = ledger.post("charge", "wrong", (prepaid, fees, 10 * UNIT))
    ended = race(*(lambda by=by: corrections.propose(entry, by, "Wrong.") for by in admins()))
    assert sum(isinstance(one, Correction) for one in ended) == 1
    assert sum(isinstance(one, corrections.AlreadyCorrected) for one in ended) == 3
    assert balance(prepaid) == 20 * UNIT


def test_control_looking_at_the_state_without_a_lock_and_a_key_moves_it_back_twice(waiting):
    _, prepaid = waiting
    all_have_looked = Barrier(4, timeout=PATIENCE_S)

    @transaction.atomic
    def naive(by):
        seen = Correction.objects.get()
        assert seen.state == "proposed"
        all_have_looked.wait()
        (row,) = seen.entry.transfers.select_related("debit", "credit")
        return ledger.post("reversal", f"reversal:{seen.pk}:{by.pk}", (row.credit, row.debit, row.amount_micros))

    race(*(lambda by=by: naive(by) for by in admins()))
    assert balance(prepaid) > 50 * UNIT
    assert ledger.audit() != []
