"""Lists by key: page 1,000 costs what page 1 does, and rows that come or go meanwhile are neither doubled nor lost."""

import base64
import binascii
import hmac
from collections.abc import Iterable
from typing import Any, Protocol, Self, TypeVar

from django.utils.crypto import salted_hmac
from rest_framework.pagination import BasePagination
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.views import APIView

from marketplace.core.errors import Invalid

Row = TypeVar("Row", covariant=True)
DEFAULT, MOST = 50, 200
PARAMETERS = [
    {
        "name": "limit",
        "in": "query",
        "description": "How many at most.",
        "schema": {"type": "integer", "minimum": 1, "maximum": MOST, "default": DEFAULT},
    },
    {
        "name": "after",
        "in": "query",
        "description": "The `next` of the page before.",
        "schema": {"type": "string"},
    },
]


class Rows(Protocol[Row]):
    """What a page is read from: a query, or what is narrowed, ordered and cut like one."""

    def filter(self, *, pk__gt: int = ..., pk__lt: int = ...) -> Self: ...

    def order_by(self, key: str, /) -> Self: ...

    def __getitem__(self, page: slice, /) -> Iterable[Row]: ...


class Keyset(BasePagination):
    """Newest first, or oldest first where the view says `keyset = "pk"`."""

    def paginate_queryset(self, queryset: Any, request: Request, view: APIView | None = None) -> list[Any]:
        """The rows after `?after=`, at most `?limit=` of them."""
        rows = queryset.order_by(getattr(view, "keyset", "-pk"))
        if after := request.query_params.get("after"):
            past = "pk__gt" if getattr(view, "keyset", "-pk") == "pk" else "pk__lt"
            rows = rows.filter(**{past: unseal(after)})
        limit = _limit(request.query_params.get("limit", str(DEFAULT)))
        page = list(rows[: limit + 1])
        self.next = seal(page[limit - 1].pk) if len(page) > limit else None
        return page[:limit]

    def get_paginated_response(self, data: Any) -> Response:
        return Response({"items": data, "next": self.next})

    def get_paginated_response_schema(self, schema: dict[str, Any]) -> dict[str, Any]:
        following = {"type": ["string", "null"], "description": "Give it as `after` to go on; null: this was the last."}
        properties = {"items": schema, "next": following}
        return {"type": "object", "required": ["items", "next"], "properties": properties}

    def get_schema_operation_parameters(self, view: APIView) -> list[dict[str, Any]]:
        return PARAMETERS


def seal(pk: int) -> str:
    """The key as others see it: it tells nothing, and only we can make one."""
    raw = pk.to_bytes(8, "big")
    tag = _mac("tag", raw)
    return base64.urlsafe_b64encode(tag + _xor(raw, _mac("mask", tag))).decode().rstrip("=")


def unseal(token: str) -> int:
    """The key that was sealed; Invalid for anything else."""
    try:
        raw = base64.urlsafe_b64decode(f"{token}==".encode("ascii"))
    except (binascii.Error, UnicodeEncodeError):
        raw = b""
    tag, hidden = raw[:8], _xor(raw[8:], _mac("mask", raw[:8]))
    if len(raw) != 16 or not hmac.compare_digest(tag, _mac("tag", hidden)):
        error = {"path": "after", "code": "unknown", "message": "give the `next` of the page before as it is"}
        raise Invalid("this is not the `next` of a page", errors=[error])
    return int.from_bytes(hidden, "big")


def _limit(text: str) -> int:
    if not (text.isascii() and text.isdigit() and len(text) < 5 and 1 <= int(text) <= MOST):
        error = {"path": "limit", "code": "range", "message": f"give a whole number from 1 to {MOST}"}
        raise Invalid("the limit is not valid", errors=[error])
    return int(text)


def _mac(purpose: str, raw: bytes) -> bytes:
    return salted_hmac(f"marketplace.paging.{purpose}", raw, algorithm="sha256").digest()[:8]


def _xor(left: bytes, right: bytes) -> bytes:
    return bytes(a ^ b for a, b in zip(left, right, strict=False))
