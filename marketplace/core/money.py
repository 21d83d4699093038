"""Money in micros: integers, a millionth of the currency's unit."""

import re
from collections.abc import Sequence
from decimal import Decimal
from fractions import Fraction

from marketplace.core.errors import Invalid

MICROS = 1_000_000
BASIS_POINTS = 10_000
DECIMALS = {"USD": 2, "EUR": 2, "GBP": 2, "CHF": 2, "JPY": 0, "KRW": 0, "BHD": 3, "KWD": 3}  # ISO 4217 minor units


def fee_micros(amount_micros: int, basis_points: int) -> int:
    """The fee on one amount, rounded down, so that n fees are n times one fee."""
    return amount_micros * basis_points // BASIS_POINTS


def shares(amount_micros: int, parts: int) -> list[int]:
    """An amount in so many parts that differ by one micro at most and sum to the whole; the larger come first."""
    each, rest = divmod(amount_micros, parts)
    return [each + (place < rest) for place in range(parts)]


def apportion(whole: int, weights: Sequence[Fraction | int]) -> list[int]:
    """A whole in parts by weight that sum to it: the largest remainders round up, of equal ones the first."""
    weight = sum(weights, Fraction(0))
    if not weight:
        assert not whole, "nothing has a weight, and something is to be given out"
        return [0 for _ in weights]
    exact = [whole * one / weight for one in map(Fraction, weights)]
    parts = [int(one // 1) for one in exact]
    by_rest = sorted(range(len(parts)), key=lambda place: (parts[place] - exact[place], place))
    for place in by_rest[: whole - sum(parts)]:
        parts[place] += 1
    assert sum(parts) == whole
    return parts


def unit_micros(currency: str) -> int:
    """The minor unit of a currency, in micros."""
    return MICROS // 10 ** DECIMALS[currency]


def least_micros(currency: str) -> int:
    """What every amount that is moved is a multiple of, in micros: the minor unit, and never less than hundredths."""
    return max(unit_micros(currency), MICROS // 100)  # of thousandths, card networks want the last to be 0


def whole_minor_units(amount_micros: int, currency: str) -> int:
    """The part of an amount that can be moved, in micros."""
    least = least_micros(currency)
    return amount_micros // least * least


def parse(text: str) -> int:
    """Read "0.05" as 50,000 micros; raise Invalid for anything that is not exactly so many micros."""
    amount = text.strip()
    if not re.fullmatch(r"-?\d{1,12}(\.\d{1,6})?", amount, re.ASCII):
        raise Invalid(f"{amount[:40]!r} is not an amount of money such as 0.05, with at most six decimals")
    return int(Decimal(amount) * MICROS)


def show(amount_micros: int, currency: str) -> str:
    """Write an amount for people: no fewer decimals than the currency has, no more than it needs."""
    sign = "-" if amount_micros < 0 else ""
    whole, rest = divmod(abs(amount_micros), MICROS)
    decimals = f"{rest:06d}".rstrip("0").ljust(DECIMALS.get(currency, 2), "0")
    return f"{sign}{whole:,}{'.' if decimals else ''}{decimals} {currency}"
