import pytest
from django.core.exceptions import ImproperlyConfigured

from marketplace.core.errors import Forbidden, Invalid
from marketplace.models import AuditEvent, Role
from payments import ledger, prepayments
from payments.gateway import Refused
from payments.gateway.sandbox import Sandbox
from payments.models import Account, Entry, Prepayment
from tests import make
from tests.payments.made import USD, balance


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
