"""Signing in, signing up and the letters that belong to it: no more often than a person needs.

Nobody locks another one out for long. Who fails is refused at his own address first, so that it takes many addresses,
for as long as it shall last, to lock an account for everybody. Then, too, whoever is signed in stays so, keys go on
working, and a new password, by the letter that goes to the owner alone, begins the count anew.
"""

from collections.abc import Callable
from typing import Any

from allauth.account.adapter import DefaultAccountAdapter, get_adapter
from allauth.account.internal.flows.reauthentication import did_recently_reauthenticate
from django.contrib.auth.base_user import AbstractBaseUser
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from marketplace.core import clients, limits, problems
from marketplace.core.errors import TooManyRequests

ADDRESSES = ("/accounts/", "/_allauth/")
SAFE = ("GET", "HEAD", "OPTIONS")
ASKED_FOR = ("account/email/password_reset_key", "account/email/unknown_account")


class Adapter(DefaultAccountAdapter):
    """Counts in the database what django-allauth would count in each process for itself."""

    def get_client_ip(self, request: HttpRequest) -> str:
        return clients.address(request)

    def authenticate(self, request: HttpRequest, **credentials: Any) -> AbstractBaseUser | None:
        """Counted as a failure before the password is looked at, so that tries at the same moment all count."""
        counted = failures(request, str(credentials.get("email", "")))
        for what, *whom in counted:
            limits.spend(what, *whom)
        user: AbstractBaseUser | None = super().authenticate(request, **credentials)
        if user:
            for what, *whom in counted:
                limits.give_back(what, *whom)
        return user

    def set_password(self, user: Any, password: str) -> None:
        super().set_password(user, password)
        for what, *whom in failures(self.request, user.email):
            limits.forgive(what, *whom)

    def send_mail(self, template_prefix: str, email: str, context: dict[str, Any]) -> None:
        """Send no more letters to an address than its owner can want; only who asks for one is told."""
        try:
            limits.spend("letter", email.lower())
        except TooManyRequests:
            if template_prefix in ASKED_FOR:
                raise
            return  # the links of letters sent before still work
        super().send_mail(template_prefix, email, context)


def is_themself(request: HttpRequest, password: str) -> bool:
    """Whether who is signed in has shown it again: by this password, or lately in the way they sign in.

    A wrong password counts as a failure to sign in.
    raises  TooManyRequests
    """
    user: Any = request.user
    if user.has_usable_password():
        return bool(get_adapter(request).reauthenticate(user, password))
    return bool(did_recently_reauthenticate(request))


class Limit:
    """Count what a client sends to the addresses of signing in, and tell every refusal for that as what it is."""

    def __init__(self, get_response: Callable[[HttpRequest], HttpResponse]) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.method not in SAFE and request.path_info.startswith(ADDRESSES):
            try:
                limits.spend("sign-in", clients.address(request))
            except TooManyRequests as refusal:
                return refused(request, refusal)
        return self.get_response(request)

    def process_exception(self, request: HttpRequest, error: Exception) -> HttpResponse | None:
        return refused(request, error) if isinstance(error, TooManyRequests) else None


def failures(request: HttpRequest, email: str) -> list[tuple[str, ...]]:
    """As what it counts when somebody fails to sign in to this account from there."""
    tried = email.lower()
    return [("failed-sign-in", tried, clients.address(request)), ("failed-sign-in-anywhere", tried)]


def refused(request: HttpRequest, refusal: TooManyRequests) -> HttpResponse:
    """A page for people, a problem for programs."""
    if request.path_info.startswith("/accounts/"):
        response = render(request, "429.html", refusal.facts, status=429)
    else:
        response = problems.outside(429, refusal.code, refusal.detail, **refusal.facts)
    response["Retry-After"] = str(refusal.facts["retry_after_s"])
    return response
