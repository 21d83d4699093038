import pytest
from django.db import IntegrityError, transaction

from marketplace.core.errors import Forbidden, IllegalMove, InsufficientFunds, Invalid
from marketplace.models import AuditEvent
from payments import corrections, ledger, payouts, reserves
from payments.models import Correction, Entry
from tests import make
from tests.payments import made
from tests.payments.made import USD, balance

UNIT = 1_000_000


@pytest.fixture(autouse=True)
def _limit(settings):
    settings.CORRECTION_ALONE_MOST_MICROS = 10 * UNIT


@pytest.fixture
def eve(db):
    """Another admin."""
    return make.user("eve", staff=True)


def charged(micros=5 * UNIT, there=20 * UNIT):
    """An entry that took too much from an organisation; what it prepaid, and what the operator got."""
    prepaid, fees = made.prepaid(make.organisation(), there), ledger.account("fees", **USD)
    return ledger.post("charge", f"charge:{Entry.objects.count()}", (prepaid, fees, micros)), prepaid, fees


def test_one_admin_reverses_a_small_entry_alone_and_wholly(ada):
    entry, prepaid, fees = charged()
    done = corrections.propose(entry, ada, " Charged twice. ")
    assert (done.state, done.proposed_by, done.signed_by, done.reason) == ("posted", ada, ada, "Charged twice.")
    assert done.reversal.key == f"reversal:{entry.pk}"
    assert (balance(prepaid), balance(fees)) == (20 * UNIT, 0)
    assert set(AuditEvent.objects.filter(target_type="correction").values_list("verb", flat=True)) == {
        "propose",
        "post",
    }


def test_exactly_the_limit_is_one_persons_and_a_micro_more_is_two_peoples(ada, eve):
    assert corrections.propose(charged(10 * UNIT)[0], ada, "Wrong.").state == "posted"
    entry, prepaid, _ = charged(10 * UNIT + 1)
    waiting = corrections.propose(entry, ada, "Wrong.")
    assert (waiting.state, balance(prepaid)) == ("proposed", 10 * UNIT - 1)
    with pytest.raises(Forbidden):
        corrections.sign(waiting, ada)
    assert corrections.sign(waiting, eve).state == "posted"
    assert balance(prepaid) == 20 * UNIT


def test_the_database_refuses_a_large_one_signed_by_whoever_proposed_it(ada, eve):
    waiting = corrections.propose(charged(11 * UNIT)[0], ada, "Wrong.")
    reversal = waiting.entry
    for signed_by in (ada, None):
        with pytest.raises(IntegrityError, match="correction_posted_by_two"), transaction.atomic():
            Correction.objects.filter(pk=waiting.pk).update(state="posted", signed_by=signed_by, reversal=reversal)


def test_only_admins_with_a_reason_correct(ada, rita):
    entry, *_ = charged()
    with pytest.raises(Forbidden):
        corrections.propose(entry, rita, "Please.")
    with pytest.raises(Invalid):
        corrections.propose(entry, ada, " ")
    waiting = corrections.propose(charged(11 * UNIT)[0], ada, "Wrong.")
    for verb in (lambda: corrections.sign(waiting, rita), lambda: corrections.decline(waiting, rita, "No.")):
        with pytest.raises(Forbidden):
            verb()


def test_an_entry_is_reversed_at_most_once(ada):
    entry, prepaid, _ = charged()
    corrections.propose(entry, ada, "Wrong.")
    with pytest.raises(corrections.AlreadyCorrected):
        corrections.propose(entry, ada, "Again.")
    assert balance(prepaid) == 20 * UNIT


def test_what_was_declined_may_be_proposed_again(ada, eve):
    entry, prepaid, _ = charged(11 * UNIT)
    first = corrections.propose(entry, ada, "Wrong.")
    assert corrections.decline(first, eve, "It was right.").answer == "It was right."
    with pytest.raises(IllegalMove):
        corrections.sign(first, eve)
    corrections.sign(corrections.propose(entry, ada, "It was wrong."), eve)
    assert balance(prepaid) == 20 * UNIT


def test_a_reversal_that_would_overdraw_says_what_is_missing_and_leaves_it_proposed(ada, eve):
    home = make.organisation()
    prepaid, fees = made.prepaid(home, 20 * UNIT), ledger.account("fees", **USD)
    paid_in = Entry.objects.get(kind="prepayment")
    ledger.post("charge", "spent", (prepaid, fees, 5 * UNIT))
    waiting = corrections.propose(paid_in, ada, "It never came.")
    with pytest.raises(InsufficientFunds) as refused:
        corrections.sign(waiting, eve)
    assert "5.00 USD is missing" in refused.value.detail
    waiting.refresh_from_db()
    assert (waiting.state, balance(prepaid)) == ("proposed", 15 * UNIT)
    small = made.prepaid(make.organisation(), UNIT)
    ledger.post("charge", "spent too", (small, fees, 1))
    with pytest.raises(InsufficientFunds):
        corrections.propose(Entry.objects.filter(kind="prepayment").last(), ada, "It never came.")
    assert Correction.objects.count() == 1


def test_a_prepayment_that_never_came_goes_back_outside_and_the_audit_knows(ada, eve):
    made.prepaid(make.organisation(), 20 * UNIT)
    corrections.sign(corrections.propose(Entry.objects.get(), ada, "It never came."), eve)
    assert balance(ledger.account("outside", **USD)) == 0
    assert ledger.audit(full=True) == []


def test_settled_pay_is_never_taken_back_and_rows_keep_their_own_ways(ada, wes):
    earnings = made.earned(wes, 5 * UNIT)
    payouts.request(wes)
    reserves.release(*_reserve_with_rest())
    refusals = {}
    for entry in Entry.objects.exclude(kind="prepayment").order_by("pk"):
        with pytest.raises(corrections.NotReversible) as refused:
            corrections.propose(entry, ada, "Fraud.")
        refusals[entry.kind] = refused.value.detail
    assert "never taken back" in refusals["settlement"]
    assert set(refusals) == {"settlement", "payout", "reserve", "release"}
    assert earnings.credits_micros == 5 * UNIT


def _reserve_with_rest():
    made.reserve(10 * UNIT, "batch:77")
    return "batch:77", UNIT, "answers"


def test_of_settled_pay_the_fee_alone_goes_back_into_what_is_prepaid(ada, wes):
    reserve = made.reserve(5 * UNIT)
    entry = ledger.post_settlement("settle:1:1", reserve.account, {wes.pk: 3 * UNIT}, UNIT)
    prepaid = ledger.account("prepaid", organisation=reserve.project.organisation, **USD)
    before = balance(prepaid)
    done = corrections.propose(entry, ada, "It was late.")
    assert (done.state, done.amount_micros, balance(prepaid)) == ("posted", UNIT, before + UNIT)
    assert balance(ledger.account("earnings", user=wes, **USD)) == 3 * UNIT
    with pytest.raises(corrections.AlreadyCorrected):
        corrections.propose(entry, ada, "Again.")


def test_a_reversal_is_an_entry_like_others_and_can_be_reversed(ada):
    entry, prepaid, fees = charged()
    undone = corrections.propose(entry, ada, "Wrong.")
    corrections.propose(undone.reversal, ada, "It was right after all.")
    assert (balance(prepaid), balance(fees)) == (15 * UNIT, 5 * UNIT)
