"""Money where a test wants it, through the verbs that put it there."""

from datetime import UTC, datetime, timedelta
from functools import partial
from typing import Any

from django.db import connection, transaction

from marketplace.core import clock
from marketplace.models import Organisation, User
from payments import invoices, ledger, months, reserves
from payments.gateway import sandbox
from payments.ledger import Move
from payments.models import Account, Entry, Payout, PayoutAccount, Prepayment, Reserve
from tests import make

USD = {"currency": "USD", "mode": "sandbox"}


def prepaid(organisation: Organisation, micros: int, currency: str = "USD", mode: str = "sandbox") -> Account:
    """The organisation's prepaid account with this much more in it."""
    account = partial(ledger.account, currency=currency, mode=mode)
    own = account("prepaid", organisation=organisation)
    at = clock.now()
    paid = Prepayment.objects.create(
        organisation=organisation, requested_by=make.owner(organisation), amount_micros=micros, currency=currency,
        mode=mode, state="paid", paid_at=at, payable_from=at,
    )  # fmt: skip
    if mode == "sandbox":
        Prepayment.objects.filter(pk=paid.pk).update(provider_id=sandbox.derived_id(mode, f"prepayment:{paid.pk}"))
    ledger.post("prepayment", f"prepayment:{paid.pk}", (account("outside"), own, micros))
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


def owed(user: User, micros: int, mode: str = "test", currency: str = "USD") -> Account:
    """The user's earnings of this kind of money with this much more in them, from nowhere we look at."""
    account = partial(ledger.account, currency=currency, mode=mode)
    own = account("earnings", user=user)
    ledger.post("settlement", f"made:{own.pk}:{own.credits_micros}", (account("losses"), own, micros))
    own.refresh_from_db()
    return own


def paid_to(user: User, state: str = "ready", mode: str = "test", **fields: Any) -> PayoutAccount:
    """Where the user is paid, as the provider told us."""
    fields = {"country": "US", "provider_id": f"acct_{user.pk}", **fields}
    return PayoutAccount.objects.create(user=user, mode=mode, state=state, **fields)


def due(*payouts: Payout) -> None:
    """Let the time pass after which these payouts, or all, are sent again."""
    chosen = Payout.objects.filter(pk__in=[one.pk for one in payouts]) if payouts else Payout.objects.all()
    chosen.update(due_at=clock.now() - timedelta(seconds=1))


def balance(account: Account) -> int:
    account.refresh_from_db()
    return account.balance_micros


def at(text: str) -> datetime:
    """A time as "2026-10-31 23:59", in UTC."""
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


def audit() -> list[str]:
    """What the audit finds; that money came from outside for which there is no row is what `booked` does."""
    return [sentence for sentence in ledger.audit() if "are here from outside" not in sentence]


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
