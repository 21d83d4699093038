"""Where the marks of a picture stand; the template draws them."""

from collections.abc import Sequence
from dataclasses import dataclass

LEFT, RIGHT, TOP, ROW = 90.0, 380.0, 28.0, 26.0


@dataclass(frozen=True)
class Bar:
    name: str
    y: float
    low: float
    mean: float
    high: float

    @property
    def width(self) -> float:
        return max(self.high - self.low, 1.0)

    @property
    def top(self) -> float:
        return self.y - 6

    @property
    def base(self) -> float:
        return self.y + 4


@dataclass(frozen=True)
class Picture:
    """Accuracies with their intervals, as horizontal bars on a scale from 0 to 100 %."""

    bars: list[Bar]
    height: float
    ticks: list[tuple[float, str]]
    top: float = TOP
    width: float = 400

    @property
    def bottom(self) -> float:
        return self.height - 8


def intervals(rows: Sequence[tuple[str, float, float, float]]) -> Picture:
    """A bar for each name, 5 % bound, mean and 95 % bound; shares from 0 to 1."""
    bars = [
        Bar(name, TOP + ROW * (index + 0.5), _x(low), _x(mean), _x(high))
        for index, (name, low, mean, high) in enumerate(rows)
    ]
    ticks = [(_x(share), f"{share * 100:.0f} %") for share in (0, 0.25, 0.5, 0.75, 1)]
    return Picture(bars, TOP + ROW * len(rows) + 8, ticks)


def _x(share: float) -> float:
    return round(LEFT + (RIGHT - LEFT) * min(max(share, 0.0), 1.0), 1)
