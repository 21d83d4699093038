"""The ledger: money only moves between two accounts, in entries that happen once under their key."""

from collections import Counter
from collections.abc import Mapping
from typing import Any

from django.db import IntegrityError, connection, transaction

from marketplace.core import money
from marketplace.core.errors import InsufficientFunds, KeyReused
from marketplace.models import Organisation, User
from payments import checks, guards, seals
from payments.models import Account, Entry

Move = tuple[Account, Account, int]  # debited, credited, amount in micros
Row = tuple[int, int, int]  # the same by primary key

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
    facts: Mapping[str, Any] | None = None,
) -> Entry:
    """Move what each user (by primary key) has earned, and the fee, out of one reserve in one entry.

    raises  KeyReused, InsufficientFunds  as `post`
    """
    currency, mode = reserve_account.currency, reserve_account.mode
    earnings = _earnings_of(set(rewards), currency, mode)
    rows = [(reserve_account.pk, earnings[user], amount) for user, amount in sorted(rewards.items())]
    if fee_micros:
        fees = account(Account.Kind.FEES, currency=currency, mode=mode)
        rows.append((reserve_account.pk, fees.pk, fee_micros))
    return _post("settlement", key, rows, facts)


def audit(full: bool = False) -> list[str]:
    """Every way in which the ledger contradicts itself, as a sentence with its first broken row; empty: none.

    full  read every transfer again; otherwise what is sealed is taken for granted, but for one checkpoint a day
    """
    return [*guards.broken(), *checks.broken(0 if full else seals.sealed_upto()), *seals.broken(full)]


def _earnings_of(users: set[int], currency: str, mode: str) -> dict[int, int]:
    """The earnings account of each user, both by primary key; made where there was none."""
    kind = Account.Kind.EARNINGS
    accounts = Account.objects.filter(
        kind=kind, organisation=None, user__in=users, subject="", currency=currency, mode=mode
    )
    found: dict[int, int] = dict(accounts.values_list("user", "pk"))
    missing = sorted(users - found.keys())  # in one order, so that two settlements never wait for each other
    if missing:
        fresh = [Account(kind=kind, user_id=user, currency=currency, mode=mode) for user in missing]
        Account.objects.bulk_create(fresh, ignore_conflicts=True)
        found = dict(accounts.all().values_list("user", "pk"))
    return found


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
    accounts = Account.objects.filter(pk__in={*debits, *credits}).order_by("pk").values_list("pk")
    list(accounts.select_for_update(no_key=True))  # reading them is what locks them
    values: dict[str, Any] = {
        "entry": entry.pk,
        "at": entry.created_at,
        "debits": debits,
        "credits": credits,
        "amounts": amounts,
    }
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
