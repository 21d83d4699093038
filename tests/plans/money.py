"""An account with any number of transfers, made by SQL, and the looks at it that people take."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import connection, transaction
from django.db.models import Sum
from django.test import Client

from marketplace.core import clock
from marketplace.models import Organisation, User
from payments import balances, invoices, ledger, months, statements
from payments.models import Account, InvoiceLine, Month, Transfer
from tasks import filings, paid_for
from tests import make
from tests.conftest import signed_in
from tests.payments import made
from tests.plans import plans
from workers import profiles

A_SETTLEMENT = 25  # transfers of one entry
MONTHS = 24  # over which they lie, and which are closed and invoiced
OLDER = 25  # one transfer in so many, the first ones, went to somebody who has stopped since
A_STEP = 1_000_000  # transfers that are counted at once
ENTRIES = """INSERT INTO payments_entry (kind, key, facts, created_at)
    SELECT 'settlement', 'plan:' || n, '{}', %(begin)s + n * (%(end)s - %(begin)s) / %(entries)s
    FROM generate_series(0, %(entries)s - 1) n RETURNING id"""
MADE = """INSERT INTO payments_transfer (entry_id, debit_id, credit_id, amount_micros, currency, mode, created_at)
    SELECT e.id, %(debit)s, own[1 + n %% 2], 1000, 'USD', 'sandbox', e.created_at
    FROM generate_series(1, %(count)s) n
    CROSS JOIN LATERAL (SELECT CASE WHEN n <= %(early)s THEN %(stopped)s::bigint[] ELSE %(person)s END AS own) paid
    JOIN payments_entry e ON e.id = %(entry)s + (n - 1) / %(each)s ORDER BY n"""
TOTALS = """UPDATE payments_account SET credits_micros = credits_micros + %(micros)s,
    debits_micros = debits_micros + CASE WHEN kind = 'reserve' THEN %(micros)s ELSE 0 END WHERE id = %(account)s"""
ANALYSED = ("transfer", "entry", "movement", "monthtotal", "account", "month", "invoice", "invoiceline")


@dataclass(frozen=True)
class Stage:
    """An organisation's account from which people were paid, and who reads about it."""

    organisation: Organisation
    account: Account
    person: User
    stopped: User
    clients: dict[str, Client]  # signed in as: owner, person, stopped, admin


def begin() -> Stage:
    """The accounts; nothing has moved between them yet."""
    _run("SET CONSTRAINTS ALL IMMEDIATE")
    with connection.cursor() as sql:
        sql.execute(
            "SELECT conname FROM pg_constraint WHERE contype = 'f' AND conrelid = 'payments_transfer'::regclass"
        )
        for (name,) in sql.fetchall():  # a million rows checked two times three would take a minute
            sql.execute(f'ALTER TABLE payments_transfer DROP CONSTRAINT "{name}"')
    account = made.reserve(1, "batch:7").account
    home, person, stopped = account.organisation, make.user("wes"), make.user("olga")
    for one in (person, stopped):
        ledger.account("earnings", user=one, **made.USD)
        ledger.account("pending", user=one, organisation=home, subject="2026-12-01", **made.USD)
        profiles.of(one)
    people = {"owner": make.owner(home), "person": person, "stopped": stopped, "admin": make.user("ada", staff=True)}
    return Stage(home, account, person, stopped, {name: signed_in(one) for name, one in people.items()})


@contextmanager
def history(stage: Stage, count: int) -> Iterator[None]:
    """So many transfers over two years, counted, closed and invoiced; all is taken back."""
    with transaction.atomic():
        _move(stage, count)
        _analyse()
        while months.count(clock.now(), limit=A_STEP) or Month.objects.filter(closed_at=None).count() > 1:
            pass
        while invoices.issue():
            pass
        _analyse()
        yield
        transaction.set_rollback(True)


def _move(stage: Stage, count: int) -> None:
    early, entries = count // OLDER, -(-count // A_SETTLEMENT)
    paid = {
        name: list(Account.objects.filter(user=user).order_by("pk").values_list("pk", flat=True))
        for name, user in (("person", stage.person), ("stopped", stage.stopped))
    }
    begin, end = _span()
    facts = {"begin": begin, "end": end, "entries": entries, "each": A_SETTLEMENT, "count": count, "early": early}
    with connection.cursor() as sql:
        sql.execute(ENTRIES, facts)
        first = min(pk for (pk,) in sql.fetchall())
    _run(MADE, **facts, **paid, entry=first, debit=stage.account.pk)
    for accounts, moved in (([stage.account.pk], count), (paid["person"], count - early), (paid["stopped"], early)):
        for account in accounts:
            _run(TOTALS, account=account, micros=1000 * moved // len(accounts))


def _analyse() -> None:
    for table in ANALYSED:
        _run(f"ANALYZE payments_{table}")


def _span() -> tuple[datetime, datetime]:
    """The months before the last one that is over."""
    this = clock.now().replace(day=1, hour=0, minute=0, second=0, microsecond=0)
    end = (this - timedelta(days=1)).replace(day=1)
    return end.replace(year=end.year - MONTHS // 12), end


def _run(sql: str, **values: Any) -> None:
    with connection.cursor() as cursor:
        cursor.execute(sql, values or None)


def _middle(stage: Stage) -> object:
    first = Transfer.objects.filter(debit=stage.account).order_by("pk").values_list("pk", flat=True)[0]
    newest = Transfer.objects.filter(debit=stage.account).order_by("-pk").values_list("pk", flat=True)[0]
    return balances.transfers(stage.account, (first + newest) // 2)


def _month(place: int) -> Month:
    """Of those over which the transfers lie: 0 is the first, -1 the last."""
    return list(Month.objects.filter(begins_at__lt=_span()[1]).order_by("begins_at"))[place]


def _line(place: int) -> InvoiceLine:
    return InvoiceLine.objects.select_related("invoice__month", "invoice__organisation", "reserve").get(
        invoice__month=_month(place), what="settlement"
    )


def _page(who: str, address: Callable[[Stage], str]) -> Callable[[Stage], bytes]:
    """What somebody gets at an address."""

    def look(stage: Stage) -> bytes:
        response = stage.clients[who].get(address(stage))
        assert response.status_code == 200, (address(stage), response.status_code)
        return b"".join(response) if response.streaming else response.content

    return look


CONTROL = "all of them added up"
LOOKS: dict[str, Callable[[Stage], Any]] = {
    "an account": lambda stage: Account.objects.get(pk=stage.account.pk).balance_micros,
    "what an organisation has": lambda stage: balances.of_organisation(stage.organisation),
    "what a person has earned": lambda stage: balances.of_user(stage.person),
    "the newest transfers": lambda stage: balances.transfers(stage.account),
    "transfers from the middle on": _middle,
    "of who has stopped": lambda stage: balances.transfers(stage.stopped.accounts.order_by("pk")[0]),
    "an old month": lambda stage: statements.of_month(stage.person, _month(2).first_day),
    "a new month": lambda stage: statements.of_month(stage.person, _month(-1).first_day),
    "a year": lambda stage: statements.of_year(stage.person, _month(12).first_day.year),
    "all months": lambda stage: statements.months_of(stage.person),
    "what is invoiced": lambda stage: invoices.spent(_month(-1), stage.organisation),
    "how it was paid": lambda stage: invoices.prepaid(_line(-1).invoice),
    "amounts behind a line": lambda stage: list(paid_for.transfers(_line(2)).order_by("-pk")[:26]),
    "what is filed": lambda stage: list(filings.workers(_month(12).first_day.year)),
    "fees": lambda stage: filings.fees(_month(12).first_day.year),
    "the page of earnings": _page("person", lambda stage: "/earnings/"),
    "earnings, having stopped": _page("stopped", lambda stage: "/earnings/"),
    "amounts by program": _page("person", lambda stage: "/api/v1/earnings/transfers?limit=25"),
    "by program, having stopped": _page("stopped", lambda stage: "/api/v1/earnings/transfers?limit=25"),
    "the page of statements": _page("person", lambda stage: "/earnings/statements/"),
    "the page of an old month": _page("person", lambda stage: f"/earnings/months/{_month(2)}/"),
    "the page of a new month": _page("person", lambda stage: f"/earnings/months/{_month(-1)}/"),
    "its amounts": _page("person", lambda stage: f"/earnings/months/{_month(-1)}/amounts/"),
    "an old month's amounts": _page("person", lambda stage: f"/earnings/months/{_month(2)}/amounts/"),
    "the first month, stopped": _page("stopped", lambda stage: f"/earnings/months/{_month(0)}/amounts/"),
    "the page of a year": _page("person", lambda stage: f"/earnings/years/{_month(12).first_day.year}/"),
    "a year as a table": _page("person", lambda stage: f"/earnings/years/{_month(12).first_day.year}/statement.csv"),
    "the page of invoices": _page("owner", lambda stage: f"/organisations/{stage.organisation.public_id}/invoices/"),
    "the page of an invoice": _page("owner", lambda stage: f"/invoices/{_line(-1).invoice.public_id}/"),
    "the page of a line": _page(
        "owner", lambda stage: f"/invoices/{_line(-1).invoice.public_id}/lines/{_line(-1).position}/"
    ),
    "the page of filings": _page("admin", lambda stage: "/filings/"),
    "the table that is filed": _page("admin", lambda stage: f"/filings/{_month(12).first_day.year}/workers.csv"),
}
COUNTED = {CONTROL: lambda stage: Transfer.objects.filter(debit=stage.account).aggregate(Sum("amount_micros"))}


def cost(stage: Stage, name: str) -> plans.Cost:
    """What one of these looks touches, once the catalogue is known."""
    look = {**LOOKS, **COUNTED}[name]
    look(stage)
    return plans.of(lambda: look(stage))
