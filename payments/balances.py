"""Where someone's money stands, currency by currency."""

from collections import Counter
from dataclasses import dataclass, field
from datetime import date

from django.db import connection
from django.db.models import F, Sum

from marketplace.core import money
from marketplace.models import Organisation, User
from payments.models import Account, Payout, Transfer
from payments.moves import ALL, Moves

Kind = tuple[str, str]  # currency, mode
TRANSFERS_READ = 10_000  # of an account, the newest: what a look at its months costs at most

MONTHS = """
SELECT date_trunc('month', t.created_at AT TIME ZONE 'UTC')::date, sum(t.amount_micros)::bigint,
       (SELECT max(found) FROM newest) = %(most)s
FROM newest t JOIN payments_entry e ON e.id = t.entry_id
WHERE e.kind NOT IN ('payout_failed', 'payout_reversed', 'maturity')  -- what came back, or matured, was earned before
GROUP BY 1 ORDER BY 1 DESC
"""
NEWEST = """WITH newest AS MATERIALIZED (
    SELECT t.* FROM unnest(%(accounts)s::bigint[]) account (id) CROSS JOIN LATERAL (
        SELECT entry_id, amount_micros, created_at, count(*) OVER () AS found
        FROM (SELECT * FROM payments_transfer WHERE credit_id = account.id ORDER BY id DESC LIMIT %(most)s) top) t)"""
OWED = [Account.Kind.EARNINGS, Account.Kind.PENDING]


@dataclass(frozen=True)
class Balance:
    """What an organisation has paid: not yet reserved, reserved but not spent, and on its way back."""

    currency: str
    mode: str
    prepaid_micros: int
    reserved_micros: int
    refunding_micros: int


@dataclass(frozen=True)
class Pending:
    """What was earned and is payable from a day: the payment behind it may be taken back until then."""

    payable_from: date
    amount_micros: int


@dataclass(frozen=True)
class Earning:
    """What a person has earned, and where it is: balance = earned - paid - in transit - pending."""

    currency: str
    mode: str
    earned_micros: int
    paid_micros: int
    in_transit_micros: int
    balance_micros: int
    pending: list[Pending] = field(default_factory=list)

    @property
    def pending_micros(self) -> int:
        return sum(row.amount_micros for row in self.pending)

    @property
    def available_micros(self) -> int:
        """The part of the balance that a payout can move."""
        return money.whole_minor_units(self.balance_micros, self.currency)


@dataclass(frozen=True)
class Month:
    """What was earned in a month (UTC) of one currency and mode."""

    month: date  # its first day
    currency: str
    mode: str
    earned_micros: int
    is_part: bool  # its first days are beyond what is read at a time


def months(user: User, most: int = TRANSFERS_READ) -> list[Month]:
    """What this person earned, month by month, newest first, as far back as so many transfers of an account reach."""
    found = []
    for (currency, mode), accounts in _owed(user).items():
        with connection.cursor() as sql:
            sql.execute(NEWEST + MONTHS, {"accounts": [account.pk for account in accounts], "most": most})
            rows = sql.fetchall()
        found += [
            Month(month, currency, mode, micros, is_cut and place == len(rows))
            for place, (month, micros, is_cut) in enumerate(rows, 1)
        ]
    return sorted(found, key=lambda row: row.month, reverse=True)


def transfers(account: Account, before: int | None = None, most: int = 50) -> list[Transfer]:
    """The newest transfers of an account, those before one of them; as quick for a million as for a few."""
    return Moves([account.pk], below=ALL if before is None else before)[:most]


def earned(user: User) -> Moves:
    """What was credited to this person; what matured was credited before."""
    own = user.accounts.filter(kind__in=OWED).values_list("pk", flat=True)
    related = ("entry", "credit", "debit__reserve__project")
    return Moves(list(own), ("credit",), related, with_own=False)


def of_organisation(organisation: Organisation) -> list[Balance]:
    """One balance for each currency and mode in which it has ever paid."""
    account = Account.Kind
    kinds = (account.PREPAID, account.RESERVE, account.REFUNDING)
    sums = (
        organisation.accounts.filter(kind__in=kinds)
        .values("currency", "mode", "kind")
        .annotate(micros=Sum(F("credits_micros") - F("debits_micros")))
        .order_by("currency", "mode")
    )
    found: dict[Kind, dict[str, int]] = {}
    for row in sums:
        found.setdefault((row["currency"], row["mode"]), {})[row["kind"]] = row["micros"]
    return [Balance(*money, *(of.get(kind, 0) for kind in kinds)) for money, of in found.items()]


def of_user(user: User) -> list[Earning]:
    """One for each currency and mode in which this person has ever earned."""
    sums = user.payouts.values("currency", "mode", "state").annotate(micros=Sum("amount_micros"))
    payouts = {(row["currency"], row["mode"], row["state"]): row["micros"] for row in sums.order_by()}
    states = Payout.State
    found = []
    for (currency, mode), accounts in _owed(user).items():
        paid, requested, in_review, failed, reversed_ = (
            payouts.get((currency, mode, state), 0)
            for state in (states.PAID, states.REQUESTED, states.REVIEW, states.FAILED, states.REVERSED)
        )
        credited = sum(one.credits_micros for one in accounts if one.kind == Account.Kind.EARNINGS)
        balance = sum(one.balance_micros for one in accounts if one.kind == Account.Kind.EARNINGS)
        pending = _pending(accounts)
        # what a payout put back was credited a second time; what is payable by now is no longer pending
        earned = credited - failed - reversed_ + sum(row.amount_micros for row in pending)
        found.append(Earning(currency, mode, earned, paid, requested + in_review, balance, pending))
    return found


def _owed(user: User) -> dict[Kind, list[Account]]:
    """The accounts in which something is owed to this person, or was."""
    found: dict[Kind, list[Account]] = {}
    for account in user.accounts.filter(kind__in=OWED).order_by("currency", "mode", "pk"):
        found.setdefault((account.currency, account.mode), []).append(account)
    return found


def _pending(accounts: list[Account]) -> list[Pending]:
    """By day, the earliest first, whatever organisations it comes from."""
    by_day: Counter[str] = Counter()
    for account in accounts:
        if account.kind == Account.Kind.PENDING and account.balance_micros:
            by_day[account.subject] += account.balance_micros
    return [Pending(date.fromisoformat(day), micros) for day, micros in sorted(by_day.items())]
