"""Refunds: what an organisation prepaid and has not reserved, on its way back, in three steps as a payout.

`request` takes it out of the prepayment; `send` asks the provider with no transaction open, then books what it said.
A refund is paid once the provider has taken it on, whether it calls it succeeded or pending: the money has left our
balance there. A bank that sends it back later makes it failed, and the money is prepaid again.
What is too old for what it was paid with goes back by hand: an admin proposes to, another one signs that it was paid.
Nobody decides any more about money of another mode than this installation moves.
"""

from datetime import datetime, timedelta
from functools import partial

from django.conf import settings
from django.db import connection, transaction
from django.db.models import F
from django.db.models.functions import Coalesce

from marketplace import accounts, audit
from marketplace.core import clock, jobs, money, states
from marketplace.core.errors import Conflict, Forbidden, IllegalMove, InsufficientFunds
from marketplace.models import Organisation, Role, User
from payments import amounts, asking, gateway, ledger
from payments.gateway import Gateway
from payments.models import Account, Prepayment, Refund

MOST_MICROS = 10**15  # keeps a mistyped amount out of the columns
PARTS_MOST = 100  # prepayments that one request is split over


@transaction.atomic
def request(organisation: Organisation, by: User, amount_micros: int | None, currency: str) -> list[Refund]:
    """Give an amount, or all that is free, back to who paid it, out of the newest prepayments first.

    raises  Forbidden          not an owner, not confirmed, or the organisation is frozen
            Invalid            not a sum that can be paid back
            InsufficientFunds  `missing_micros` more would have to be free
    """
    accounts.require(by, organisation, Role.OWNER)
    if not by.is_confirmed:
        raise Forbidden("confirm your e-mail address before you are paid back")
    amounts.check_currency(currency)
    if amount_micros is not None:
        amounts.check(amount_micros, currency, least=1, most=MOST_MICROS)
    own = organisation.prepayments.filter(currency=currency, mode=settings.MODE, state=Prepayment.State.PAID)
    left = own.filter(amount_micros__gt=F("refunded_micros") + F("disputed_micros"))
    prepayments = list(left.order_by("-pk").select_for_update(no_key=True)[:PARTS_MOST])
    accounts.refuse_frozen(organisation.pk)  # after the locks: a dispute that came first has frozen it
    prepaid = ledger.account(Account.Kind.PREPAID, organisation=organisation, currency=currency, mode=settings.MODE)
    prepaid.refresh_from_db()
    wanted = _all_of(prepaid, prepayments) if amount_micros is None else amount_micros
    parts = _parts(prepayments, wanted)
    if missing := wanted - sum(micros for _, micros in parts):
        shown = f"{money.show(missing, currency)} more than can be paid back"
        raise InsufficientFunds(shown, missing_micros=missing, currency=currency)
    at = clock.now()
    return [_begin(prepayment, micros, by, at) for prepayment, micros in parts]


def send(refund_pk: int, *, through: Gateway | None = None) -> Refund:
    """Have the gateway pay a requested refund back, and book what it said; one that has ended is left alone.

    A refusal makes the money prepaid again. Any other error is raised and the refund stays requested, for the money may
    have moved: it is sent again under the same key until the gateway knows.
    """
    assert not connection.in_atomic_block, "no transaction is open while the gateway is asked"
    refund = Refund.objects.select_related("prepayment__organisation").get(pk=refund_pk)
    if refund.state != Refund.State.REQUESTED:
        return refund
    at = clock.now()
    Refund.objects.filter(pk=refund_pk).update(
        sent_at=Coalesce("sent_at", at), tries=F("tries") + 1, due_at=at + asking.wait(refund.tries)
    )
    refund.sent_at, refund.tries = refund.sent_at or at, refund.tries + 1
    try:
        provider_id = (through or gateway.current()).refund(refund)
    except gateway.Refused as refusal:
        return _end(refund_pk, [Refund.State.REQUESTED], Refund.State.FAILED, failure=str(refusal))
    return _end(refund_pk, [Refund.State.REQUESTED], Refund.State.PAID, provider_id=provider_id)


def resend(limit: int = 100, *, through: Gateway | None = None, at: datetime | None = None) -> bool:
    """Sweep: send refunds that still wait and are due; True: there may be more."""
    waiting = Refund.objects.filter(state=Refund.State.REQUESTED, prepayment__mode=settings.MODE)
    due = waiting.filter(due_at__lte=at or clock.now()).order_by("due_at").values_list("pk", flat=True)
    return asking.each("refund", due, partial(send, through=through), limit)


def settle(provider_id: str, state: str, failure: str = "", *, refund_pk: int | None = None) -> Refund | None:
    """Book what the provider said of a refund later, in any order and any number of times; None: it is none of ours.

    A refund that failed stays so: what the provider said before arrives late.
    state      as gateway.Sent has it
    refund_pk  our key, where the provider gives it back: it may speak before `send` has kept its id
    """
    sent = Refund.objects.filter(way=Refund.Way.ORIGINAL)
    chosen = sent.filter(pk=refund_pk) if refund_pk is not None else sent.filter(provider_id=provider_id)
    refund = chosen.first() if refund_pk is not None or provider_id else None
    if refund is None:
        return None
    requested, paid, failed = Refund.State.REQUESTED, Refund.State.PAID, Refund.State.FAILED
    if state == "paid":
        return _end(refund.pk, [requested], paid, provider_id=provider_id)
    if state == "failed":
        why = failure or "the bank sent it back"
        return _end(refund.pk, [requested, paid], failed, provider_id=provider_id, failure=why)
    return refund


# By hand


@transaction.atomic
def propose(refund: Refund, by: User, reference: str = "") -> Refund:
    """Say that a refund will be paid by hand; another admin signs that it was.

    reference  the operator's own for the payment, such as the number of an order; never anybody's bank details
    """
    row = _by_hand(refund, by)
    row.proposed_by, row.reference = by, reference.strip()[:120]
    row.save(update_fields=["proposed_by", "reference"])
    audit.record(by, "propose", row)
    return row


@transaction.atomic
def sign(refund: Refund, by: User) -> Refund:
    """Say that a refund was paid by hand, as another admin had proposed.

    raises  Forbidden    not an admin, or the one who proposed it
            IllegalMove  nobody has proposed it, or it has ended
            Conflict     it is money of another mode than this installation moves
    """
    row = _by_hand(refund, by)
    if row.proposed_by_id is None:
        raise IllegalMove("an admin proposes it first, another one signs", state=str(row.state))
    if row.proposed_by_id == by.pk:
        raise Forbidden("another admin than the one who proposed it signs")
    return _end(row.pk, [Refund.State.PROPOSED], Refund.State.PAID, by=by, signed_by=by)


@transaction.atomic
def decline(refund: Refund, by: User, why: str = "") -> Refund:
    """Refuse to pay a refund by hand; the money is prepaid again."""
    row = _by_hand(refund, by)
    why = why.strip() or "it cannot be paid back"
    return _end(row.pk, [Refund.State.PROPOSED], Refund.State.DECLINED, by=by, failure=why)


@transaction.atomic
def try_original(refund: Refund, by: User) -> Refund:
    """Send a refund to what it was paid with after all, however old that is."""
    row = _by_hand(refund, by)
    states.move(row, Refund.State.REQUESTED, way=Refund.Way.ORIGINAL, proposed_by=None, reference="")
    jobs.enqueue("payments.jobs.refund", row.pk)
    audit.record(by, "try_original", row)
    return row


def _by_hand(refund: Refund, by: User) -> Refund:
    """The refund, locked, while admins decide about it."""
    if not by.is_staff:
        raise Forbidden
    if refund.prepayment.mode != settings.MODE:
        raise Conflict(f"it is {refund.prepayment.mode} money, which is not paid here any more")
    row = Refund.objects.select_for_update(no_key=True).get(pk=refund.pk)
    if row.state != Refund.State.PROPOSED:
        raise IllegalMove("nobody has to decide about it any more", state=str(row.state))
    return row


def _left(prepayment: Prepayment) -> int:
    return prepayment.amount_micros - prepayment.refunded_micros - prepayment.disputed_micros


def _all_of(prepaid: Account, prepayments: list[Prepayment]) -> int:
    """What of the free money can go back; refused where nothing can."""
    free = money.whole_minor_units(prepaid.balance_micros, prepaid.currency)
    if amount := min(free, sum(_left(prepayment) for prepayment in prepayments)):
        return amount
    raise InsufficientFunds("there is nothing that can be paid back", missing_micros=1, currency=prepaid.currency)


def _parts(prepayments: list[Prepayment], wanted: int) -> list[tuple[Prepayment, int]]:
    """The amount split over these prepayments in their order, each within what it has left."""
    parts = []
    for prepayment in prepayments:
        if micros := min(wanted, _left(prepayment)):
            parts.append((prepayment, micros))
            wanted -= micros
    return parts


def _begin(prepayment: Prepayment, amount_micros: int, by: User, at: datetime) -> Refund:
    """Take one part out of the prepaid money, and have it sent or decided about."""
    is_old = (prepayment.paid_at or prepayment.created_at) < at - timedelta(days=settings.REFUND_WITHIN_DAYS)
    by_hand = is_old or prepayment.refunds.filter(way=Refund.Way.ORIGINAL, state=Refund.State.FAILED).exists()
    refund = Refund.objects.create(
        prepayment=prepayment,
        amount_micros=amount_micros,
        way=Refund.Way.BY_HAND if by_hand else Refund.Way.ORIGINAL,
        state=Refund.State.PROPOSED if by_hand else Refund.State.REQUESTED,
        requested_by=by,
    )
    Prepayment.objects.filter(pk=prepayment.pk).update(refunded_micros=F("refunded_micros") + amount_micros)
    prepaid, refunding, _ = _accounts(prepayment)
    ledger.post("refund", f"refund:{refund.pk}", (prepaid, refunding, amount_micros))
    audit.record(by, "refund", refund, amount_micros=amount_micros, way=str(refund.way))
    if not by_hand:
        jobs.enqueue("payments.jobs.refund", refund.pk)
    return refund


@transaction.atomic
def _end(
    refund_pk: int, from_states: list[Refund.State], to: str, *, by: User | None = None, **fields: object
) -> Refund:
    """Move a refund out of one of these states and book it, unless something else has."""
    of = Refund.objects.values_list("prepayment", flat=True).get(pk=refund_pk)
    prepayment = (
        Prepayment.objects.select_related("organisation").select_for_update(no_key=True, of=("self",)).get(pk=of)
    )
    refund = Refund.objects.select_for_update(no_key=True).get(pk=refund_pk)
    if refund.state not in from_states:
        return refund
    was_paid = refund.state == Refund.State.PAID
    states.move(refund, to, ended_at=clock.now(), **fields)
    prepaid, refunding, outside = _accounts(prepayment)
    if to == Refund.State.PAID:
        ledger.post("refund_paid", f"refund:{refund.pk}:paid", (refunding, outside, refund.amount_micros))
    else:
        Prepayment.objects.filter(pk=of).update(refunded_micros=F("refunded_micros") - refund.amount_micros)
        where = outside if was_paid else refunding
        ledger.post("refund_failed", f"refund:{refund.pk}:failed", (where, prepaid, refund.amount_micros))
    audit.record(by, "end", refund, state=str(to))
    return refund


def _accounts(prepayment: Prepayment) -> tuple[Account, Account, Account]:
    account = partial(ledger.account, currency=prepayment.currency, mode=prepayment.mode)
    return (
        account(Account.Kind.PREPAID, organisation=prepayment.organisation),
        account(Account.Kind.REFUNDING, organisation=prepayment.organisation),
        account(Account.Kind.OUTSIDE),
    )
