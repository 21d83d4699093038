"""A POST that is sent twice under one Idempotency-Key has one effect and one answer."""

import functools
import hashlib
import json
from collections.abc import Callable
from datetime import timedelta
from typing import Any, cast

from django.db import transaction
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from marketplace.core import clock
from marketplace.core.errors import Invalid, KeyReused
from marketplace.core.models import Reply

KEPT_FOR = timedelta(days=1)
LONGEST = 128
Method = Callable[..., Response]

HEADER = OpenApiParameter(
    "Idempotency-Key",
    str,
    OpenApiParameter.HEADER,
    description="Any text of your own, new for each thing you want done. Sent again with the same request within a "
    "day, nothing is done twice and the first answer comes again.",
)


def once(method: Method) -> Method:
    """Make a POST safe to repeat; key, effect and answer are kept together or not at all.

    Not for a method whose answer holds a secret: answers are kept for a day.
    """

    @extend_schema(parameters=[HEADER])
    @functools.wraps(method)
    def repeatable(view: Any, request: Request, *args: Any, **options: Any) -> Response:
        if "Idempotency-Key" not in request.headers:
            return method(view, request, *args, **options)
        key, fingerprint = _key(request), _fingerprint(request)
        with transaction.atomic():
            reply, is_new = Reply.objects.get_or_create(
                user_id=cast(int, request.user.pk), key=key, defaults={"fingerprint": fingerprint}
            )
            if not is_new:
                return _again(reply, fingerprint)
            response = method(view, request, *args, **options)
            if 200 <= response.status_code < 300:
                body = JSONRenderer().render(response.data).decode()  # as text, so that its order is kept
                Reply.objects.filter(pk=reply.pk).update(status=response.status_code, body=body)
            else:
                transaction.set_rollback(True)
            return response

    return repeatable


def forget(limit: int = 5_000) -> bool:
    """Delete answers older than a day; True while there are more."""
    old = Reply.objects.filter(created_at__lt=clock.now() - KEPT_FOR).order_by("created_at").values("pk")
    gone, _ = Reply.objects.filter(pk__in=old[:limit]).delete()
    return gone >= limit


def _key(request: Request) -> str:
    key = request.headers["Idempotency-Key"].strip()
    if not (key.isascii() and key.isprintable() and 1 <= len(key) <= LONGEST):
        raise Invalid(f"Idempotency-Key must be 1 to {LONGEST} printable ASCII characters")
    return key


def _fingerprint(request: Request) -> str:
    said = [str(request.method).encode(), request.get_full_path().encode(), request.body]
    return hashlib.sha256(b"\0".join(said)).hexdigest()


def _again(reply: Reply, fingerprint: str) -> Response:
    if reply.fingerprint != fingerprint:
        raise KeyReused("this Idempotency-Key came before with another request")
    return Response(json.loads(reply.body or "null"), status=reply.status, headers={"Idempotent-Replayed": "true"})
