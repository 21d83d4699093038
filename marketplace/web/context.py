"""What every page knows."""

from typing import Any

from django.conf import settings
from django.http import HttpRequest


def site(request: HttpRequest) -> dict[str, Any]:
    return {
        "play_money": settings.MODE == "sandbox",
        "test_money": settings.MODE == "test",
        "mail_folder": ".data/mail" if settings.EMAIL_BACKEND.endswith("filebased.EmailBackend") else "",
    }
