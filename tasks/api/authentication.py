"""The short-lived token of the hot endpoints: signed, read without the database, gone within a minute."""

from typing import Any

from django.conf import settings
from django.core import signing
from drf_spectacular.extensions import OpenApiAuthenticationExtension
from rest_framework import exceptions
from rest_framework.authentication import BaseAuthentication
from rest_framework.request import Request

from workers.models import Worker

PREFIX = "mht_"
SIGNER = signing.TimestampSigner(salt="access-token")


def issue(worker: Worker) -> str:
    return PREFIX + SIGNER.sign(f"{worker.pk}.{worker.user_id}")


class TokenUser:
    """Whom an access token names; enough for the hot endpoints, nothing more."""

    is_authenticated = True
    is_active = True
    is_staff = False

    def __init__(self, worker: int, user: int) -> None:
        self.worker = Worker(pk=worker, user_id=user)
        self.pk = user


class AccessTokenAuthentication(BaseAuthentication):
    """`Authorization: Bearer mht_…`, at most settings.ACCESS_TOKEN_S old."""

    def authenticate(self, request: Request) -> tuple[Any, Any] | None:
        header = request.headers.get("Authorization", "")
        if not header.startswith(f"Bearer {PREFIX}"):
            return None
        try:
            named = SIGNER.unsign(header[len(f"Bearer {PREFIX}") :], max_age=settings.ACCESS_TOKEN_S)
        except signing.BadSignature:
            raise exceptions.AuthenticationFailed("the access token is invalid or over; ask for another") from None
        worker, user = map(int, named.split("."))
        return TokenUser(worker, user), None

    def authenticate_header(self, request: Request) -> str:
        return "Bearer"


class AccessTokenScheme(OpenApiAuthenticationExtension):
    """How the description names these tokens."""

    target_class = AccessTokenAuthentication
    name = "AccessToken"

    def get_security_definition(self, auto_schema: Any) -> dict[str, Any]:
        return {"type": "http", "scheme": "bearer", "description": "A short-lived token: `mht_…`"}
