"""The provider's balance against our rows: what is equal is not told, and what is not is named."""

from dataclasses import replace
from datetime import timedelta
from io import StringIO

import pytest
from django.core.management import CommandError, call_command

from marketplace.core import clock
from marketplace.core.errors import Forbidden, IllegalMove, Invalid
from marketplace.models import AuditEvent
from payments import differences, gateway, prepayments, reconciliation
from payments.models import Difference, Dispute, Payout, Prepayment, Progress, ProviderMovement, Refund, Transfer
from tests import make
from tests.payments import made
from tests.payments.moving import Bank

UNIT = 1_000_000
pytestmark = pytest.mark.django_db(transaction=True)  # no transaction of the test's is open around the call
HOURS = timedelta(hours=3)


@pytest.fixture(autouse=True)
def _audited():
    """Not here: these rows stand in states to which no verb brought them."""


@pytest.fixture
def bank(monkeypatch):
    made_one = Bank()
    monkeypatch.setattr(gateway, "current", lambda: made_one)
    return made_one


def prepaid(micros=10 * UNIT, state="paid", **fields):
    acme = make.organisation()
    made.prepaid(acme, micros, mode="test")
    row = Prepayment.objects.get(organisation=acme)
    Prepayment.objects.filter(pk=row.pk).update(paid_at=clock.now() - HOURS, state=state, **fields)
    row.refresh_from_db()
    return row


def paid_out(micros=2 * UNIT, state="paid", **fields):
    return Payout.objects.create(
        user=make.user("wes"), amount_micros=micros, currency="USD", mode="test", state=state,
        ended_at=clock.now() - HOURS, **fields,
    )  # fmt: skip


def refunded(prepayment, micros=UNIT, state="paid", **fields):
    return Refund.objects.create(
        prepayment=prepayment, amount_micros=micros, requested_by=make.user("rita"), state=state,
        ended_at=clock.now() - HOURS, **fields,
    )  # fmt: skip


def disputed(prepayment, state="open", **fields):
    return Dispute.objects.create(
        prepayment=prepayment, amount_micros=prepayment.amount_micros, state=state, opened_at=clock.now() - HOURS,
        provider_id=f"dp_{prepayment.pk}", **fields,
    )  # fmt: skip


def run(bank, full=False):
    """All steps of one run; the differences that are open after it, as kind and subject."""
    more = True
    while more:
        more, full = reconciliation.step(bank, full=full), False
    return {(row.kind, row.subject) for row in differences.open_ones(bank.mode)}


def everything(bank):
    """Every kind of row in every state that moves something, and its movements."""
    paid, back, lost, won = prepaid(), prepaid(charge_id="ch_2"), prepaid(), prepaid()
    bank.move("charge", 10 * UNIT, f"prepayment:{paid.pk}", fee=320_000)
    bank.move("charge", 10 * UNIT, source="ch_2", fee=320_000)  # known by the id that we keep
    for row in (lost, won):
        bank.move("charge", 10 * UNIT, f"prepayment:{row.pk}", fee=320_000)
    bank.move("refund", -UNIT, f"refund:{refunded(back).pk}")
    bounced = refunded(back, state="failed")
    bank.move("refund", -UNIT, f"refund:{bounced.pk}")
    bank.move("refund", UNIT, f"refund:{bounced.pk}")
    refunded(back, state="requested")
    bank.move("dispute", -10 * UNIT, source=disputed(lost, "lost").provider_id, fee=15 * UNIT)
    regained = disputed(won, "won")
    bank.move("dispute", -10 * UNIT, source=regained.provider_id, fee=15 * UNIT)
    bank.move("dispute", 10 * UNIT, source=regained.provider_id)
    bank.move("transfer", -2 * UNIT, f"payout:{paid_out().pk}")
    returned = paid_out(state="reversed")
    bank.move("transfer", -2 * UNIT, f"payout:{returned.pk}")
    bank.move("reversal", 2 * UNIT, f"payout:{returned.pk}")
    paid_out(state="failed")
    bank.move("fee", -100_000)
    bank.move("payout", -3 * UNIT)
    bank.move("topup", 5 * UNIT)


def test_where_both_sides_say_the_same_nothing_is_told_and_fees_are_added_up(bank):
    everything(bank)
    assert run(bank) == set()
    found = reconciliation.summary("test")
    assert found.movements == len(bank.log)
    assert found.fees_micros == {"USD": 4 * 320_000 + 30 * UNIT + 100_000}
    assert (found.taken_out_micros, found.put_in_micros) == ({"USD": 3 * UNIT}, {"USD": 5 * UNIT})
    assert run(bank, full=True) == set()


DIFFERING = {
    "unbooked": [
        lambda bank: bank.move("charge", 10 * UNIT, f"prepayment:{prepaid(state='requested').pk}"),
        lambda bank: bank.move("transfer", -2 * UNIT, f"payout:{paid_out(state='requested').pk}"),
        lambda bank: bank.move("refund", -UNIT, f"refund:{refunded(paid(bank), state='requested').pk}"),
    ],
    "missing": [lambda bank: prepaid(), lambda bank: paid_out(), lambda bank: refunded(paid(bank)),
                lambda bank: disputed(paid(bank))],
    "amount": [
        lambda bank: bank.move("charge", 9 * UNIT, f"prepayment:{prepaid().pk}"),
        lambda bank: bank.move("transfer", -2 * UNIT, f"payout:{paid_out(state='failed').pk}"),
        lambda bank: bank.move("charge", 10 * UNIT, f"prepayment:{prepaid(state='failed').pk}"),
    ],
    "twice": [lambda bank: [bank.move("transfer", -2 * UNIT, f"payout:{one.pk}") for one in [paid_out()] * 2]],
    "currency": [lambda bank: bank.move("charge", 10 * UNIT, f"prepayment:{prepaid().pk}", currency="EUR")],
    "stranger": [
        lambda bank: bank.move("charge", UNIT),
        lambda bank: bank.move("transfer", -UNIT, "payout:999999"),
        lambda bank: bank.move("other", UNIT),
    ],
}  # fmt: skip


def paid(bank):
    row = prepaid()
    bank.move("charge", row.amount_micros, f"prepayment:{row.pk}")
    return row


@pytest.mark.parametrize(("kind", "place"), [(kind, n) for kind, ways in DIFFERING.items() for n in range(len(ways))])
def test_what_differs_is_named_once_and_nothing_is_repaired(bank, kind, place):
    DIFFERING[kind][place](bank)
    rows = {model: list(model.objects.order_by("pk").values()) for model in (Prepayment, Payout, Refund, Transfer)}
    ((named, _),) = run(bank)
    assert named == kind
    run(bank)
    run(bank, full=True)
    assert Difference.objects.count() == 1
    assert {model: list(model.objects.order_by("pk").values()) for model in rows} == rows


def test_a_lost_webhook_is_told_with_both_figures_and_gone_once_it_came(bank):
    row = prepaid(state="requested")
    bank.move("charge", 10 * UNIT, f"prepayment:{row.pk}")
    assert run(bank) == {("unbooked", f"prepayment:{row.pk}")}
    told = Difference.objects.get()
    assert (told.ours_micros, told.theirs_micros, told.currency) == (None, 10 * UNIT, "USD")
    assert told.text == "moved at the provider, still waiting here: here nothing, at the provider 10.00 USD"
    Prepayment.objects.update(state="paid")
    assert run(bank) == set()
    assert Difference.objects.get().state == "gone"


def test_what_is_younger_than_an_hour_is_compared_next_time(bank):
    row = prepaid(state="requested")
    bank.move("charge", 10 * UNIT, f"prepayment:{row.pk}", ago=timedelta(minutes=5))
    assert run(bank) == set()
    bank.log[0] = replace(bank.log[0], created_at=clock.now() - HOURS)
    ProviderMovement.objects.update(moved_at=clock.now() - HOURS)
    assert run(bank) == {("unbooked", f"prepayment:{row.pk}")}


def test_a_movement_nobody_knew_finds_its_row_later(bank):
    bank.move("charge", 10 * UNIT, source="ch_late")
    assert run(bank) == {("stranger", "txn_0")}
    prepaid(charge_id="ch_late")
    assert run(bank) == set()
    assert not Difference.objects.exclude(state="gone").exists()


def test_the_balance_is_the_sum_of_all_movements(bank):
    everything(bank)
    bank.balance_off = 1
    assert run(bank) == {("balance", "USD")}
    bank.balance_off = 0
    assert run(bank) == set()


def test_a_movement_that_is_told_differently_or_no_longer_is_named_by_a_full_run(bank):
    first, second = paid(bank), paid(bank)
    assert run(bank) == set()
    long_ago = clock.now() - timedelta(days=30)
    ProviderMovement.objects.update(moved_at=long_ago)
    Prepayment.objects.update(created_at=long_ago, paid_at=long_ago)
    bank.log = [replace(bank.log[0], amount_micros=9 * UNIT, created_at=long_ago)]
    assert run(bank) == {("balance", "USD")}
    assert run(bank, full=True) == {("balance", "USD"), ("changed", "txn_0"), ("vanished", "txn_1")}
    assert first.pk != second.pk


def test_the_next_run_reads_only_what_is_new_and_two_days_before(bank):
    paid(bank)
    run(bank)
    bank.asked.clear()
    run(bank)
    since, until = bank.asked[0]
    assert until - since < timedelta(days=2, minutes=5)
    bank.asked.clear()
    run(bank, full=True)
    assert bank.asked[0][0] == Prepayment.objects.get().created_at - reconciliation.OVERLAP


def test_a_run_cut_short_goes_on_where_it_was_and_reads_pages(bank, monkeypatch):
    monkeypatch.setattr(reconciliation, "STEP", 3)
    bank.at_once = 3
    rows = [prepaid() for _ in range(10)]
    for n, row in enumerate(rows):
        Prepayment.objects.filter(pk=row.pk).update(paid_at=clock.now() - timedelta(hours=20 - n))
        bank.move("charge", 10 * UNIT, f"prepayment:{row.pk}", ago=timedelta(hours=20 - n))
    assert reconciliation.step(bank)
    assert ProviderMovement.objects.count() == 3
    assert reconciliation.step(bank)  # after a restart
    assert ProviderMovement.objects.count() == 6
    assert run(bank) == set()
    assert ProviderMovement.objects.count() == 10
    assert Progress.objects.get().facts["last"]["compared"] >= 10


def test_long_times_without_a_movement_are_read_a_month_at_a_time(bank):
    row = paid(bank)
    Prepayment.objects.update(created_at=clock.now() - timedelta(days=100))
    assert run(bank) == set()
    assert [(until - since).days for since, until in bank.asked[:3]] == [30] * 3
    assert ProviderMovement.objects.get().subject == f"prepayment:{row.pk}"


def test_a_balance_that_is_off_by_the_same_is_explained_once(bank, ada):
    paid(bank)
    bank.balance_off = 7 * UNIT
    run(bank)
    differences.explain(Difference.objects.get(), ada, "It was there before us.")
    paid(bank)
    assert run(bank) == set()
    bank.balance_off = 8 * UNIT
    assert run(bank) == {("balance", "USD")}


def test_as_many_at_the_same_second_as_a_page_holds_do_not_stop_it(bank, monkeypatch):
    monkeypatch.setattr(reconciliation, "STEP", 2)
    bank.at_once = 2
    at = clock.now() - HOURS
    for row in [prepaid() for _ in range(5)]:
        bank.move("charge", 10 * UNIT, f"prepayment:{row.pk}")
    bank.log = [replace(one, created_at=at) for one in bank.log]
    Prepayment.objects.update(paid_at=at)
    assert run(bank) == set()
    assert ProviderMovement.objects.count() == 5


def test_an_admin_explains_and_it_is_open_again_with_other_figures(bank, ada, rita):
    row = paid_out()
    run(bank)
    told = Difference.objects.get()
    with pytest.raises(Forbidden):
        differences.explain(told, rita, "It is fine.")
    with pytest.raises(Invalid):
        differences.explain(told, ada, " ")
    differences.explain(told, ada, "Paid by hand.")
    with pytest.raises(IllegalMove):
        differences.explain(told, ada, "Again.")
    assert run(bank) == set()
    assert run(bank, full=True) == set()
    Payout.objects.filter(pk=row.pk).update(amount_micros=3 * UNIT)
    assert run(bank) == {("missing", f"payout:{row.pk}")}
    assert AuditEvent.objects.filter(verb="explain", actor_id=ada.pk).count() == 1


@pytest.mark.parametrize("part", ["copy", "compare"])
@pytest.mark.parametrize("full", [False, True])
def test_two_who_reconcile_at_once_end_one_run(bank, monkeypatch, part, full):
    """The nightly job is in the middle of a step when somebody runs the command."""
    paid(bank)
    late, asked, ended = paid_out(), Bank.movements, []

    def whole_run(*args):
        if not ended:
            ended.append(True)
            run(bank, full)
        return asked(bank, *args) if part == "copy" else touched(*args)

    touched = reconciliation.books.touched
    if part == "compare":
        reconciliation.step(bank)  # all of it is copied
    if part == "copy":
        monkeypatch.setattr(bank, "movements", whole_run)
    else:
        monkeypatch.setattr(reconciliation.books, "touched", whole_run)
    assert reconciliation.step(bank) is False
    assert run(bank) == {("missing", f"payout:{late.pk}")}


def test_whoever_is_late_does_not_move_what_another_has_gone_on_with(bank, monkeypatch):
    """The late one has copied; the other compares meanwhile, from the beginning."""
    row = paid_out()
    asked = Bank.movements

    def and_another(*args):
        monkeypatch.setattr(bank, "movements", lambda *args: asked(bank, *args))
        while Progress.objects.get().facts["run"]["part"] != "compare":
            reconciliation.step(bank)
        return asked(bank, *args)

    prepaid(state="requested")
    monkeypatch.setattr(bank, "movements", and_another)
    assert reconciliation.step(bank) is True
    facts = Progress.objects.get().facts["run"]
    assert facts["cursor"] == facts["since"]
    assert run(bank) == {("missing", f"payout:{row.pk}")}


def test_rows_of_other_money_are_left_alone(bank):
    made.prepaid(make.organisation(), UNIT)  # play money
    assert run(bank) == set()


def reconcile(*options):
    out = StringIO()
    call_command("reconcile", *options, stdout=out)
    return out.getvalue()


def test_the_command_lists_what_differs_and_fails(bank):
    everything(bank)
    assert "fees of the provider: 31.38 USD" in reconcile()
    row = paid_out()
    with pytest.raises(CommandError, match=f"payout:{row.pk}: done here, not found at the provider: here -2.00 USD"):
        reconcile()
    with pytest.raises(CommandError):
        reconcile("--full")
    differences.explain(Difference.objects.get(), make.user("ada", staff=True), "By hand.")
    assert "ok" in reconcile("--full")


def test_play_money_is_compared_with_the_ids_of_its_rows():
    acme = make.organisation()
    row = prepayments.request(acme, make.owner(acme), UNIT, "USD")
    assert "play money has no provider; 1 rows" in reconcile()
    Prepayment.objects.filter(pk=row.pk).update(provider_id="sandbox_of_another")
    with pytest.raises(CommandError, match=f"prepayment:{row.pk}: play money"):
        reconcile()
