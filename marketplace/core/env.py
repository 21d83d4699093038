"""Strict reading of the environment: what is not understood is refused at start, by name."""

import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar
from urllib.parse import parse_qsl, unquote, urlsplit
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from django.core.exceptions import ImproperlyConfigured

T = TypeVar("T")
YES_NO = {"1": True, "true": True, "yes": True, "0": False, "false": False, "no": False}


def text(name: str, default: str = "") -> str:
    return os.environ.get(name, default).strip()


def words(name: str, default: str = "") -> list[str]:
    return [word for word in re.split(r"[,\s]+", text(name, default)) if word]


def flag(name: str, default: bool = False) -> bool:
    value = text(name).lower()
    if value == "":
        return default
    if value not in YES_NO:
        raise ImproperlyConfigured(f"{name}={value!r}: expected one of {', '.join(YES_NO)}")
    return YES_NO[value]


def one_of(name: str, *values: str) -> str:
    """One of these values; the first where nothing is said."""
    value = text(name, values[0])
    if value not in values:
        raise ImproperlyConfigured(f"{name}={value!r}: expected one of {', '.join(values)}")
    return value


def number(name: str, default: int, least: int = 0, most: int = 2**31) -> int:
    value = text(name)
    if value == "":
        return default
    if not re.fullmatch(r"\d{1,12}", value) or not least <= int(value) <= most:
        raise ImproperlyConfigured(f"{name}={value!r}: expected a whole number from {least} to {most}")
    return int(value)


def countries(name: str, default: str) -> dict[str, frozenset[str]]:
    """Currencies by country, read from words as `US:USD CH:CHF+EUR`."""
    found = {}
    for word in words(name, default):
        country, _, currencies = word.partition(":")
        if not re.fullmatch(r"[A-Z]{2}", country) or not re.fullmatch(r"[A-Z]{3}(\+[A-Z]{3})*", currencies):
            raise ImproperlyConfigured(f"{name}: {word!r}: expected a country and its currencies, as CH:CHF+EUR")
        found[country] = frozenset(currencies.split("+"))
    return found


def database(url: str) -> dict[str, Any]:
    """Django's settings for `postgresql://user:password@host:port/name?option=value`."""
    parts = urlsplit(url)
    if parts.scheme not in ("postgres", "postgresql") or len(parts.path) < 2:
        raise ImproperlyConfigured("DATABASE_URL: expected postgresql://user:password@host:port/name")
    options = dict(parse_qsl(parts.query))
    return {
        "ENGINE": "marketplace.core.postgres",
        "NAME": unquote(parts.path[1:]),
        "USER": unquote(parts.username or ""),
        "PASSWORD": unquote(parts.password or ""),
        "HOST": options.pop("host", unquote(parts.hostname or "")),
        "PORT": str(parts.port or ""),
        "OPTIONS": options,
    }


def time_zone(name: str) -> ZoneInfo:
    """UTC where nothing is said."""
    value = text(name, "UTC")
    try:
        return ZoneInfo(value)
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ImproperlyConfigured(f"{name}={value!r}: expected a time zone as Europe/Berlin") from error


def json_file(name: str, read: Callable[[Any], T], unset: Any) -> T:
    """What `read` makes of the JSON file that is named; `read` raises ValueError for what it does not understand."""
    path = text(name)
    if not path:
        return read(unset)
    try:
        return read(json.loads(Path(path).read_text()))
    except (OSError, ValueError) as error:
        raise ImproperlyConfigured(f"{name}={path!r}: {error}") from error


def parsed(name: str, read: Callable[[str], T]) -> T | None:
    """What `read` makes of a secret; None where it is not set. The refusal does not repeat it."""
    value = text(name)
    try:
        return read(value) if value else None
    except ValueError as error:
        raise ImproperlyConfigured(f"{name}: {error}") from error


def mode_of(key: str) -> str:
    """Which kind of money a secret key of Stripe moves: test or live."""
    if found := re.fullmatch(r"(?:sk|rk)_(test|live)_\w{8,}", key):
        return found[1]
    raise ValueError("expected a secret or restricted key: sk_test_..., sk_live_..., rk_test_... or rk_live_...")


def loopback_url(url: str) -> str:
    """The address of a server on this machine."""
    parts = urlsplit(url)
    if parts.scheme == "http" and parts.hostname in ("127.0.0.1", "localhost", "::1") and parts.port:
        return url.rstrip("/")
    raise ValueError("expected an address of this machine, as http://127.0.0.1:12111")
