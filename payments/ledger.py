"""The ledger: money only moves between two accounts, in entries that happen once under their key."""

from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from django.db import IntegrityError, connection, transaction

from marketplace.core import clock, money
from marketplace.core.errors import InsufficientFunds, KeyReused
from marketplace.models import Organisation, User
from payments import checks, guards, maturities, seals
from payments.models import Account, Entry

Move = tuple[Account, Account, int]  # debited, credited, amount in micros
Row = tuple[int, int, int]  # the same by primary key


@dataclass(frozen=True)
class Payees:
    """Where people, and the operator, are credited with what one reserve pays them; all by primary key."""

    credited: dict[int, int]  # user -> account
    fees: int | None


# Whatever the credited account, a transfer is of the debited account's money: a composite foreign key refuses the rest.
INSERT_TRANSFERS = """
INSERT INTO payments_transfer (entry_id, debit_id, credit_id, amount_micros, currency, mode, created_at)
SELECT %(entry)s, row.debit, row.credit, row.amount, debited.currency, debited.mode, %(at)s
FROM unnest(%(debits)s::bigint[], %(credits)s::bigint[], %(amounts)s::bigint[])
     WITH ORDINALITY AS row (debit, credit, amount, place)
JOIN payments_account debited ON debited.id = row.debit
ORDER BY row.place
"""
# The totals follow from the rows just written; CHECK account_not_overdrawn is the test of the balance.
ADD_TO_TOTALS = """
UPDATE payments_account account
SET debits_micros = account.debits_micros + moved.outward, credits_micros = account.credits_micros + moved.inward
FROM (SELECT id, sum(outward) AS outward, sum(inward) AS inward
      FROM (SELECT debit_id AS id, amount_micros AS outward, 0 AS inward FROM payments_transfer
            WHERE entry_id = %(entry)s
            UNION ALL
            SELECT credit_id, 0, amount_micros FROM payments_transfer WHERE entry_id = %(entry)s) AS sides
      GROUP BY id) AS moved
WHERE account.id = moved.id
"""

# Thousands at once, so keys go as arrays: as many parameters would take longer to write than the rows to read
LOCK = "SELECT id FROM payments_account WHERE id = ANY(%s) ORDER BY id FOR NO KEY UPDATE"
CREDITED = """
SELECT user_id, id FROM payments_account
WHERE user_id = ANY(%(users)s) AND kind = %(kind)s AND organisation_id IS NOT DISTINCT FROM %(organisation)s::bigint
    AND subject = %(subject)s AND currency = %(currency)s AND mode = %(mode)s
"""
OPEN = """
INSERT INTO payments_account (kind, organisation_id, user_id, subject, currency, mode, debits_micros, credits_micros)
SELECT %(kind)s, %(organisation)s, id, %(subject)s, %(currency)s, %(mode)s, 0, 0
FROM unnest(%(missing)s::bigint[]) AS users (id) ORDER BY id
ON CONFLICT DO NOTHING
"""


def account(
    kind: str,
    *,
    organisation: Organisation | None = None,
    user: User | None = None,
    subject: str = "",
    currency: str,
    mode: str,
) -> Account:
    """The one account of this kind, owner, subject, currency and mode; made when it is first asked for."""
    return Account.objects.get_or_create(
        kind=kind, organisation=organisation, user=user, subject=subject, currency=currency, mode=mode
    )[0]


def post(kind: str, key: str, *transfers: Move, facts: Mapping[str, Any] | None = None) -> Entry:
    """Move each amount from its debited to its credited account, once and for all under this key.

    facts   shown to everyone the entry credits: keys and figures, never names
    raises  KeyReused          the key stands for another kind or other transfers
            InsufficientFunds  an account would be overdrawn, by `missing_micros`
    """
    return _post(kind, key, [(debit.pk, credit.pk, amount) for debit, credit, amount in transfers], facts)


@transaction.atomic
def post_settlement(
    key: str,
    reserve_account: Account,
    rewards: Mapping[int, int],
    fee_micros: int,
    *,
    kind: str = "settlement",
    facts: Mapping[str, Any] | None = None,
    to: Payees | None = None,
) -> Entry:
    """Move what each user (by primary key) has earned, and the fee, out of one reserve in one entry.

    What an organisation's prepayment may still be taken back for is earned all the same, and payable from a later day.
    kind    settlement of answers, or what else is earned: top_up, bonus
    to      what `payees` found, where that was asked before something else was posted
    raises  KeyReused, InsufficientFunds  as `post`
    """
    if before := Entry.objects.filter(key=key).first():
        return _settled(before, kind, reserve_account, rewards, fee_micros)
    found = to or payees(reserve_account, rewards, with_fee=bool(fee_micros))
    rows = [(reserve_account.pk, found.credited[user], amount) for user, amount in sorted(rewards.items())]
    if fee_micros:
        assert found.fees, "there is a place for the fee"
        rows.append((reserve_account.pk, found.fees, fee_micros))
    return _post(kind, key, rows, facts)


def payees(reserve_account: Account, users: Collection[int], *, with_fee: bool) -> Payees:
    """Where these users are credited with what this reserve pays by the end of this transaction; opened if need be.

    Before any account is locked: the day from which it is payable is locked here, and whoever has that wants accounts.
    """
    day = maturities.expect(reserve_account, clock.now())
    credited = _accounts_of(set(users), reserve_account, day)
    if not with_fee:
        return Payees(credited, None)
    return Payees(credited, account(Account.Kind.FEES, currency=reserve_account.currency, mode=reserve_account.mode).pk)


def lock(accounts: Collection[int]) -> None:
    """Lock these accounts, by primary key, in the order in which every entry locks its own."""
    with connection.cursor() as cursor:
        cursor.execute(LOCK, [list(accounts)])


@transaction.atomic
def post_maturing(key: str, pending: Sequence[Account], *, facts: Mapping[str, Any] | None = None) -> Entry:
    """Move all that stands in these pending accounts, of one currency and mode, to the earnings of their users.

    Inside the transaction that has locked what lets anybody credit or debit them: their balances are taken as read.
    """
    users = {account.user_id for account in pending if account.user_id}
    earnings = _accounts_of(users, pending[0], None)
    rows = [(one.pk, earnings[one.user_id], one.balance_micros) for one in pending if one.user_id]
    return _post("maturity", key, rows, facts)


def audit(full: bool = False) -> list[str]:
    """Every way in which the ledger contradicts itself, as a sentence with its first broken row; empty: none.

    full  read every transfer again; otherwise what is sealed is taken for granted, but for one checkpoint a day
    """
    return [*guards.broken(), *checks.broken(0 if full else seals.sealed_upto()), *seals.broken(full)]


def _accounts_of(users: set[int], source: Account, day: date | None) -> dict[int, int]:
    """Where each user is credited, both by primary key: in the earnings, or by the day they are payable from.

    source  what is debited: its currency and mode, and whose money it is
    """
    of_all: dict[str, Any] = {"users": list(users), "currency": source.currency, "mode": source.mode}
    if day is None:
        of_all |= {"kind": str(Account.Kind.EARNINGS), "organisation": None, "subject": ""}
    else:
        home = source.organisation_id
        of_all |= {"kind": str(Account.Kind.PENDING), "organisation": home, "subject": day.isoformat()}
    with connection.cursor() as sql:
        sql.execute(CREDITED, of_all)
        found: dict[int, int] = dict(sql.fetchall())
        missing = sorted(users - found.keys())  # in one order, so that two settlements never wait for each other
        if missing:
            sql.execute(OPEN, {**of_all, "missing": missing})
            sql.execute(CREDITED, of_all)
            found = dict(sql.fetchall())
    return found


def _settled(entry: Entry, kind: str, reserve_account: Account, rewards: Mapping[int, int], fee_micros: int) -> Entry:
    """The entry of a settlement that is repeated: the same people and sums, though by now payable on another day."""
    before = list(entry.transfers.values_list("debit", "credit__kind", "credit__user", "amount_micros"))
    fee = [row for row in before if row[1] == Account.Kind.FEES]
    same_fee = sum(row[3] for row in fee) == fee_micros
    same = {user: micros for _, _, user, micros in before if user} == dict(rewards) and same_fee
    if entry.kind != kind or {row[0] for row in before} != {reserve_account.pk} or not same:
        raise KeyReused(f"{entry.key} has moved something else", key=entry.key)
    return entry


@transaction.atomic
def _post(kind: str, key: str, rows: list[Row], facts: Mapping[str, Any] | None) -> Entry:
    """Write an entry and its transfers, or return the same one written before."""
    assert rows, "an entry moves something"
    assert all(amount > 0 for _, _, amount in rows), "a transfer moves a positive amount"
    entry, is_new = Entry.objects.get_or_create(key=key, defaults={"kind": kind, "facts": dict(facts or {})})
    if is_new:
        _write(entry, rows)
        return entry
    before = entry.transfers.values_list("debit", "credit", "amount_micros")
    if entry.kind != kind or sorted(before) != sorted(rows):
        raise KeyReused(f"{key} has moved something else", key=key)
    return entry


def _write(entry: Entry, rows: list[Row]) -> None:
    """Lock the accounts in the order of their keys, insert the transfers and add them to the totals."""
    debits, credits, amounts = (list(column) for column in zip(*rows, strict=True))
    values: dict[str, Any] = {
        "entry": entry.pk,
        "at": entry.created_at,
        "debits": debits,
        "credits": credits,
        "amounts": amounts,
    }
    lock({*debits, *credits})
    try:
        with transaction.atomic(), connection.cursor() as cursor:
            cursor.execute(INSERT_TRANSFERS, values)
            cursor.execute(ADD_TO_TOTALS, values)
    except IntegrityError as error:
        if error.__cause__.diag.constraint_name != "account_not_overdrawn":  # type: ignore[union-attr]
            raise
        raise _insufficient(rows) from error  # the locks are still held: what is missing is exact


def _insufficient(rows: list[Row]) -> InsufficientFunds:
    """The refusal that says how much is missing in the accounts these transfers would overdraw."""
    needed: Counter[int] = Counter()
    for debit, credit, amount in rows:
        needed[debit] += amount
        needed[credit] -= amount
    accounts = Account.objects.filter(pk__in=needed).exclude(kind__in=Account.UNBOUNDED)
    short = [(row, needed[row.pk] - row.balance_micros) for row in accounts if needed[row.pk] > row.balance_micros]
    missing, currency = sum(by for _, by in short), short[0][0].currency
    return InsufficientFunds(f"{money.show(missing, currency)} is missing", missing_micros=missing, currency=currency)
