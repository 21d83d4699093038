"""What is sealed is not read again every night, and what is changed is named all the same."""

from contextlib import contextmanager
from datetime import timedelta
from io import StringIO
from threading import Event, Thread

import pytest
from django.core.management import CommandError, call_command
from django.db import connection, transaction

from marketplace.core import clock
from payments import disputes, guards, jobs, ledger, months, payouts, prepayments, refunds, reserves, seals
from payments.models import Month, Prepayment, SealedCheckpoint, Transfer
from tests import make
from tests.payments import made
from tests.payments.made import USD


@pytest.fixture(autouse=True)
def _audited():
    """Not here: the tests tamper, and ask themselves."""


pytestmark = pytest.mark.django_db(transaction=True)  # what a test commits, others can see
UNIT = 1_000_000


def life(n=1):
    """Money comes in, is set aside, earned, paid out, refunded and taken back."""
    project, wes = make.project(), make.user("wes")
    acme = project.organisation
    prepayments.request(acme, make.owner(acme), 9 * UNIT, "USD")
    reserve = reserves.open(project, f"batch:{n}", {"answers": 5 * UNIT}, 1000, "USD", "sandbox")
    earnings, fees = ledger.account("earnings", user=wes, **USD), ledger.account("fees", **USD)
    ledger.post("extra", f"extra:{n}", (reserve.account, earnings, 2 * UNIT), (reserve.account, fees, 200_000))
    payouts.send(payouts.request(wes).pk)
    (back,) = refunds.request(acme, make.owner(acme), UNIT, "USD")
    refunds.send(back.pk)
    Prepayment.objects.filter(organisation=acme).update(charge_id=f"ch_{n}")
    disputes.opened(f"ch_{n}", f"dp_{n}", UNIT)
    return reserve


def counted():
    """What there is so far is counted by months: nothing older is being written."""
    months.count()
    while months.count():
        pass


def sealed():
    """Everything there is so far, sealed."""
    counted()
    while seals.seal():
        pass
    assert seals.sealed_upto() == Transfer.objects.order_by("-pk")[0].pk


def test_everything_is_sealed_a_step_at_a_time_and_the_audit_goes_on_from_there(monkeypatch):
    life(1)
    counted()
    steps = 1
    while seals.seal(limit=2):
        steps += 1
    assert steps == SealedCheckpoint.objects.count() == (Transfer.objects.count() + 1) // 2
    assert sum(SealedCheckpoint.objects.values_list("transfers", flat=True)) == Transfer.objects.count()
    assert ledger.audit() == ledger.audit(full=True) == []
    life(2)
    assert ledger.audit() == ledger.audit(full=True) == []
    sealed()
    assert ledger.audit() == ledger.audit(full=True) == []


def test_nothing_is_sealed_twice_and_a_seal_is_never_changed():
    life()
    sealed()
    assert [seals.seal(), seals.seal(), seals.seal()] == [False] * 3
    assert SealedCheckpoint.objects.count() == 1
    for table in ("sealedcheckpoint", "sealedtotal"):
        with pytest.raises(Exception, match="append-only"), transaction.atomic():
            run(f"UPDATE payments_{table} SET id = id")


@contextmanager
def somebody_writing(key):
    """A transaction that has written an entry with its transfer and not ended; it commits at the end."""
    prepaid, fees = made.prepaid(make.organisation(make.user(key)), UNIT), ledger.account("fees", **USD)
    wrote, go_on = Event(), Event()

    def write():
        try:
            with transaction.atomic():
                ledger.post("charge", key, (prepaid, fees, 7))
                wrote.set()
                go_on.wait(30)
        finally:
            connection.close()

    thread = Thread(target=write)
    thread.start()
    assert wrote.wait(30)
    try:
        yield
    finally:
        go_on.set()
        thread.join()


def later():
    """A transfer that commits at once, of accounts that nobody has locked."""
    made.prepaid(make.organisation(make.user(f"later{Transfer.objects.count()}")), UNIT, currency="EUR")


def test_a_transfer_that_commits_late_is_never_sealed_out():
    with somebody_writing("late"):
        later()
        counted()
        seals.seal()
        assert not SealedCheckpoint.objects.exists()
    assert ledger.audit() == []
    sealed()
    assert ledger.audit() == ledger.audit(full=True) == []


def test_control_sealing_up_to_the_newest_that_can_be_seen_loses_the_one_that_commits_late():
    with somebody_writing("late"):
        later()
        newest = Transfer.objects.order_by("-pk")[0].pk
        with transaction.atomic():
            seals._seal(0, newest)
    assert any("its totals say" in sentence for sentence in ledger.audit())


def test_who_writes_what_came_after_the_count_delays_nothing():
    life()
    counted()
    with somebody_writing("still writing"):
        assert not seals.seal()
        assert SealedCheckpoint.objects.exists()
    assert ledger.audit() == []


def test_nothing_is_sealed_while_something_is_wrong():
    life()
    counted()
    with tampered():
        run("UPDATE payments_account SET credits_micros = credits_micros + 1 WHERE kind = 'fees'")
    assert not jobs.seal()
    assert not SealedCheckpoint.objects.exists()
    assert any("do not sum to zero" in sentence for sentence in ledger.audit())
    with tampered():
        run("UPDATE payments_account SET credits_micros = credits_micros - 1 WHERE kind = 'fees'")
    assert not jobs.seal()
    assert SealedCheckpoint.objects.exists()


A_TRANSFER = "(SELECT min(id) FROM payments_transfer)"
BY_HAND = "INSERT INTO payments_entry (kind, key, facts, created_at) VALUES ('gift', 'by hand', '{}', now())"
A_GIFT = """INSERT INTO payments_transfer (entry_id, debit_id, credit_id, amount_micros, currency, mode, created_at)
    SELECT currval('payments_entry_id_seq'), debit_id, credit_id, 5, currency, mode, now() FROM payments_transfer
    ORDER BY id LIMIT 1"""
TAMPERING = {
    "a transfer's amount": (
        f"UPDATE payments_transfer SET amount_micros = amount_micros + 1 WHERE id = {A_TRANSFER}", "its transfers say",
    ),
    "a transfer's side": (
        f"""UPDATE payments_transfer SET credit_id = (SELECT id FROM payments_account WHERE kind = 'fees')
            WHERE id = {A_TRANSFER}""", "its transfers say",
    ),
    "a transfer deleted": (f"DELETE FROM payments_transfer WHERE id = {A_TRANSFER}", "its transfers say"),
    "an entry by hand": (BY_HAND, "has no transfers"),
    "an entry with a transfer by hand": (f"{BY_HAND}; {A_GIFT}", "its transfers say"),
    "an account's totals": (
        "UPDATE payments_account SET credits_micros = credits_micros + 1 WHERE kind = 'fees'", "its totals say",
    ),
    "a reserve line": (
        "UPDATE payments_reserveline SET amount_micros = amount_micros + 1", "its lines sum to",
    ),
    "a prepayment's state": ("UPDATE payments_prepayment SET state = 'failed'", "is failed, of 9000000 micros"),
    "a prepayment's amount": ("UPDATE payments_prepayment SET amount_micros = 8000000", "is paid, of 8000000 micros"),
    "a payout's state": ("UPDATE payments_payout SET state = 'failed'", "is failed, of 2000000 micros"),
    "a refund's amount": ("UPDATE payments_refund SET amount_micros = amount_micros + 1", "are here from outside"),
    "a refund's state": ("UPDATE payments_refund SET state = 'failed'", "are here from outside"),
    "a dispute's state": ("UPDATE payments_dispute SET state = 'won'", "are here from outside"),
    "a dispute's amount": ("UPDATE payments_dispute SET amount_micros = amount_micros + 1", "are here from outside"),
}  # fmt: skip


@pytest.mark.parametrize("name", TAMPERING)
def test_the_command_names_what_was_tampered_with_and_fails(name):
    life()
    assert "ok" in audit("--full")
    statement, sentence = TAMPERING[name]
    with tampered():
        run(statement)
    with pytest.raises(CommandError, match=sentence):
        audit()
    with pytest.raises(CommandError, match=sentence):
        audit("--full")


@pytest.mark.parametrize("name", [name for name in TAMPERING if "transfer" in name and "by hand" not in name])
def test_before_a_seal_its_digest_tells_every_night_and_a_full_audit_names_the_account(name):
    life()
    sealed()
    statement, sentence = TAMPERING[name]
    with tampered():
        run(statement)
    with pytest.raises(CommandError, match="are not what was sealed on"):
        audit()
    with pytest.raises(CommandError, match=sentence):
        audit("--full")


@pytest.mark.parametrize("name", [name for name in TAMPERING if "transfer" not in name and "entry" not in name])
def test_before_a_seal_rows_and_totals_are_named_as_well(name):
    life()
    sealed()
    statement, sentence = TAMPERING[name]
    with tampered():
        run(statement)
    if "reserve line" not in name:  # of a reserve that does not move any more, only --full asks
        with pytest.raises(CommandError, match=sentence):
            audit()
    with pytest.raises(CommandError, match=sentence):
        audit("--full")


@pytest.mark.parametrize(("closed_days_ago", "is_named"), [(39, True), (41, False)])
def test_sums_of_months_that_were_closed_long_ago_are_read_again_by_a_full_audit_only(closed_days_ago, is_named):
    life()
    sealed()
    Month.objects.update(closed_at=clock.now() - timedelta(days=closed_days_ago))
    with tampered():
        run("UPDATE payments_movement SET amount_micros = amount_micros + 1")
    with pytest.raises(CommandError, match="is counted as"):
        audit("--full")
    assert bool(ledger.audit()) is is_named


def test_facts_of_a_sealed_entry_and_a_seal_itself_are_under_the_digest():
    life()
    sealed()
    for statement in (
        "UPDATE payments_entry SET facts = '{\"answers\": 1}'",
        "UPDATE payments_sealedcheckpoint SET digest = repeat('0', 64)",
        "UPDATE payments_sealedtotal SET credits_micros = credits_micros + 1",
    ):
        with transaction.atomic():
            with tampered():
                run(statement)
            assert ledger.audit() != []
            transaction.set_rollback(True)
    assert ledger.audit() == []


def test_of_many_seals_one_is_read_again_each_day_and_all_in_turn(monkeypatch):
    life()
    counted()
    while seals.seal(limit=2):
        pass
    count = SealedCheckpoint.objects.count()
    with tampered():
        run(
            f"UPDATE payments_entry SET facts = '{{}}' WHERE id = (SELECT entry_id FROM payments_transfer "
            f"WHERE id = {A_TRANSFER})"
        )
        run(f"UPDATE payments_entry SET facts = '{{\"x\": 1}}' WHERE id = (SELECT entry_id FROM payments_transfer "
            f"WHERE id = {A_TRANSFER})")  # fmt: skip
    today, told = clock.now(), 0
    for day in range(count):
        monkeypatch.setattr(clock, "now", lambda day=day: today + timedelta(days=day))
        told += bool(seals.broken())
    assert (told, count > 2) == (1, True)
    assert seals.broken(full=True)


def test_a_checkpoint_that_was_taken_out_is_missed():
    life()
    counted()
    while seals.seal(limit=2):
        pass
    middle = SealedCheckpoint.objects.order_by("pk")[1].pk
    with tampered():
        run(f"DELETE FROM payments_sealedtotal WHERE checkpoint_id = {middle}")
        run(f"DELETE FROM payments_sealedcheckpoint WHERE id = {middle}")
    assert any("is missing" in sentence for sentence in ledger.audit())


@pytest.mark.parametrize(
    ("statement", "sentence"),
    [
        (
            "ALTER TABLE payments_entry DISABLE TRIGGER payments_entry_append_only",
            "payments_entry_append_only.*disabled",
        ),
        ("DROP TRIGGER payments_transfer_append_only ON payments_transfer", "payments_transfer_append_only is missing"),
        ("DROP TRIGGER payments_entry_month_open ON payments_entry", "payments_entry_month_open is missing"),
        ("ALTER TABLE payments_account DROP CONSTRAINT account_not_overdrawn", "account_not_overdrawn of"),
        ("ALTER TABLE payments_transfer DROP CONSTRAINT transfer_debit_same_money", "transfer_debit_same_money of"),
        ("DROP INDEX correction_once", "correction_once of payments_correction is missing"),
    ],
)
def test_a_guard_that_is_missing_or_off_is_named(statement, sentence):
    with transaction.atomic():
        run(statement)
        assert len(guards.broken()) == 1
        with pytest.raises(AssertionError, match=sentence):
            raise AssertionError(guards.broken()[0])
        transaction.set_rollback(True)
    assert guards.broken() == []


def test_every_trigger_that_keeps_money_is_looked_for():
    with connection.cursor() as sql:
        sql.execute(
            """SELECT tgname::text, tgrelid::regclass::text FROM pg_trigger
               WHERE NOT tgisinternal AND (tgname LIKE 'payments%' OR tgname = 'marketplace_auditevent_append_only')"""
        )
        assert dict(sql.fetchall()) == guards.TRIGGERS


def audit(*options):
    out = StringIO()
    call_command("audit", *options, stdout=out)
    return out.getvalue()


@contextmanager
def tampered():
    """Somebody with all rights and the triggers off; what they do stays."""
    with transaction.atomic():
        run("SET CONSTRAINTS ALL IMMEDIATE")
        _triggers("DISABLE")
        yield
        _triggers("ENABLE")


def _triggers(how):
    for table in sorted(set(guards.TRIGGERS.values())):
        run(f"ALTER TABLE {table} {how} TRIGGER USER")


def run(statement):
    with connection.cursor() as cursor:
        cursor.execute(statement)
