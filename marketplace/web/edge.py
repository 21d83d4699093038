"""What pages share: the way in, what becomes of a refusal, the way back, and lists by key."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import wraps
from typing import Any, TypeVar, cast

from django import forms
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db import models
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect
from django.utils.http import url_has_allowed_host_and_scheme
from django.views.decorators.http import require_POST

from marketplace.core import paging
from marketplace.core.errors import DomainError, Invalid
from marketplace.models import User

View = Callable[..., HttpResponse]
Row = TypeVar("Row", bound=models.Model)

PAGE = 25


def person(request: HttpRequest) -> User:
    """Who is signed in; only behind `login_required`."""
    return cast(User, request.user)


def sentence(refusal: DomainError) -> str:
    """The refusal as a person reads it."""
    text = refusal.detail[:1].upper() + refusal.detail[1:]
    return text if text.endswith((".", "!", "?")) else f"{text}."


def action(view: View) -> View:
    """A POST of somebody signed in; a refusal becomes a message on the page they came from."""

    @require_POST
    @login_required
    @wraps(view)
    def guarded(request: HttpRequest, *args: Any, **options: Any) -> HttpResponse:
        try:
            return view(request, *args, **options)
        except DomainError as refusal:
            messages.error(request, sentence(refusal))
            return back(request)

    return guarded


def back(request: HttpRequest) -> HttpResponse:
    """To the page the person came from, if it is ours."""
    came_from = request.headers.get("referer", "")
    ours = url_has_allowed_host_and_scheme(came_from, {request.get_host()}, request.is_secure())
    return redirect(came_from if ours else "home")


def onward(request: HttpRequest, otherwise: str) -> HttpResponse:
    """To the page of ours that `?next=` names, or otherwise to this one."""
    wanted = request.GET.get("next", "")
    return redirect(wanted if url_has_allowed_host_and_scheme(wanted, None) else otherwise)


def seconds(request: HttpRequest) -> int:
    """The active seconds that the page's script has counted; 0 where there was none."""
    text = request.POST.get("active_s", "")
    return int(text) if text.isascii() and text.isdigit() and len(text) < 7 else 0


@contextmanager
def refusals_in(form: forms.BaseForm, places: dict[str, str] | None = None) -> Iterator[None]:
    """Put a refusal into the form: beside the fields its facts name, else above all of them.

    places  the form's name of what a verb calls otherwise
    """
    try:
        yield
    except DomainError as refusal:
        listed = refusal.facts.get("errors") or []
        if not listed:
            form.add_error(None, sentence(refusal))
        for error in listed:
            path = str(error.get("path", ""))
            path = (places or {}).get(path, path)
            if path in form.fields:
                form.add_error(path, error["message"])
            else:
                form.add_error(None, f"{path}: {error['message']}" if path else error["message"])


def page_of(request: HttpRequest, rows: "paging.Rows[Row]", size: int = PAGE) -> dict[str, Any]:
    """One page, newest first, of the rows older than `?after=`; `next` leads to the page behind it."""
    if after := request.GET.get("after"):
        with suppress(Invalid):  # a link that was mangled leads to the first page
            rows = rows.filter(pk__lt=paging.unseal(after))
    found = list(rows.order_by("-pk")[: size + 1])
    query = request.GET.copy()
    if len(found) > size:
        query["after"] = paging.seal(found[size - 1].pk)
        return {"rows": found[:size], "next": query.urlencode()}
    return {"rows": found, "next": ""}
