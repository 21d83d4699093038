"""Money where a test wants it, through the verbs that put it there."""

from datetime import UTC, datetime
from functools import partial

from django.db import connection, transaction

from marketplace.core import clock
from marketplace.models import Organisation, User
from payments import invoices, ledger, months, reserves
from payments.ledger import Move
from payments.models import Account, Entry, Reserve
from tests import make

USD = {"currency": "USD", "mode": "sandbox"}


def prepaid(organisation: Organisation, micros: int, currency: str = "USD") -> Account:
    """The organisation's prepaid account with this much more in it."""
    account = partial(ledger.account, currency=currency, mode="sandbox")
    own = account("prepaid", organisation=organisation)
    ledger.post("prepayment", f"made:{own.pk}:{own.credits_micros}", (account("outside"), own, micros))
    return own


def reserve(micros: int, subject: str = "batch:1") -> Reserve:
    """A reserve of this much for a new project, with nothing left beside it."""
    project = make.project()
    prepaid(project.organisation, micros)
    return reserves.open(project, subject, {"answers": micros}, 1000, "USD", "sandbox")


def earned(user: User, micros: int) -> Account:
    """The user's earnings account after work worth this much was settled."""
    subject = f"batch:{user.pk}:{Reserve.objects.count()}"
    ledger.post_settlement(f"made:{subject}", reserve(micros, subject).account, {user.pk: micros}, 0)
    return Account.objects.get(kind="earnings", user=user)


def balance(account: Account) -> int:
    account.refresh_from_db()
    return account.balance_micros


def at(text: str) -> datetime:
    """A time as "2026-10-31 23:59", in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@transaction.atomic
def booked(when: datetime, kind: str, key: str, *transfers: Move) -> Entry:
    """An entry as `ledger.post` writes it, at another time."""
    with connection.cursor() as sql:
        sql.execute(
            "INSERT INTO payments_entry (kind, key, facts, created_at) VALUES (%s, %s, '{}', %s) RETURNING id",
            [kind, key, when],
        )
        entry = Entry.objects.get(pk=sql.fetchone()[0])
    ledger._write(entry, [(debit.pk, credit.pk, amount) for debit, credit, amount in transfers])
    return entry


def counted(when: datetime) -> None:
    """All that is booked, as the sweep counts it at that time."""
    for _ in range(3):  # a seal that is placed at one look is counted at the next
        while months.count(when):
            pass


def billed(organisation: Organisation, user: User, when: datetime) -> None:
    """A bonus that the organisation paid the user at that time, in a month that is closed and invoiced."""
    own = partial(ledger.account, currency="USD", mode="sandbox")
    outside, prepaid, earnings = own("outside"), own("prepaid", organisation=organisation), own("earnings", user=user)
    booked(when, "prepayment", f"billed:{organisation.pk}:p", (outside, prepaid, 3_300_000))
    booked(when, "bonus", f"billed:{organisation.pk}:b", (prepaid, earnings, 3_000_000))
    booked(when, "bonus_fee", f"billed:{organisation.pk}:f", (prepaid, own("fees"), 300_000))
    counted(clock.now())
    while invoices.issue():
        pass
