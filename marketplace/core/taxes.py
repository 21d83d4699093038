"""Taxes that are included in amounts: which apply where, and how much of an amount each is."""

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any

from marketplace.core import money

FEES, EVERYTHING = "fees", "everything"
WHO = ("everybody", "with_tax_id", "without_tax_id")
DEFAULT = "*"  # where a country has no lines of its own, or is not known


@dataclass(frozen=True)
class Tax:
    """One line of tax as the operator states it."""

    name: str
    rate_bp: int
    on: str = EVERYTHING
    payer: str = "everybody"
    note: str = ""


@dataclass(frozen=True)
class Included:
    """What of a document is tax: of each tax its base and amount, and of each line its part."""

    bases: list[int]
    amounts: list[int]
    parts: list[int]


def read(stated: Any) -> dict[str, list[Tax]]:
    """Lines of tax by country from {"DE": [{"name": "VAT", "rate_bp": 1900}]}; ValueError for anything else."""
    if not isinstance(stated, dict):
        raise ValueError('expected {"DE": [{"name": "VAT", "rate_bp": 1900}], "*": []}')
    for country in stated:
        if not (country == DEFAULT or (len(country) == 2 and country.isascii() and country.isupper())):
            raise ValueError(f"{country!r}: expected a country as DE, or *")
    return {country: [_tax(country, line) for line in lines] for country, lines in stated.items()}


def of(lines: dict[str, list[Tax]], country: str, has_tax_id: bool) -> list[Tax]:
    """The taxes for a payer of this country."""
    payers = ("everybody", "with_tax_id" if has_tax_id else "without_tax_id")
    return [tax for tax in lines.get(country, lines.get(DEFAULT, [])) if tax.payer in payers]


def included(amounts: Sequence[int], are_fees: Sequence[bool], taxes: Sequence[Tax], currency: str) -> Included:
    """Take the taxes out of amounts that include them.

    All tax of a document is rounded once, half up, to whole minor units; it is split between taxes in minor units
    and between lines in micros by largest remainder, so that the parts sum to the whole.
    """
    unit = money.unit_micros(currency)
    rates = {is_fee: sum(tax.rate_bp for tax in taxes if is_fee or tax.on != FEES) for is_fee in (True, False)}
    nets = [
        Fraction(amount * money.BASIS_POINTS, money.BASIS_POINTS + rates[is_fee])
        for amount, is_fee in zip(amounts, are_fees, strict=True)
    ]
    bases = [
        sum((net for net, is_fee in zip(nets, are_fees, strict=True) if is_fee or tax.on != FEES), Fraction(0))
        for tax in taxes
    ]
    exact = [base * tax.rate_bp / money.BASIS_POINTS for base, tax in zip(bases, taxes, strict=True)]
    units = int((sum(exact, Fraction(0)) / unit + Fraction(1, 2)) // 1)
    return Included(
        bases=[int((base + Fraction(1, 2)) // 1) for base in bases],
        amounts=[part * unit for part in money.apportion(units, exact)],
        parts=money.apportion(units * unit, [amount - net for amount, net in zip(amounts, nets, strict=True)]),
    )


def _tax(country: str, line: Any) -> Tax:
    try:
        tax = Tax(**line)
    except TypeError as error:
        raise ValueError(f"{country}: expected name, rate_bp, and maybe on, payer, note") from error
    known = isinstance(tax.name, str) and tax.name and isinstance(tax.note, str) and type(tax.rate_bp) is int
    if not (known and 0 <= tax.rate_bp <= money.BASIS_POINTS and tax.on in (EVERYTHING, FEES) and tax.payer in WHO):
        raise ValueError(f"{country}: {line!r} is no line of tax")
    return tax
