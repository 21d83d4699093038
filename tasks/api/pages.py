"""Leases as JSON: the hot answers, written without reading the JSON they hold."""

from datetime import datetime
from typing import Any

import msgspec
from django.http import HttpResponse

from tasks import assignments, terms
from tasks.models import Assignment

NULL = msgspec.Raw(b"null")


class Task(msgspec.Struct):
    position: int
    payload: msgspec.Raw
    state: str
    value: msgspec.Raw


class Page(msgspec.Struct):
    """What `PageSerializer` describes."""

    id: str
    project: str
    batch: str
    purpose: str
    state: str
    claimed_at: datetime
    leased_until: datetime
    submitted_at: datetime | None
    active_s: int
    guideline_version: int
    price_micros: int
    currency: str
    score: float | None
    schema: Any
    tasks: list[Task]
    draft: Any


class Receipt(msgspec.Struct):
    """What `ReceiptSerializer` describes."""

    id: str
    state: str
    submitted_at: datetime | None
    active_s: int
    score: float | None
    refused: list[int]
    next: Page | None


class Kept(msgspec.Struct):
    """What `LeaseSerializer` describes."""

    leased_until: datetime
    active_s: int


def page(lease: Assignment) -> HttpResponse:
    """A lease with all that is needed to do it; 201 where a claim has just made it."""
    return answer(shown(lease), 201 if lease.is_new else 200)


def shown(lease: Assignment) -> Page:
    agreed = terms.of(lease.batch_id)
    return Page(
        id=lease.public_id,
        project=agreed.project_id,
        batch=agreed.batch_id,
        purpose=lease.purpose,
        state=lease.state,
        claimed_at=lease.claimed_at,
        leased_until=lease.leased_until,
        submitted_at=lease.submitted_at,
        active_s=lease.active_s,
        guideline_version=lease.guideline_version,
        price_micros=assignments.price_micros(lease),
        currency=agreed.currency,
        score=lease.score,
        schema=agreed.schema,
        tasks=[
            Task(seat.position, _raw(seat.payload), seat.state, _raw(seat.value) if seat.value else NULL)
            for seat in assignments.seats_of(lease)
        ],
        draft=lease.draft,
    )


def receipt(lease: Assignment, following: Assignment | None) -> HttpResponse:
    """That a page was handed in, what of it came too late, and the one that follows."""
    return answer(
        Receipt(
            id=lease.public_id,
            state=lease.state,
            submitted_at=lease.submitted_at,
            active_s=lease.active_s,
            score=lease.score,
            refused=lease.refused,
            next=shown(following) if following else None,
        )
    )


def answer(said: msgspec.Struct, status: int = 200) -> HttpResponse:
    return HttpResponse(msgspec.json.encode(said), status=status, content_type="application/json")


def _raw(text: str) -> msgspec.Raw:
    return msgspec.Raw(text.encode())
