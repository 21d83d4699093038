"""An account with any number of transfers, made by SQL, and the looks at it that people take."""

from dataclasses import dataclass

from django.db import connection
from django.db.models import Sum

from marketplace.models import Organisation, User
from payments import balances, ledger
from payments.models import Account, Entry, Transfer
from tests import make
from tests.payments import made
from tests.plans import plans

A_SETTLEMENT = 1_000  # transfers of one entry
ENTRIES = """INSERT INTO payments_entry (kind, key, facts, created_at)
    SELECT 'settlement', 'plan:' || %(first)s + n, '{}', now() FROM generate_series(1, %(entries)s) n"""
MADE = """INSERT INTO payments_transfer (entry_id, debit_id, credit_id, amount_micros, currency, mode, created_at)
    SELECT %(entry)s + (n - 1) / %(each)s, %(debit)s, %(credits)s::bigint[][1 + n %% %(people)s], 1, 'USD', 'sandbox',
           now() - interval '1 second' * (%(count)s - n)
    FROM generate_series(1, %(count)s) n"""


@dataclass(frozen=True)
class Stage:
    """An organisation's account from which people were paid, and theirs."""

    organisation: Organisation
    account: Account
    person: User
    credits: list[int]


def begin() -> Stage:
    """The accounts; nothing has moved between them yet."""
    with connection.cursor() as sql:
        sql.execute("SET CONSTRAINTS ALL IMMEDIATE")
        sql.execute(
            "SELECT conname FROM pg_constraint WHERE contype = 'f' AND conrelid = 'payments_transfer'::regclass"
        )
        for (name,) in sql.fetchall():  # a million rows checked two times three would take a minute
            sql.execute(f'ALTER TABLE payments_transfer DROP CONSTRAINT "{name}"')
    home, wes = make.organisation(), make.user("wes")
    people = [wes, *(make.user(f"worker{n}") for n in range(9))]
    earnings = [ledger.account("earnings", user=one, **made.USD) for one in people]
    return Stage(home, made.prepaid(home, 1), wes, [account.pk for account in earnings])


def transfers(stage: Stage, count: int) -> None:
    """So many more transfers, a thousand an entry, with their totals."""
    entries = -(-count // A_SETTLEMENT)
    facts = {"first": Entry.objects.count(), "entries": entries}
    with connection.cursor() as sql:
        sql.execute(ENTRIES, facts)
        sql.execute("SELECT min(id) FROM payments_entry WHERE key > 'plan:' AND id > %s", [_last(stage)])
        moved = {
            **{"entry": sql.fetchone()[0], "each": A_SETTLEMENT, "debit": stage.account.pk, "count": count},
            **{"credits": stage.credits, "people": len(stage.credits)},
        }
        sql.execute(MADE.replace("%(credits)s::bigint[]", "(%(credits)s::bigint[])"), moved)
        sql.execute("ANALYZE payments_transfer")
        sql.execute("ANALYZE payments_entry")


def _last(stage: Stage) -> int:
    """The last entry that has a transfer of this account."""
    newest = Transfer.objects.filter(debit=stage.account).order_by("-pk").values_list("entry", flat=True).first()
    return newest or 0


def _middle(stage: Stage) -> object:
    first = Transfer.objects.filter(debit=stage.account).order_by("pk").values_list("pk", flat=True)[0]
    newest = Transfer.objects.filter(debit=stage.account).order_by("-pk").values_list("pk", flat=True)[0]
    return balances.transfers(stage.account, (first + newest) // 2)


CONTROL = "all of them added up"
LOOKS = {
    "an account": lambda stage: Account.objects.get(pk=stage.account.pk).balance_micros,
    "what an organisation has": lambda stage: balances.of_organisation(stage.organisation),
    "what a person has earned": lambda stage: balances.of_user(stage.person),
    "the newest transfers": lambda stage: balances.transfers(stage.account),
    "transfers from the middle on": _middle,
}
COUNTED = {CONTROL: lambda stage: Transfer.objects.filter(debit=stage.account).aggregate(Sum("amount_micros"))}


def cost(stage: Stage, name: str) -> plans.Cost:
    """What one of these looks touches, once the catalogue is known."""
    look = {**LOOKS, **COUNTED}[name]
    look(stage)
    return plans.of(lambda: look(stage))
