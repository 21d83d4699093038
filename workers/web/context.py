"""What every page knows of the person who is signed in."""

from collections.abc import Callable
from typing import Any

from django.http import HttpRequest

from workers import notices as verbs


def notices(request: HttpRequest) -> dict[str, Any]:
    """How many notices are unread, as the navigation says it; asked only by a template that shows it."""
    user = getattr(request, "user", None)
    return {"unread_notices": _unread(user)} if user and user.is_authenticated else {}


def _unread(user: Any) -> Callable[[], str]:
    def words() -> str:
        count = verbs.unread(user)
        return f"{verbs.UNREAD_COUNTED - 1}+" if count == verbs.UNREAD_COUNTED else str(count or "")

    return words
