"""Who calls: a program with a key, or a person who signed in; and what a key may do."""

from typing import TYPE_CHECKING, cast

from rest_framework.authentication import BaseAuthentication, get_authorization_header
from rest_framework.exceptions import AuthenticationFailed
from rest_framework.permissions import IsAuthenticated
from rest_framework.request import Request

from marketplace import accounts
from marketplace.models import ApiKey, User

if TYPE_CHECKING:
    from rest_framework.views import APIView  # it imports this module while it is made

REALM = 'Bearer realm="Manyhands"'


class ApiKeyAuthentication(BaseAuthentication):
    """`Authorization: Bearer mh_…`; `request.auth` is the key."""

    def authenticate(self, request: Request) -> tuple[User, ApiKey] | None:
        """The key and its user; None where no key was sent, so that other ways to sign in have their turn."""
        scheme, _, secret = get_authorization_header(request).decode("latin-1").partition(" ")
        secret = secret.strip()
        if scheme.lower() != "bearer" or not secret.startswith(accounts.KEY_PREFIX):
            return None
        key = accounts.key_owner(secret)
        if key is None:
            raise AuthenticationFailed("this key is unknown, has expired or was revoked")
        return key.user, key

    def authenticate_header(self, request: Request) -> str:
        return REALM


class HasScope(IsAuthenticated):
    """Signed in, and where a key was used, it has `view.scope`; None: any key will do."""

    message = "this key does not have the scope for this"

    def has_permission(self, request: Request, view: "APIView") -> bool:
        if not super().has_permission(request, view):
            return False
        scope = view.scope  # type: ignore[attr-defined]
        return not isinstance(request.auth, ApiKey) or scope is None or scope in request.auth.scopes


class IsPerson(IsAuthenticated):
    """Signed in without a key: a key must not make keys that can do more than it."""

    message = "sign in yourself for this; a key cannot do it"

    def has_permission(self, request: Request, view: "APIView") -> bool:
        return super().has_permission(request, view) and not isinstance(request.auth, ApiKey)


def person(request: Request) -> User:
    """Who calls; only behind one of the permissions above."""
    return cast(User, request.user)
