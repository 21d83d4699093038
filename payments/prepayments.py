"""Prepayments: what an organisation pays before its work is done."""

from functools import partial

from django.conf import settings
from django.db import transaction

from marketplace import accounts, audit
from marketplace.core import states
from marketplace.core.errors import Forbidden
from marketplace.models import Organisation, Role, User
from payments import amounts, gateway, ledger
from payments.gateway import Gateway
from payments.models import Account, Prepayment


@transaction.atomic
def request(
    organisation: Organisation, by: User, amount_micros: int, currency: str, *, through: Gateway | None = None
) -> Prepayment:
    """Charge an organisation and credit what it paid; `failed`, with the reason, where the gateway refuses.

    One transaction is enough while the only gateway reaches no network; a provider takes the three steps of a payout.
    raises  Forbidden  not an owner, or their address is not confirmed
            Invalid    not a sum that can be charged
    """
    accounts.require(by, organisation, Role.OWNER)
    if not by.is_confirmed:
        raise Forbidden("confirm your e-mail address before paying")
    amounts.check(amount_micros, currency, least=1, most=settings.PREPAYMENT_MOST_MICROS)
    prepayment = Prepayment.objects.create(
        organisation=organisation,
        requested_by=by,
        amount_micros=amount_micros,
        currency=currency,
        mode=settings.MODE,
    )
    try:
        provider_id = (through or gateway.current()).ask(prepayment).provider_id
    except gateway.Refused as refusal:
        states.move(prepayment, Prepayment.State.FAILED, failure=str(refusal))
    else:
        states.move(prepayment, Prepayment.State.PAID, provider_id=provider_id)
        _credit(prepayment)
    audit.record(by, "prepay", prepayment, state=prepayment.state, amount_micros=amount_micros, currency=currency)
    return prepayment


def _credit(prepayment: Prepayment) -> None:
    """Book a paid prepayment, once."""
    account = partial(ledger.account, currency=prepayment.currency, mode=prepayment.mode)
    outside = account(Account.Kind.OUTSIDE)
    prepaid = account(Account.Kind.PREPAID, organisation=prepayment.organisation)
    ledger.post("prepayment", f"prepayment:{prepayment.pk}", (outside, prepaid, prepayment.amount_micros))
