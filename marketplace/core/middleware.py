"""What stands before every view."""

import codecs
import logging
import os
import re
import time
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse, UnreadablePostError
from django.urls import resolve

from marketplace.core import logs, problems

Answer = Callable[[HttpRequest], HttpResponse]
SANE_ID = re.compile(r"[A-Za-z0-9._-]{1,64}", re.ASCII)
FOR_WATCHERS = ("/healthz", "/readyz", "/metrics")

log = logging.getLogger("request")


def note_request(get_response: Answer) -> Answer:
    """Name each request in the answer's X-Request-ID and in the log; never who sent it, from where, or what it said."""

    def answer(request: HttpRequest) -> HttpResponse:
        began = time.perf_counter()
        sent = request.META.get("HTTP_X_REQUEST_ID", "")
        name = sent if SANE_ID.fullmatch(sent) else os.urandom(8).hex()
        logs.REQUEST.set(
            name
        )  # until the next request of this thread: answers are streamed, and faults told, after this
        response = get_response(request)
        response["X-Request-ID"] = name
        if log.isEnabledFor(logging.INFO):
            found = request.resolver_match
            facts = {
                "method": request.method,
                "route": found.route if found else None,
                "status": response.status_code,
                "ms": round((time.perf_counter() - began) * 1000, 1),
            }
            log.info("request", extra={"facts": facts})
        return response

    return answer


def answer_watchers(get_response: Answer) -> Answer:
    """Answer those who watch the site under any name and without TLS: they ask each machine, not the site."""

    def answer(request: HttpRequest) -> HttpResponse:
        if request.path_info not in FOR_WATCHERS:
            return get_response(request)
        request.resolver_match = resolve(request.path_info)
        return request.resolver_match.func(request)

    return answer


def say_policy(get_response: Answer) -> Answer:
    """Tell browsers what a page of ours may load and run; a view that needs another policy says so itself."""

    def answer(request: HttpRequest) -> HttpResponse:
        response = get_response(request)
        response.headers.setdefault("Content-Security-Policy", settings.CONTENT_SECURITY_POLICY)
        return response

    return answer


class RefuseUnkeepable:
    """Answer 400 or 415 to what no text in the database can hold: NUL characters, encodings other than UTF-8.

    And to bodies that did not come to their end.
    """

    def __init__(self, get_response: Answer) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if "\0" in request.path or "%00" in request.META.get("QUERY_STRING", ""):
            return problems.outside(400, "bad-request", "an address cannot hold a NUL character")
        if not _is_utf8((request.content_params or {}).get("charset", "utf-8")):
            return problems.outside(415, "unsupported-media-type", "send UTF-8")
        return self.get_response(request)

    def process_view(self, request: HttpRequest, view: Any, *_: object) -> HttpResponse | None:
        """Look into forms; the API, which needs no token of a form, reads its bodies itself."""
        if getattr(view, "csrf_exempt", False) or request.method != "POST":
            return None
        try:
            texts = [text for _, texts in request.POST.lists() for text in texts]
        except UnreadablePostError as error:
            return self.process_exception(request, error)
        if any("\0" in text for text in texts):
            return problems.outside(400, "bad-request", "a form cannot hold a NUL character")
        return None

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        if isinstance(error, UnreadablePostError):
            return problems.outside(400, "bad-request", "the body ended too early, or came too slowly")
        return None


def _is_utf8(charset: str) -> bool:
    try:
        return codecs.lookup(charset).name in ("utf-8", "ascii")
    except (LookupError, ValueError):
        return False
