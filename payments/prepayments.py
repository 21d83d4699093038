"""Prepayments: what an organisation pays before its work is done.

With a provider it takes three steps: `request` makes the row and has the provider asked, in one transaction; `ask` asks
it in none, and keeps where it is paid; `settle_paid`, called for what the provider signed, credits it. Nothing else
does: not the page the payer comes back to, and not what the provider answers when asked. Play money is paid at once.
"""

import logging
from datetime import datetime, timedelta
from functools import partial

from django.conf import settings
from django.db import connection, transaction
from django.db.models import F

from marketplace import accounts, audit
from marketplace.core import clock, jobs, states
from marketplace.core.errors import Conflict, Forbidden, Invalid
from marketplace.models import Mode, Organisation, Role, User
from payments import amounts, asking, funding, gateway, ledger
from payments.gateway import Gateway
from payments.models import Account, Prepayment

ASK_FOR = timedelta(days=1)  # who asked to pay is gone by then
log = logging.getLogger(__name__)


class NothingToPay(Conflict):
    title = "Nothing is to be paid here"


@transaction.atomic
def request(
    organisation: Organisation,
    by: User,
    amount_micros: int,
    currency: str,
    *,
    way: str = Prepayment.Way.CHECKOUT,
    through: Gateway | None = None,
) -> Prepayment:
    """Begin a prepayment, and have the provider asked for it; play money is credited at once.

    raises  Forbidden  not an owner, or their address is not confirmed
            Invalid    not a sum that can be charged, or no way to pay
    """
    accounts.require(by, organisation, Role.OWNER)
    if not by.is_confirmed:
        raise Forbidden("confirm your e-mail address before paying")
    amounts.check(amount_micros, currency, least=1, most=settings.PREPAYMENT_MOST_MICROS)
    if way not in Prepayment.Way.values:
        raise Invalid(f"way must be one of {', '.join(Prepayment.Way.values)}")
    prepayment = Prepayment.objects.create(
        organisation=organisation,
        requested_by=by,
        amount_micros=amount_micros,
        currency=currency,
        mode=settings.MODE,
        way=way,
    )
    through = through or gateway.current()
    if through.mode == Mode.SANDBOX:
        _play(prepayment, through)
    else:
        jobs.enqueue("payments.jobs.ask", prepayment.pk)
    audit.record(by, "prepay", prepayment, state=prepayment.state, amount_micros=amount_micros, currency=currency)
    return prepayment


def ask(prepayment_pk: int, *, through: Gateway | None = None) -> Prepayment:
    """Have the provider ask for a requested prepayment, and keep where it is paid; asked before, nothing happens.

    A refusal ends it. Any other error is raised and it stays to be asked for under the same key: who never learns where
    to pay cannot pay twice.
    """
    prepayment = Prepayment.objects.select_related("organisation").get(pk=prepayment_pk)
    if prepayment.state == Prepayment.State.REQUESTED and not prepayment.provider_id:
        due_at = clock.now() + asking.wait(prepayment.tries)
        Prepayment.objects.filter(pk=prepayment_pk).update(tries=F("tries") + 1, due_at=due_at)
        _asked(prepayment, through or gateway.current())
        prepayment.refresh_from_db()
    return prepayment


def ask_again(limit: int = 100, *, through: Gateway | None = None, at: datetime | None = None) -> bool:
    """Sweep: ask for what a crash or an unknown outcome left without an answer and is due; True: there may be more.

    After a day nobody waits for it: it fails. Should it be paid all the same, it is credited.
    """
    waiting = Prepayment.objects.filter(state=Prepayment.State.REQUESTED, provider_id="", mode=settings.MODE)
    due = waiting.filter(due_at__lte=at or clock.now()).order_by("due_at").values_list("pk", flat=True)
    return asking.each("prepayment", due, partial(_ask_or_give_up, through=through), limit)


def _ask_or_give_up(pk: int, *, through: Gateway | None) -> None:
    try:
        ask(pk, through=through)
    except Exception:
        if not Prepayment.objects.filter(pk=pk, created_at__lt=clock.now() - ASK_FOR).exists():
            raise
        fail(pk, "the payment provider did not answer")


def secret(prepayment: Prepayment, by: User, *, through: Gateway | None = None) -> str:
    """What a program pays this prepayment with; asked for each time, and kept nowhere.

    raises  Forbidden       not an owner
            NothingToPay    it is paid on a page, or no longer to be paid
            ProviderSilent  try again
    """
    accounts.require(by, prepayment.organisation, Role.OWNER)
    if prepayment.way != Prepayment.Way.INTENT:
        raise NothingToPay("this prepayment is paid on a page of the provider, at its pay_url")
    if prepayment.state != Prepayment.State.REQUESTED:
        raise NothingToPay(f"this prepayment is {prepayment.state}", state=str(prepayment.state))
    try:
        found = _asked(prepayment, through or gateway.current())
    except Exception as error:
        log.exception("prepayment %s: the provider did not say its secret", prepayment.pk)
        raise asking.ProviderSilent("ask again in a moment", retry_after_s=5) from error
    if not found:
        raise NothingToPay("the payment provider refused it")
    return found


@transaction.atomic
def settle_paid(prepayment_pk: int, charge_id: str) -> Prepayment:
    """Credit a prepayment that was paid, once; for what the provider has signed only.

    One that had failed is credited too: the money came.
    """
    prepayment = Prepayment.objects.select_for_update(no_key=True).get(pk=prepayment_pk)
    if prepayment.state != Prepayment.State.PAID:
        _pay(prepayment, charge_id=charge_id, pay_url="", failure="")
        audit.record(None, "pay", prepayment, charge=charge_id)
    return prepayment


@transaction.atomic
def fail(prepayment_pk: int, why: str) -> Prepayment:
    """End a prepayment that will not be paid; one that has ended stays as it is."""
    prepayment = Prepayment.objects.select_for_update(no_key=True).get(pk=prepayment_pk)
    if prepayment.state == Prepayment.State.REQUESTED:
        states.move(prepayment, Prepayment.State.FAILED, failure=why, pay_url="")
        audit.record(None, "fail", prepayment, why=why)
    return prepayment


def _asked(prepayment: Prepayment, through: Gateway) -> str:
    """Ask the provider, and keep what it said but the secret, which is returned; "" where it refused."""
    assert not connection.in_atomic_block, "no transaction is open while the gateway is asked"
    try:
        said = through.ask(prepayment)
    except gateway.Refused as refusal:
        fail(prepayment.pk, str(refusal))
        return ""
    with transaction.atomic():
        row = Prepayment.objects.select_for_update(no_key=True).get(pk=prepayment.pk)
        if not row.provider_id:
            row.provider_id = said.provider_id
            row.pay_url = said.pay_url if row.state == Prepayment.State.REQUESTED else ""
            row.save(update_fields=["provider_id", "pay_url"])
    return said.client_secret


def _play(prepayment: Prepayment, through: Gateway) -> None:
    """Pay with play money; one transaction is enough where no network is reached."""
    try:
        said = through.ask(prepayment)
    except gateway.Refused as refusal:
        states.move(prepayment, Prepayment.State.FAILED, failure=str(refusal))
    else:
        _pay(prepayment, provider_id=said.provider_id)


def _pay(prepayment: Prepayment, **fields: str) -> None:
    """Move a locked prepayment to paid, and credit it."""
    at = clock.now()
    start = funding.payable_from(prepayment.organisation, prepayment.mode, at)
    states.move(prepayment, Prepayment.State.PAID, paid_at=at, payable_from=start, **fields)
    account = partial(ledger.account, currency=prepayment.currency, mode=prepayment.mode)
    outside = account(Account.Kind.OUTSIDE)
    prepaid = account(Account.Kind.PREPAID, organisation=prepayment.organisation)
    ledger.post("prepayment", f"prepayment:{prepayment.pk}", (outside, prepaid, prepayment.amount_micros))
