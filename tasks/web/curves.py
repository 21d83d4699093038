"""Lines through points, and where they stand; the template draws them."""

import dataclasses
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from django.template.loader import render_to_string

NAME_ROW, PLOT = 14.0, 200.0  # heights: of a name, which stand above, and of the plot
WHOLE_FROM = 20.0  # amounts, which need no tenths then
Named = Mapping[str, Sequence[tuple[float, float]]]
INKS = (("#b04a00", "5 3"), ("#0b6bcb", ""), ("#1a7f37", "2 3"))  # of curves: colours, and dashes for who sees none


@dataclass(frozen=True)
class Curve:
    """One line through its dots."""

    name: str
    dots: list[tuple[float, float]]
    number: int

    @property
    def path(self) -> str:
        return " ".join(f"{x},{y}" for x, y in self.dots)

    @property
    def colour(self) -> str:
        return INKS[self.number % len(INKS)][0]

    @property
    def dashes(self) -> str:
        return INKS[self.number % len(INKS)][1]

    @property
    def name_y(self) -> float:
        return 16 + NAME_ROW * self.number


@dataclass(frozen=True)
class Curves:
    """Shares, from bottom to top, by amounts, from left to right."""

    curves: list[Curve]
    across: list[tuple[float, str]]
    up: list[tuple[float, str]]
    top: float
    bottom: float
    left: float = 50.0
    right: float = 380.0
    width: float = 400

    @property
    def height(self) -> float:
        return self.bottom + 42


def curves(named: Named, *, of_shares: bool = False) -> Curves:
    """A line for each name through its points: an amount from 0, and a share; the scale of shares begins near them.

    of_shares  amounts are shares, too, on the same scale
    """
    top = 14 + NAME_ROW * len(named)
    shown = Curves([], [], [], top, top + PLOT)
    points = [point for line in named.values() for point in line]
    shares = [share for _, share in points] + ([amount for amount, _ in points] if of_shares else [])
    least = math.floor(10 * min(shares, default=0.0)) / 10
    first, last = (least, 1.0) if of_shares else (0.0, max((amount for amount, _ in points), default=1.0) or 1.0)

    def place(amount: float, share: float) -> tuple[float, float]:
        x = shown.left + (shown.right - shown.left) * (amount - first) / (last - first or 1.0)
        return round(x, 1), round(shown.bottom - (shown.bottom - shown.top) * (share - least) / (1.0 - least or 1.0), 1)

    lines = [Curve(name, [place(*one) for one in sorted(line)], n) for n, (name, line) in enumerate(named.items())]
    amounts = (first, (first + last) / 2, last)
    across = [(place(amount, 0)[0], _percent(amount) if of_shares else _amount(amount, last)) for amount in amounts]
    up = [(place(0, share)[1], _percent(share)) for share in (least, (1 + least) / 2, 1.0)]
    return dataclasses.replace(shown, curves=[line for line in lines if line.dots], across=across, up=up)


def _amount(amount: float, last: float) -> str:
    return f"{amount:.0f}" if last >= WHOLE_FROM else f"{amount:.1f}"


def _percent(share: float) -> str:
    return f"{share * 100:.0f} %"


def draw(
    title: str, across: str, named: Mapping[str, Sequence[tuple[float, float]]], *, of_shares: bool = False
) -> str:
    """The picture as an SVG file of its own."""
    facts = {"title": title, "across": across, "picture": curves(named, of_shares=of_shares)}
    return render_to_string("tasks/pictures/curves.svg", facts)
