"""Rows whose money the provider is asked to move, as the verbs leave them just before it is asked."""

from datetime import timedelta

from marketplace.core import clock
from marketplace.models import Organisation, User
from payments import gateway, ledger, prepayments, refunds
from payments.models import Payout, PayoutAccount, Prepayment, Refund
from tests import make
from tests.stripe import Fake


def prepayment(
    micros: int = 10_000_000, currency: str = "USD", home: Organisation | None = None, **fields
) -> Prepayment:
    home = home or make.organisation()
    fields = {"mode": "test", "requested_by": make.owner(home), **fields}
    return Prepayment.objects.create(organisation=home, amount_micros=micros, currency=currency, **fields)


def shown(stripe: Fake, **fields) -> Prepayment:
    """A prepayment whose page the payer has before them."""
    asked = prepayment(**fields)
    answer = gateway.current().ask(asked)
    Prepayment.objects.filter(pk=asked.pk).update(provider_id=answer.provider_id, pay_url=answer.pay_url)
    asked.refresh_from_db()
    return asked


def paid(stripe: Fake, **fields) -> Prepayment:
    """A prepayment that was paid, as far as Stripe is concerned, with the charge noted."""
    asked = shown(stripe, **fields)
    Prepayment.objects.filter(pk=asked.pk).update(charge_id=stripe.pay(asked.provider_id))
    asked.refresh_from_db()
    return asked


def refund(of: Prepayment, micros: int = 4_000_000) -> Refund:
    """A refund out of the organisation's only prepayment, which is credited now if it was not."""
    prepayments.settle_paid(of.pk, of.charge_id)
    (made,) = refunds.request(of.organisation, of.requested_by, micros, of.currency)
    return made


def account(
    stripe: Fake, user: User | None = None, *, ready: bool = True, country: str = "DE", **told
) -> PayoutAccount:
    """Where somebody is paid; made at the provider, and with all details given."""
    user = user or make.user("wes")
    made = PayoutAccount.objects.create(user=user, mode="test", country=country)
    made.provider_id = gateway.current().open_account(made, user.email)
    if ready:
        stripe.onboard(made.provider_id, **told)
        made.state = "ready"
    made.save()
    return made


def payout(to: PayoutAccount, micros: int = 5_000_000, currency: str = "USD") -> Payout:
    """A payout out of earnings, requested and about to be sent."""
    kind = {"currency": currency, "mode": "test"}
    payout = Payout.objects.create(user=to.user, account=to, amount_micros=micros, sent_at=clock.now(), tries=1, **kind)
    earnings = ledger.account("earnings", user=to.user, **kind)
    ledger.post("settlement", f"made:{payout.pk}", (ledger.account("losses", **kind), earnings, micros))
    ledger.post("payout", f"payout:{payout.pk}", (earnings, ledger.account("in_transit", **kind), micros))
    return payout


def older(row: Payout | Refund, hours: float) -> None:
    """As if the provider had been asked for it that long ago."""
    row.sent_at = clock.now() - timedelta(hours=hours)
    row.tries = getattr(row, "tries", 0) + 1
    type(row).objects.filter(pk=row.pk).update(sent_at=row.sent_at)
