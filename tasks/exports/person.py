"""All that is recorded about a person, for that person: streamed, a block of rows at a time.

Hidden checks stay hidden: evidence is counted by day, known answers and agreement with others as one kind, and no
answer says whether it was a check.
"""

from collections.abc import Iterable, Iterator
from typing import Any

import msgspec
from django.db import connection
from django.db.models import QuerySet

from marketplace.core import clock, paging
from marketplace.models import User
from payments import balances
from payments.moves import Moves
from tasks.exports.csv import amount, table
from tasks.exports.jsonl import BLOCK_BYTES
from tasks.models import Answer, Decision, TimeSheet
from workers import profiles
from workers.models import Acknowledgement, Notice, Reliability, SelfDescription, Standing, Worker

JSON_TYPE = "application/json"
CSV_TYPE = "text/csv; charset=utf-8"
STEP = 1_000
ANSWERS_HEADER = ["handed_in", "project", "organisation", "answer", "state", "value", "price", "currency", "is_paid"]
PAY_HEADER = ["when", "what", "amount", "currency", "mode", "payable_from"]

# Known answers and agreement as one kind, no matter which it was; by day, so that no single answer is told by its time
EVIDENCE = """
SELECT (e.created_at AT TIME ZONE 'UTC')::date, CASE e.kind WHEN 'gold' THEN 'check' WHEN 'consensus' THEN 'check'
       ELSE e.kind END, count(*), count(v.id)
FROM tasks_evidence e LEFT JOIN tasks_evidencevoid v ON v.evidence_id = e.id
WHERE e.worker_id = %s AND e.project_id = %s GROUP BY 1, 2 ORDER BY 1, 2
"""

Row = dict[str, Any]


def write_json(user: User) -> Iterator[bytes]:
    """One JSON object: a list for each kind of thing that is kept, in blocks of many rows."""
    worker = profiles.of(user)
    sections: dict[str, Iterable[Row]] = {
        "addresses": _addresses(user),
        "memberships": _memberships(user),
        "api_keys": _keys(user),
        "pages": _pages(worker),
        "answers": answers(worker),
        "decisions": _decisions(worker),
        "evidence": _evidence(worker),
        "accuracy": _accuracy(worker),
        "grants": _grants(worker),
        "acknowledgements": _acknowledgements(worker),
        "standings": _standings(worker),
        "notices": _notices(user),
        "money": money(user),
        "payouts": _payouts(user),
        "top_ups": _plain(worker.top_ups.all(), "public_id", "amount_micros", "facts", "created_at"),
        "time": _time(worker),
        "bonuses": _plain(worker.bonuses.all(), "public_id", "amount_micros", "reason", "given_at"),
        "payout_accounts": _payout_accounts(user),
        "records_from_elsewhere": _foreign(worker),
        "about_me": _plain(SelfDescription.objects.filter(worker=worker), "question", "choice", "consented_at"),
    }
    encoder = msgspec.json.Encoder()
    block = bytearray(b'{"taken_at":' + encoder.encode(clock.now()) + b',"profile":' + encoder.encode(_profile(worker)))
    for name, rows in sections.items():
        block += f',\n"{name}":['.encode()
        for place, row in enumerate(rows):
            block += b",\n" if place else b"\n"
            encoder.encode_into(row, block, -1)
            if len(block) >= BLOCK_BYTES:
                yield bytes(block)
                block.clear()
        block += b"]"
    yield bytes(block + b"}\n")


def write_answers(user: User) -> Iterator[bytes]:
    """The answers as a table for spreadsheets."""

    def cells(row: Row) -> list[Any]:
        value = msgspec.json.encode(row["value"]).decode()
        named = [row["submitted_at"].isoformat(), row["project"], row["organisation"], row["id"], row["state"], value]
        return [*named, amount(row["price_micros"]), row["currency"], "yes" if row["is_paid"] else "no"]

    return table(ANSWERS_HEADER, map(cells, answers(profiles.of(user))))


def write_pay(user: User) -> Iterator[bytes]:
    """What came into the earnings and went out, as a table for spreadsheets."""

    def cells(row: Row) -> list[Any]:
        kind = [row["currency"], row["mode"], row["payable_from"]]
        return [row["at"].isoformat(), row["kind"], amount(row["amount_micros"]), *kind]

    return table(PAY_HEADER, map(cells, money(user)))


def answers(worker: Worker) -> Iterator[Row]:
    """Every answer handed in, practice among them, oldest first."""
    handed_in = Answer.objects.filter(worker=worker, submitted_at__isnull=False)
    for row in by_key(handed_in.select_related("assignment", "batch__project__organisation")):
        project = row.batch.project
        yield {
            "id": row.public_id,
            "project": project.title,
            "organisation": project.organisation.name,
            "purpose": row.assignment.purpose,
            "state": row.state,
            "value": row.value,
            "submitted_at": row.submitted_at,
            "price_micros": row.price_micros,
            "currency": row.batch.currency,
            "is_paid": row.entry_id is not None,
        }


def money(user: User) -> Iterator[Row]:
    """Every amount into the person's earnings or out of them, account by account, oldest first.

    What is payable from a later day stands in an account of that day first.
    """
    for account in user.accounts.filter(kind__in=balances.OWED).order_by("pk"):
        for row in by_key(Moves([account.pk], related=("entry",))):
            sign = 1 if row.credit_id == account.pk else -1
            yield {
                "at": row.created_at,
                "kind": row.entry.kind,
                "amount_micros": sign * row.amount_micros,
                "currency": row.currency,
                "mode": row.mode,
                "payable_from": account.subject,
            }


def by_key(rows: paging.Rows[Any], step: int = STEP) -> Iterator[Any]:
    """All of these rows by their key, so many at a time in memory; nothing is held open in between."""
    after = 0
    while block := list(rows.filter(pk__gt=after).order_by("pk")[:step]):
        yield from block
        after = block[-1].pk


def _profile(worker: Worker) -> Row:
    user = worker.user
    return {
        "id": user.public_id,
        "worker": worker.public_id,
        "email": user.email,
        "name": user.name,
        "signed_up_at": user.date_joined,
        "last_signed_in_at": user.last_login,
        "working_since": worker.joined_at,
        "country": worker.country,
        "languages": worker.languages,
        "stated_of_age_at": worker.of_age_at,
        "state": worker.state,
    }


def _addresses(user: User) -> Iterator[Row]:
    own: Any = user.emailaddress_set  # type: ignore[attr-defined]
    return _plain(own.all(), "email", "verified", "primary")


def _memberships(user: User) -> Iterator[Row]:
    for row in by_key(user.memberships.select_related("organisation")):
        yield {"organisation": row.organisation.name, "role": row.role, "since": row.created_at}


def _keys(user: User) -> Iterator[Row]:
    return _plain(user.api_keys.all(), "name", "scopes", "created_at", "expires_at", "revoked_at")


def _pages(worker: Worker) -> Iterator[Row]:
    columns = ("public_id", "purpose", "state", "guideline_version", "claimed_at", "submitted_at", "active_s", "score")
    return _plain(worker.assignments.all(), *columns, "draft")


def _decisions(worker: Worker) -> Iterator[Row]:
    columns = (
        "public_id",
        "kind",
        "state",
        "reason_code",
        "reason",
        "facts",
        "decided_at",
        "contestable_until",
        "until",
    )
    appeal = ("state", "statement", "opened_at", "due_at", "decided_at", "reason")
    for row in by_key(Decision.objects.told().filter(worker=worker).select_related("appeal", "answer__assignment")):
        contested = getattr(row, "appeal", None)
        yield {
            **_cells(row, columns),
            "answer": row.answer.public_id if row.answer else None,
            "appeal": _cells(contested, appeal) if contested else None,
        }


def _evidence(worker: Worker) -> Iterator[Row]:
    """How many answers were judged, by project, day and kind; of some of them it no longer counts."""
    for measured in by_key(Reliability.objects.filter(worker=worker).select_related("project")):
        with connection.cursor() as sql:
            sql.execute(EVIDENCE, [worker.pk, measured.project_id])
            found = sql.fetchall()  # as long as the days worked there
        for day, kind, judged, void in found:
            yield {"project": measured.project.title, "day": day, "kind": kind, "judged": judged, "void": void}


def _accuracy(worker: Worker) -> Iterator[Row]:
    for row in by_key(Reliability.objects.filter(worker=worker).select_related("project")):
        columns = ("judged", "accuracy", "accuracy_p05", "accuracy_p95", "updated_at")
        yield {"project": row.project.title, **_cells(row, columns)}


def _grants(worker: Worker) -> Iterator[Row]:
    for row in by_key(worker.grants.select_related("qualification")):
        columns = ("score", "granted_at", "expires_at", "revoked_at")
        yield {"qualification": row.qualification.name, **_cells(row, columns)}


def _acknowledgements(worker: Worker) -> Iterator[Row]:
    for row in by_key(Acknowledgement.objects.filter(worker=worker).select_related("project")):
        yield {"project": row.project.title, "guideline_version": row.version, "at": row.at}


def _standings(worker: Worker) -> Iterator[Row]:
    for row in by_key(Standing.objects.filter(worker=worker).select_related("project", "organisation")):
        where = row.project.title if row.project else row.organisation.name if row.organisation else "everywhere"
        yield {"where": where, **_cells(row, ("kind", "page_size", "since", "until", "lifted_at"))}


def _notices(user: User) -> Iterator[Row]:
    return _plain(Notice.objects.filter(user=user), "kind", "subject", "text", "link", "created_at", "read_at")


def _payouts(user: User) -> Iterator[Row]:
    return _plain(
        user.payouts.all(), "public_id", "amount_micros", "currency", "mode", "state", "failure", "created_at"
    )


def _time(worker: Worker) -> Iterator[Row]:
    sheets = TimeSheet.objects.filter(worker=worker)
    return _plain(sheets, "answers", "work_s", "tests", "test_s", "reading_s", "paid_micros", "topped_micros")


def _payout_accounts(user: User) -> Iterator[Row]:
    return _plain(
        user.payout_accounts.all(), "provider_id", "mode", "state", "country", "missing", "created_at", "seen_at"
    )


def _foreign(worker: Worker) -> Iterator[Row]:
    return _plain(worker.foreign_records.all(), "issuer", "subject", "facts", "issued_at", "verified_at", "expires_at")


def _plain(rows: "QuerySet[Any]", *columns: str) -> Iterator[Row]:
    for row in by_key(rows):
        yield _cells(row, columns)


def _cells(row: Any, columns: Iterable[str]) -> Row:
    """These columns, the public id under the name that the API has for it."""
    return {("id" if name == "public_id" else name): getattr(row, name) for name in columns}
