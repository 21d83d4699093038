"""Pay floors of the operator: the least an hour is to pay, by country and currency."""

import json
import re
from pathlib import Path
from typing import Any

from marketplace.core.money import DECIMALS, MICROS

ANYWHERE = "*"  # countries without a floor of their own in that currency, and workers whose country is not known
# Statutory minimum wages of 2026, whole country (of Japan the mean of its regions), adults.
# Elsewhere there is no floor until the operator sets one.
USUAL = "US=7.25USD DE=13.90EUR FR=12.02EUR GB=12.71GBP JP=1121JPY"

Floors = dict[str, dict[str, int]]  # country -> currency -> micros an hour


def read(text: str) -> Floors:
    """Floors from words as "US=7.25USD/h *=5EUR/h", or from the JSON file they name: {"US": {"USD": "7.25"}}.

    raises  ValueError  for anything else
    """
    if text.endswith(".json"):
        try:
            said = json.loads(Path(text).read_text())
        except OSError as error:
            raise ValueError(f"{text}: {error}") from error
        return _checked(said)
    found: dict[str, dict[str, str]] = {}
    for word in filter(None, re.split(r"[,\s]+", text)):
        parts = re.fullmatch(r"([A-Z]{2}|\*)=(\d[\d.]*)([A-Z]{3})(?:/h)?", word)
        if not parts:
            raise ValueError(f"{word!r}: expected a country, an amount and a currency, as US=7.25USD/h")
        country, amount, currency = parts.groups()
        if currency in found.setdefault(country, {}):
            raise ValueError(f"{word!r}: {country} has two floors in {currency}")
        found[country][currency] = amount
    return _checked(found)


def _checked(said: Any) -> Floors:
    if not isinstance(said, dict) or not all(isinstance(of, dict) for of in said.values()):
        raise ValueError('expected an object as {"US": {"USD": "7.25"}}')
    for country in said:
        if not re.fullmatch(r"[A-Z]{2}|\*", country):
            raise ValueError(f"{country!r}: expected a country as US, or * for all others")
    return {country: {name: _micros(name, amount) for name, amount in of.items()} for country, of in said.items()}


def _micros(currency: str, amount: Any) -> int:
    if currency not in DECIMALS:
        raise ValueError(f"{currency!r}: expected one of {', '.join(DECIMALS)}")
    parts = re.fullmatch(r"(\d{1,6})(?:\.(\d{1,6}))?", amount if isinstance(amount, str) else "", re.ASCII)
    if not parts:
        raise ValueError(f'{amount!r}: expected an amount an hour as "7.25"')
    return int(parts[1]) * MICROS + int((parts[2] or "").ljust(6, "0"))
