"""Corrections: an entry is reversed wholly and once, by one admin up to a limit, and by two people above it.

Of what was settled to workers only the operator's fee goes back, into what the organisation has prepaid; its next
document is a credit note.
"""

from django.conf import settings
from django.db import IntegrityError, transaction

from marketplace import audit
from marketplace.core import clock, states
from marketplace.core.errors import Conflict, Forbidden, Invalid
from marketplace.models import User
from payments import ledger, reserves
from payments.ledger import Move
from payments.models import Account, Correction, Entry

State, Kind = Correction.State, Account.Kind
REASON_MOST = 5_000
EARNED = {Kind.EARNINGS, Kind.PENDING}
FREE = [Kind.OUTSIDE, Kind.PREPAID, Kind.FEES, Kind.LOSSES]  # no row of its own says what stands in these
OWN_WAY = {  # what stands in the others, or rests on a row, goes back by the verbs of that row
    Kind.RESERVE: "a reserve is lowered, or its batch closed",
    Kind.IN_TRANSIT: "a payout fails or is taken back",
    Kind.REFUNDING: "a refund fails or is declined",
}
NEVER = "what was settled to a worker is never taken back; a hold delays a payout, and fraud is a loss of ours"


class NotReversible(Conflict):
    title = "This entry cannot be reversed"


class AlreadyCorrected(Conflict):
    title = "This entry has a correction already"


@transaction.atomic
def propose(entry: Entry, by: User, reason: str) -> Correction:
    """Reverse an entry at once where one admin may, or leave it for a second one to sign.

    raises  Forbidden          not an admin
            Invalid            no reason is given
            NotReversible      it paid somebody for work, or goes back another way
            AlreadyCorrected   it is reversed, or about to be
            InsufficientFunds  what it moved is no longer there
    """
    _only_admins(by)
    reason = _text(reason, "reason")
    moves = _back(entry)
    try:
        with transaction.atomic():
            correction = Correction.objects.create(
                entry=entry, amount_micros=sum(amount for _, _, amount in moves), reason=reason, proposed_by=by,
                alone_most_micros=settings.CORRECTION_ALONE_MOST_MICROS, proposed_at=clock.now(),
            )  # fmt: skip
    except IntegrityError as error:
        if error.__cause__.diag.constraint_name != "correction_once":  # type: ignore[union-attr]
            raise
        raise AlreadyCorrected from error
    audit.record(by, "propose", correction, entry=entry.pk, amount_micros=correction.amount_micros)
    if correction.amount_micros <= correction.alone_most_micros:
        _post(correction, by)
    return correction


@transaction.atomic
def sign(correction: Correction, by: User) -> Correction:
    """Reverse what another admin proposed to reverse.

    raises  Forbidden          not an admin, or the one who proposed it
            IllegalMove        it was posted or declined before
            InsufficientFunds  what the entry moved is no longer there
    """
    _only_admins(by)
    _lock(correction)
    if by.pk == correction.proposed_by_id:
        raise Forbidden("another admin than the one who proposed it signs")
    _post(correction, by)
    return correction


@transaction.atomic
def decline(correction: Correction, by: User, reason: str) -> Correction:
    """Leave the entry as it is; whoever proposed it may do so, too.

    raises  Forbidden, Invalid, IllegalMove  as `sign`
    """
    _only_admins(by)
    _lock(correction)
    answer = _text(reason, "reason")
    states.move(correction, State.DECLINED, signed_by=by, answer=answer, ended_at=clock.now())
    audit.record(by, "decline", correction, entry=correction.entry_id)
    return correction


def reversible(entry: Entry) -> str:
    """Why this entry cannot be reversed; "": it can be."""
    return _why_not(entry, _touched(entry))


def _touched(entry: Entry) -> set[str]:
    """The kinds of accounts that it moved something from or to."""
    sides = entry.transfers.order_by().values_list("debit__kind", "credit__kind").distinct()
    return {kind for both in sides for kind in both}


def _why_not(entry: Entry, touched: set[str]) -> str:
    if not touched:
        return "it moved nothing"
    if touched & EARNED:
        if touched & {Kind.OUTSIDE, Kind.IN_TRANSIT}:
            return "what leaves the earnings comes back by the payout itself"
        return "" if Kind.FEES in touched else NEVER
    if ways := [way for kind, way in OWN_WAY.items() if kind in touched]:
        return ways[0]
    if not touched <= set(FREE):
        return "what it moved goes back by the rows it rests on"
    if entry.kind.startswith(("refund", "dispute", "payout")):
        return f"a {entry.kind.partition('_')[0]} goes back when the provider says so"
    return ""


def _back(entry: Entry) -> list[Move]:
    """The transfers of an entry the other way round."""
    touched = _touched(entry)
    if why := _why_not(entry, touched):
        raise NotReversible(why)
    rows = entry.transfers.select_related("debit__organisation", "credit").order_by("pk")
    if touched & EARNED:
        fees = rows.filter(credit__kind=Kind.FEES)
        return [(row.credit, reserves.prepaid_of(row.debit), row.amount_micros) for row in fees]
    return [(row.credit, row.debit, row.amount_micros) for row in rows]


def _post(correction: Correction, by: User) -> None:
    """Move everything back under the key of the entry; InsufficientFunds leaves the correction as it was."""
    entry = correction.entry
    facts = {"reverses": entry.key, "correction": correction.public_id}
    reversal = ledger.post("reversal", f"reversal:{entry.pk}", *_back(entry), facts=facts)
    states.move(correction, State.POSTED, signed_by=by, reversal=reversal, ended_at=clock.now())
    audit.record(by, "post", correction, entry=entry.pk, reversal=reversal.pk)


def _lock(correction: Correction) -> None:
    """Take the row as it is now: of two who sign, the second finds it posted."""
    correction.refresh_from_db(from_queryset=Correction.objects.select_for_update(no_key=True))


def _only_admins(by: User) -> None:
    if not (by.is_staff and by.is_active):
        raise Forbidden("only admins correct the ledger")


def _text(text: str, path: str) -> str:
    text = text.strip()
    if not text or len(text) > REASON_MOST or "\0" in text:
        message = f"must be a text of 1 to {REASON_MOST} characters"
        raise Invalid(message, errors=[{"path": path, "code": "length", "message": message}])
    return text
