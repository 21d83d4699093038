"""Differences between our books and the provider's: found, told, explained by a person; never repaired from here."""

from collections.abc import Iterable

from django.db import transaction

from marketplace import audit
from marketplace.core import clock, money, states
from marketplace.core.errors import Forbidden, Invalid
from marketplace.models import User
from payments.models import Difference

Kind, State = Difference.Kind, Difference.State
NOTE_MOST = 5_000


@transaction.atomic
def found(
    mode: str, kind: str, subject: str, *, ours: int | None = None, theirs: int | None = None, currency: str = "",
    text: str = "",
) -> Difference:  # fmt: skip
    """Keep a difference, once; one that was explained is open again when its figures are others now."""
    subject, at = subject[:200], clock.now()
    figures = {"ours_micros": ours, "theirs_micros": theirs, "currency": currency}
    text = text or _sentence(Kind(kind).label, ours, theirs, currency)
    row, is_new = Difference.objects.select_for_update(no_key=True).get_or_create(
        mode=mode, kind=kind, subject=subject, defaults={**figures, "text": text, "found_at": at}
    )
    if is_new:
        audit.record(None, "find", row, subject=subject, kind=str(kind), ours=ours, theirs=theirs)
        return row
    is_same = (row.ours_micros, row.theirs_micros, row.currency) == (ours, theirs, currency)
    if row.state == State.GONE or (row.state == State.EXPLAINED and not is_same):
        states.move(row, State.OPEN, told_at=None, ended_at=None, found_at=at)
        audit.record(None, "find", row, subject=subject, kind=str(kind), ours=ours, theirs=theirs)
    if not is_same or row.text != text:
        Difference.objects.filter(pk=row.pk).update(**figures, text=text)
        row.refresh_from_db()
    return row


@transaction.atomic
def gone(mode: str, subjects: Iterable[str], kinds: Iterable[str], *, but: Iterable[int] = ()) -> None:
    """Note that these say the same on both sides again, but for those with these keys."""
    there = Difference.objects.filter(mode=mode, subject__in=set(subjects), kind__in=set(kinds))
    ended = there.exclude(state=State.GONE).exclude(pk__in=set(but)).order_by("pk")
    for row in ended.select_for_update(no_key=True):
        states.move(row, State.GONE, ended_at=clock.now())
        audit.record(None, "end", row, subject=row.subject)


@transaction.atomic
def explain(difference: Difference, by: User, note: str) -> Difference:
    """Say why both sides differ, so that it is no longer told; the money stays as it is.

    raises  Forbidden    not an admin
            Invalid      nothing is said
            IllegalMove  it is not open
    """
    if not by.is_staff:
        raise Forbidden("only admins explain differences")
    note = note.strip()
    if not note or len(note) > NOTE_MOST:
        message = f"must be a text of 1 to {NOTE_MOST} characters"
        raise Invalid(message, errors=[{"path": "note", "code": "length", "message": message}])
    states.move(difference, State.EXPLAINED, explained_by=by, note=note, ended_at=clock.now())
    audit.record(by, "explain", difference, subject=difference.subject)
    return difference


def open_ones(mode: str) -> list[Difference]:
    """Those that nobody has explained, oldest first."""
    return list(Difference.objects.filter(mode=mode, state=State.OPEN).order_by("pk"))


@transaction.atomic
def note_broken(mode: str, sentences: list[str]) -> None:
    """Keep what the audit of the ledger found, and note what it finds no longer."""
    rows = [found(mode, Kind.LEDGER, sentence, text=sentence) for sentence in sentences]
    others = Difference.objects.filter(mode=mode, kind=Kind.LEDGER).values_list("subject", flat=True)
    gone(mode, list(others), [Kind.LEDGER], but=[row.pk for row in rows])


def _sentence(words: str, ours_micros: int | None, theirs_micros: int | None, currency: str) -> str:
    here, there = (
        "nothing" if amount is None else money.show(amount, currency) for amount in (ours_micros, theirs_micros)
    )
    return f"{words}: here {here}, at the provider {there}"
