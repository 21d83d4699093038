"""Refusals as RFC 9457 problems; the only place that knows which kind is which HTTP status."""

import errno
import logging
import sys
from typing import Any

from django.core.exceptions import PermissionDenied, RequestDataTooBig
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from django.views.defaults import server_error
from rest_framework import exceptions
from rest_framework.response import Response

from marketplace.core.errors import Conflict, DomainError, Forbidden, Invalid, NotFound, TooManyRequests

STATUS: dict[type[DomainError], int] = {
    Invalid: 422,
    Forbidden: 403,
    NotFound: 404,
    Conflict: 409,
    TooManyRequests: 429,
}
MEDIA_TYPE = "application/problem+json"
FULL = (errno.ENOSPC, errno.EDQUOT)
SOON_S = 5
UNAVAILABLE = "the site cannot keep anything at this moment; see in a few seconds whether what you sent has arrived"
log = logging.getLogger("django.request")


def status(error: DomainError) -> int:
    """The HTTP status of this refusal's kind."""
    return next(number for kind, number in STATUS.items() if isinstance(error, kind))


def respond(exc: Exception, context: dict[str, Any]) -> Response | None:
    """Answer a refusal as a problem; None for anything else, which is a fault of ours."""
    refusal = _as_refusal(exc)
    if refusal:
        return _problem(status(refusal), refusal.code, refusal.title, refusal.detail, refusal.facts)
    if isinstance(exc, RequestDataTooBig):
        return _problem(413, "too-large", "More was sent than is taken here", "send less at once", {})
    if isinstance(exc, exceptions.APIException):
        return _of_framework(exc)
    if is_outage(exc):
        log.error("%s: unavailable", context["request"].path, exc_info=exc)
        return _problem(503, "unavailable", "Not now", UNAVAILABLE, {"retry_after_s": SOON_S})
    return None


def is_outage(exc: BaseException | None) -> bool:
    """Whether the database or a disk cannot do it now, and may soon."""
    if isinstance(exc, OSError):
        return exc.errno in FULL
    return isinstance(exc, (OperationalError, InterfaceError))


def fault(request: HttpRequest) -> HttpResponse:
    """The page for what went wrong outside of the API: an outage is over soon, anything else is a fault of ours."""
    if not is_outage(sys.exc_info()[1]):
        return server_error(request)
    page = server_error(request, "503.html")
    page.status_code, page.headers["Retry-After"] = 503, str(SOON_S)
    return page


def outside(number: int, code: str, detail: str, **facts: Any) -> JsonResponse:
    """A problem for what is refused outside of the API's views."""
    answer = _problem(number, code, code.replace("-", " ").capitalize(), detail, facts)
    return JsonResponse(answer.data, status=number, content_type=MEDIA_TYPE)


def listed(detail: Any, path: str = "") -> list[dict[str, str]]:
    """Each message of a serializer's nested errors with its path, as `terms.page_size` or `scopes[0]`."""
    if isinstance(detail, dict):
        found = [listed(part, _under(path, key)) for key, part in detail.items()]
    elif isinstance(detail, list):
        found = [listed(part, path if isinstance(part, str) else f"{path}[{n}]") for n, part in enumerate(detail)]
    else:
        return [{"path": path, "code": str(getattr(detail, "code", "invalid")), "message": str(detail)}]
    return [error for part in found for error in part]


def _under(path: str, key: Any) -> str:
    if key == "non_field_errors":
        return path
    if isinstance(key, int):
        return f"{path}[{key}]"
    return f"{path}.{key}" if path else str(key)


def _as_refusal(exc: Exception) -> DomainError | None:
    """What frameworks raise for the kinds we have ourselves, as ours."""
    match exc:
        case DomainError():
            return exc
        case exceptions.ValidationError():
            return Invalid(errors=listed(exc.detail))
        case Http404() | exceptions.NotFound():
            return NotFound()
        case exceptions.PermissionDenied():
            return Forbidden(str(exc.detail))
        case PermissionDenied():
            return Forbidden()
    return None


def _of_framework(exc: exceptions.APIException) -> Response:
    """What the framework itself refuses: no key, wrong method, unreadable body, too many requests."""
    headers: dict[str, str] = {}
    facts: dict[str, Any] = {}
    if challenge := getattr(exc, "auth_header", None):
        headers["WWW-Authenticate"] = challenge
    if wait := getattr(exc, "wait", None):
        facts["retry_after_s"] = int(wait)
        headers["Retry-After"] = str(int(wait))
    code = exc.default_code.replace("_", "-")
    return _problem(exc.status_code, code, code.replace("-", " ").capitalize(), str(exc.detail), facts, headers)


def _problem(
    number: int, code: str, title: str, detail: str, facts: dict[str, Any], headers: dict[str, str] | None = None
) -> Response:
    body = {**facts, "type": f"/problems/{code}", "title": title, "status": number, "detail": detail}
    if "retry_after_s" in facts:
        headers = {**(headers or {}), "Retry-After": str(facts["retry_after_s"])}
    return Response(body, status=number, headers=headers, content_type=MEDIA_TYPE)
