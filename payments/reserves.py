"""Reserves: what is set aside for one subject, line by line, before any of it can be owed."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from functools import partial

from django.db import transaction
from django.db.models import F, Sum

from marketplace.core import money
from marketplace.core.errors import InsufficientFunds
from marketplace.models import Project
from payments import ledger
from payments.ledger import Payees
from payments.models import Account, Entry, Reserve, ReserveLine


@dataclass(frozen=True)
class Standing:
    """What has gone out of a reserve to those who earned it, fees included, and what is left in it."""

    spent_micros: int
    left_micros: int


@transaction.atomic
def open(project: Project, subject: str, lines: Mapping[str, int], fee_bp: int, currency: str, mode: str) -> Reserve:
    """Set aside the sum of the lines (each with its fee) out of what the organisation has prepaid; again: the same one.

    raises  InsufficientFunds  `missing_micros` more must be prepaid
            KeyReused          the subject already has a reserve of another sum
    """
    owned = partial(ledger.account, organisation=project.organisation, currency=currency, mode=mode)
    prepaid, account = owned(Account.Kind.PREPAID), owned(Account.Kind.RESERVE, subject=subject)
    reserve, is_new = Reserve.objects.get_or_create(
        subject=subject, defaults={"project": project, "account": account, "fee_bp": fee_bp}
    )
    if is_new:
        ReserveLine.objects.bulk_create(ReserveLine(reserve=reserve, name=n, amount_micros=m) for n, m in lines.items())
    ledger.post("reserve", f"reserve:{subject}", (prepaid, account, sum(lines.values())))
    return reserve


@transaction.atomic
def add(subject: str, line: str, amount_micros: int) -> Entry:
    """Set aside more under one line, which is made if there is none.

    raises  InsufficientFunds  `missing_micros` more must be prepaid
    """
    reserve = _lock(subject)
    row, _ = ReserveLine.objects.get_or_create(reserve=reserve, name=line, defaults={"amount_micros": 0})
    return _move(reserve, row, amount_micros)


def lock_to_pay(users: Mapping[str, Collection[int]], *, with_fee: bool = True) -> dict[str, tuple[Reserve, Payees]]:
    """Lock all that setting more aside under these subjects, and paying these users out of it, will touch.

    In a transaction that does both, or does it under several subjects, before the first posting. The order is that of
    everybody: reserves by key, then the days on which what is earned becomes payable, then accounts by key. Each entry
    alone locks in that order, too; two of them in one transaction do not.
    """
    rows = Reserve.objects.select_related("account__organisation", "project").filter(subject__in=users)
    found = list(rows.order_by("pk").select_for_update(no_key=True, of=("self",)))
    alike: dict[tuple[int | None, str, str], list[Reserve]] = {}  # the same money: people are looked for once in it
    for row in found:
        alike.setdefault((row.account.organisation_id, row.account.currency, row.account.mode), []).append(row)
    to: dict[Reserve, Payees] = {}
    for _, same in sorted(alike.items()):
        everybody = {user for row in same for user in users[row.subject]}
        to |= dict.fromkeys(same, ledger.payees(same[0].account, everybody, with_fee=with_fee))
    accounts = {pk for row in found for pk in (row.account_id, prepaid_of(row.account).pk)}
    for one in to.values():
        accounts |= {*one.credited.values()} | ({one.fees} if one.fees else set())
    ledger.lock(accounts)
    return {row.subject: (row, to[row]) for row in found}


@transaction.atomic
def release(subject: str, amount_micros: int, line: str) -> Entry:
    """Give a part of one line that was not spent back to what the organisation has prepaid.

    raises  InsufficientFunds  the line, or the whole reserve, holds `missing_micros` less
    """
    reserve = _lock(subject)
    row = ReserveLine.objects.get(reserve=reserve, name=line)
    if row.amount_micros < amount_micros:
        missing = amount_micros - row.amount_micros
        raise InsufficientFunds(
            f"the line {line} lacks {money.show(missing, reserve.account.currency)}",
            missing_micros=missing,
            currency=reserve.account.currency,
        )
    return _move(reserve, row, -amount_micros)


@transaction.atomic
def release_all_but(subject: str, kept_micros: int, lines: Mapping[str, int] | None = None) -> int:
    """Give back everything above this much, from one line after the other; return how much it was.

    lines  what stays in each of these at least: spent from it, or still to be
    """
    reserve = _lock(subject)
    rest = released = max(0, balance(subject) - kept_micros)
    for line in reserve.lines.order_by("-name"):
        stays = (lines or {}).get(line.name, 0)
        if part := min(rest, max(0, line.amount_micros - stays)):
            _move(reserve, line, -part)
            rest -= part
    return released


@transaction.atomic
def shift(subject: str, amount_micros: int, line: str, to: str) -> None:
    """Count so much of one line, or all of it where it is less, to another from now on; no money moves."""
    reserve = _lock(subject)
    row = ReserveLine.objects.get(reserve=reserve, name=line)
    other, _ = ReserveLine.objects.get_or_create(reserve=reserve, name=to, defaults={"amount_micros": 0})
    part = min(amount_micros, row.amount_micros)
    ReserveLine.objects.filter(pk=row.pk).update(amount_micros=F("amount_micros") - part)
    ReserveLine.objects.filter(pk=other.pk).update(amount_micros=F("amount_micros") + part)


def balance(subject: str) -> int:
    """What is still set aside, in micros."""
    return Reserve.objects.select_related("account").get(subject=subject).account.balance_micros


def standing(subject: str) -> Standing:
    """What was spent and what is left, at one moment: what was set aside and not returned stands in the lines."""
    lines = Reserve.objects.filter(subject=subject).annotate(aside=Sum("lines__amount_micros"))
    aside, left = lines.values_list("aside", F("account__credits_micros") - F("account__debits_micros")).get()
    return Standing(spent_micros=(aside or 0) - left, left_micros=left)


def prepaid_of(account: Account) -> Account:
    """Where what is set aside in this account of a reserve came from."""
    return ledger.account(
        Account.Kind.PREPAID, organisation=account.organisation, currency=account.currency, mode=account.mode
    )


def _lock(subject: str) -> Reserve:
    """The reserve, locked: the number of its postings is the key of the next."""
    reserves = Reserve.objects.select_related("account__organisation").select_for_update(no_key=True, of=("self",))
    return reserves.get(subject=subject)


def _move(reserve: Reserve, line: ReserveLine, amount_micros: int) -> Entry:
    """Move an amount from the prepayment into the line; a negative one back."""
    account, prepaid = reserve.account, prepaid_of(reserve.account)
    reserve.postings += 1
    reserve.save(update_fields=["postings"])
    ReserveLine.objects.filter(pk=line.pk).update(amount_micros=F("amount_micros") + amount_micros)
    key = f"reserve:{reserve.subject}:{reserve.postings}"
    if amount_micros < 0:
        return ledger.post("release", key, (account, prepaid, -amount_micros))
    return ledger.post("reserve", key, (prepaid, account, amount_micros))
