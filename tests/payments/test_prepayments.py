from datetime import timedelta

import pytest
from django.core.exceptions import ImproperlyConfigured
from django_q.models import OrmQ

from marketplace.core import clock
from marketplace.core.errors import Forbidden, Invalid
from marketplace.models import AuditEvent, Organisation, Role
from payments import asking, jobs, ledger, prepayments
from payments.gateway import Refused
from payments.gateway.sandbox import Sandbox
from payments.models import Account, Entry, Prepayment
from tests import make
from tests.payments.bank import Bank
from tests.payments.crash import Crash, crash_at
from tests.payments.made import USD, balance

UNIT = 1_000_000
HOUR = timedelta(hours=1)
on_its_own = pytest.mark.django_db(transaction=True)  # no transaction of the test's is open around the call


class Declining(Sandbox):
    def ask(self, prepayment):
        raise Refused("the card was declined")


class Unreachable(Sandbox):
    def ask(self, prepayment):
        raise TimeoutError


def paid(organisation):
    return balance(ledger.account("prepaid", organisation=organisation, **USD))


def test_a_prepayment_is_paid_at_once_in_the_sandbox():
    acme = make.organisation()
    prepayment = prepayments.request(acme, make.owner(acme), 25_000_000, "USD")
    prepayment.refresh_from_db()
    assert (prepayment.state, prepayment.mode) == ("paid", "sandbox")
    assert prepayment.provider_id.startswith("sandbox_")
    assert paid(acme) == 25_000_000
    assert Entry.objects.get().key == f"prepayment:{prepayment.pk}"
    assert AuditEvent.objects.filter(target_type="prepayment", target_id=prepayment.pk).exists()


def test_the_provider_id_follows_from_the_row():
    acme = make.organisation()
    first, second = (prepayments.request(acme, make.owner(acme), 1_000_000, "USD") for _ in range(2))
    assert Sandbox().ask(first).provider_id == first.provider_id != second.provider_id


def test_a_refused_prepayment_credits_nothing_and_says_why():
    acme = make.organisation()
    prepayment = prepayments.request(acme, make.owner(acme), 25_000_000, "USD", through=Declining())
    assert (prepayment.state, prepayment.failure) == ("failed", "the card was declined")
    assert not Entry.objects.exists()


def test_an_unknown_outcome_leaves_nothing():
    acme = make.organisation()
    with pytest.raises(TimeoutError):
        prepayments.request(acme, make.owner(acme), 25_000_000, "USD", through=Unreachable())
    assert not Prepayment.objects.exists()


def test_only_an_owner_pays():
    acme, sam, manager = make.organisation(), make.user("sam"), make.user("max")
    acme.memberships.create(user=manager, role=Role.MANAGER)
    for person in (sam, manager):
        with pytest.raises(Forbidden):
            prepayments.request(acme, person, 25_000_000, "USD")


def test_the_unconfirmed_do_not_pay():
    acme = make.organisation()
    make.owner(acme).emailaddress_set.update(verified=False)
    with pytest.raises(Forbidden, match="confirm"):
        prepayments.request(acme, make.owner(acme), 25_000_000, "USD")


@pytest.mark.parametrize(
    ("amount", "currency", "path"),
    [
        (0, "USD", "amount_micros"),
        (-1_000_000, "USD", "amount_micros"),
        (100_000_010_000, "USD", "amount_micros"),
        (5_000, "USD", "amount_micros"),
        (500_000, "JPY", "amount_micros"),
        (1_000_000, "XXX", "currency"),
    ],
)
def test_only_sums_that_can_be_charged_are_taken(amount, currency, path):
    acme = make.organisation()
    with pytest.raises(Invalid) as refusal:
        prepayments.request(acme, make.owner(acme), amount, currency)
    assert refusal.value.facts["errors"][0]["path"] == path


def test_the_limits_belong_to_it(settings):
    acme = make.organisation()
    prepayments.request(acme, make.owner(acme), settings.PREPAYMENT_MOST_MICROS, "USD")
    prepayments.request(acme, make.owner(acme), 10_000, "USD")
    prepayments.request(acme, make.owner(acme), 1_000_000, "JPY")
    assert paid(acme) == settings.PREPAYMENT_MOST_MICROS + 10_000


def test_the_sandbox_moves_play_money_only(settings):
    settings.MODE = "live"
    acme = make.organisation()
    with pytest.raises(ImproperlyConfigured):
        prepayments.request(acme, make.owner(acme), 25_000_000, "USD", through=Sandbox())
    assert not Account.objects.exists()


# By a provider: requested, asked for, and credited by what it signed


@pytest.fixture
def acme(settings):
    settings.MODE = "test"
    return make.organisation()


def begun(acme: Organisation, bank: Bank, **options):
    return prepayments.request(acme, make.owner(acme), 25 * UNIT, "USD", through=bank, **options)


def credited(acme: Organisation) -> int:
    return balance(ledger.account("prepaid", organisation=acme, currency="USD", mode="test"))


def test_a_request_moves_nothing_and_has_the_provider_asked(acme, queued):
    bank = Bank()
    prepayment = begun(acme, bank)
    assert (prepayment.state, prepayment.mode, prepayment.provider_id) == ("requested", "test", "")
    assert queued == [("payments.jobs.ask", prepayment.pk)]
    assert bank.calls == 0
    assert not Entry.objects.exists()


@on_its_own
def test_what_the_provider_answers_says_where_to_pay_and_credits_nothing(acme):
    bank = Bank()
    prepayment = prepayments.ask(begun(acme, bank).pk, through=bank)
    assert (prepayment.state, prepayment.provider_id) == ("requested", f"cs_{prepayment.pk}")
    assert prepayment.pay_url == f"https://pay.example.org/cs_{prepayment.pk}"
    assert not Entry.objects.exists()
    assert prepayments.ask(prepayment.pk, through=bank) == prepayment
    assert bank.calls == 1


@on_its_own
def test_a_refusal_of_the_provider_ends_it(acme):
    bank = Bank("refused")
    prepayment = prepayments.ask(begun(acme, bank).pk, through=bank)
    assert (prepayment.state, prepayment.failure) == ("failed", "the provider said no")
    assert not Entry.objects.exists()


@on_its_own
@pytest.mark.parametrize("fault", ["before", "after"])
def test_after_an_unknown_outcome_the_sweep_asks_again_under_the_same_key(acme, fault):
    bank = Bank(fault)
    prepayment = begun(acme, bank)
    with pytest.raises(ConnectionError):
        prepayments.ask(prepayment.pk, through=bank)
    assert prepayments.ask_again(through=bank) is False
    assert bank.calls == 1, "it is not due yet"
    assert prepayments.ask_again(through=bank, at=clock.now() + HOUR) is False
    prepayment.refresh_from_db()
    assert prepayment.provider_id == f"cs_{prepayment.pk}"
    assert bank.done == {f"prepayment:{prepayment.pk}": 25 * UNIT}
    calls = bank.calls
    prepayments.ask_again(through=bank, at=clock.now() + HOUR)
    assert bank.calls == calls


@on_its_own
def test_the_sweep_is_bounded_and_goes_on_past_those_it_cannot_ask_for(acme):
    bank = Bank("before")
    for _ in range(5):
        begun(acme, bank)
    assert [prepayments.ask_again(2, through=bank) for _ in range(3)] == [True, True, False]
    assert bank.calls == 5
    failed = Prepayment.objects.get(provider_id="")
    assert (failed.state, failed.tries, failed.due_at > clock.now()) == ("requested", 1, True)
    prepayments.ask_again(2, through=bank, at=failed.due_at)
    assert not Prepayment.objects.filter(provider_id="").exists()


@on_its_own
def test_what_keeps_failing_is_asked_for_less_and_less_often(acme):
    bank, waits = Bank(*["before"] * 13), []
    prepayment = begun(acme, bank)
    for _ in range(13):
        with pytest.raises(ConnectionError):
            prepayments.ask(prepayment.pk, through=bank)
        waits.append(round((Prepayment.objects.get().due_at - clock.now()).total_seconds(), -1))
    assert (waits[:4], waits[-1]) == ([10, 20, 40, 80], 3600)


@on_its_own
def test_after_a_day_nobody_asks_any_more_and_what_was_paid_is_credited_all_the_same(acme):
    bank = Bank("after")
    prepayment = begun(acme, bank)
    Prepayment.objects.update(created_at=clock.now() - timedelta(days=1, minutes=1))
    prepayments.ask_again(through=bank)
    prepayment.refresh_from_db()
    assert (prepayment.state, prepayment.failure) == ("failed", "the payment provider did not answer")
    assert prepayments.settle_paid(prepayment.pk, "ch_1").state == "paid"
    assert credited(acme) == 25 * UNIT


def test_the_provider_is_not_asked_inside_a_transaction(acme):
    with pytest.raises(AssertionError, match="transaction"):
        prepayments.ask(begun(acme, Bank()).pk, through=Bank())


@on_its_own
def test_what_was_paid_is_credited_once(acme, settings):
    bank = Bank()
    prepayment = prepayments.ask(begun(acme, bank).pk, through=bank)
    for _ in range(2):
        paid = prepayments.settle_paid(prepayment.pk, "ch_1")
    assert (paid.state, paid.charge_id, paid.pay_url) == ("paid", "ch_1", "")
    assert paid.payable_from - paid.paid_at == timedelta(days=settings.FUNDING_HOLD_DAYS)
    assert credited(acme) == 25 * UNIT
    assert [entry.key for entry in Entry.objects.all()] == [f"prepayment:{prepayment.pk}"]


@on_its_own
def test_a_message_that_overtakes_our_own_answer_is_believed(acme):
    bank = Bank()
    prepayment = begun(acme, bank)
    prepayments.settle_paid(prepayment.pk, "ch_1")
    prepayments.ask(prepayment.pk, through=bank)
    prepayment.refresh_from_db()
    assert (prepayment.state, prepayment.pay_url) == ("paid", "")
    assert credited(acme) == 25 * UNIT


@pytest.mark.parametrize("order", [["paid", "failed"], ["failed", "paid"], ["failed", "paid", "failed", "paid"]])
def test_failed_and_paid_in_any_order_is_paid(acme, order):
    prepayment = begun(acme, Bank())
    for one in order:
        if one == "paid":
            prepayments.settle_paid(prepayment.pk, "ch_1")
        else:
            prepayments.fail(prepayment.pk, "the card was declined")
    prepayment.refresh_from_db()
    assert (prepayment.state, prepayment.failure) == ("paid", "")
    assert credited(acme) == 25 * UNIT


def test_one_that_failed_says_why_and_has_no_page_any_more(acme):
    prepayment = begun(acme, Bank())
    Prepayment.objects.update(pay_url="https://pay.example.org/x")
    prepayments.fail(prepayment.pk, "the time to pay it ran out")
    prepayments.fail(prepayment.pk, "again")
    prepayment.refresh_from_db()
    assert (prepayment.state, prepayment.failure, prepayment.pay_url) == ("failed", "the time to pay it ran out", "")


@on_its_own
def test_a_secret_is_told_to_owners_and_kept_nowhere(acme):
    bank, rita = Bank(), make.owner(acme)
    prepayment = begun(acme, bank, way="intent")
    assert prepayments.secret(prepayment, rita, through=bank) == f"pi_{prepayment.pk}_secret_xyz"
    prepayment.refresh_from_db()
    assert prepayment.provider_id == f"pi_{prepayment.pk}"
    assert "secret" not in str(Prepayment.objects.values().get()) + str(list(AuditEvent.objects.values("facts")))
    with pytest.raises(Forbidden):
        prepayments.secret(prepayment, make.user("sam"), through=bank)


@on_its_own
def test_there_is_a_secret_only_where_a_program_still_has_to_pay(acme):
    bank, rita = Bank(), make.owner(acme)
    with pytest.raises(prepayments.NothingToPay, match="page"):
        prepayments.secret(begun(acme, bank), rita, through=bank)
    prepayment = prepayments.settle_paid(begun(acme, bank, way="intent").pk, "ch_1")
    with pytest.raises(prepayments.NothingToPay, match="paid"):
        prepayments.secret(prepayment, rita, through=bank)
    with pytest.raises(asking.ProviderSilent):
        prepayments.secret(begun(acme, bank, way="intent"), rita, through=Bank("before"))
    with pytest.raises(prepayments.NothingToPay, match="refused"):
        prepayments.secret(begun(acme, bank, way="intent"), rita, through=Bank("refused"))


def test_there_is_no_third_way_to_pay(acme):
    with pytest.raises(Invalid):
        begun(acme, Bank(), way="cash")


@on_its_own
def test_a_request_that_crashes_at_any_statement_leaves_nothing(acme):
    for statement in range(1, 100):
        try:
            with crash_at(statement):
                begun(acme, Bank())
            break
        except Crash:
            assert (Prepayment.objects.count(), OrmQ.objects.count()) == (0, 0)
    assert statement > 5
    assert (Prepayment.objects.count(), OrmQ.objects.count()) == (1, 1)


@on_its_own
def test_asking_and_crediting_that_crash_at_any_statement_are_done_by_the_next(acme):
    bank = Bank()
    prepayment = begun(acme, bank)
    for statement in range(1, 100):
        try:
            with crash_at(statement):
                prepayments.ask_again(through=bank, at=clock.now() + HOUR)
            break
        except Crash:
            assert ledger.audit() == []
    assert statement > 4
    for statement in range(1, 100):
        try:
            with crash_at(statement):
                prepayments.settle_paid(prepayment.pk, "ch_1")
            break
        except Crash:
            assert credited(acme) == 0
            assert ledger.audit() == []
    assert statement > 5
    assert bank.done == {f"prepayment:{prepayment.pk}": 25 * UNIT}
    assert credited(acme) == 25 * UNIT


@on_its_own
def test_the_cluster_asks_through_the_gateway_of_the_installation(acme, monkeypatch):
    bank = Bank("before")
    monkeypatch.setattr("payments.gateway.current", lambda: bank)
    one, other = begun(acme, bank), begun(acme, bank)
    with pytest.raises(ConnectionError):
        jobs.ask(one.pk)
    jobs.ask(other.pk)
    Prepayment.objects.update(due_at=clock.now())
    assert jobs.prepayments() is False
    assert set(bank.done) == {f"prepayment:{one.pk}", f"prepayment:{other.pk}"}
