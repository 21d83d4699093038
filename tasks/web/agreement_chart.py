"""Where the marks of pictures of agreement stand; the templates draw them."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from tasks.web.scale import across, short

TENTATIVE, RELIABLE = 0.667, 0.8  # the usual reading, after Krippendorff
TICKS = ((0.0, "0", False), (TENTATIVE, ".667", True), (RELIABLE, ".8", True), (1.0, "1", False))
LEFT, RIGHT, TOP, ROW, NAME_MOST = 96.0, 384.0, 28.0, 26.0, 13

Figure = tuple[float | None, float | None, float | None]  # low, value, high


@dataclass(frozen=True)
class Dot:
    """One alpha: where it stands, and from where to where it may lie."""

    name: str
    y: float
    x: float
    low: float | None
    high: float | None
    is_perspective: bool

    @property
    def width(self) -> float:
        return max((self.high or 0.0) - (self.low or 0.0), 2.0)

    @property
    def top(self) -> float:
        return self.y - 6

    @property
    def base(self) -> float:
        return self.y + 4


@dataclass(frozen=True)
class Dots:
    """Alphas one below the other, on a scale from 0 to 1; ticks say whether the usual reading has a mark there."""

    dots: list[Dot]
    height: float
    ticks: list[tuple[float, str, bool]]
    top: float = TOP
    width: float = 400

    @property
    def bottom(self) -> float:
        return self.height - 8


def dots(rows: Sequence[tuple[str, Figure, bool]]) -> Dots:
    """A dot for each name and alpha, and whether it is of a perspective; what is below 0 stands at 0."""
    found = [
        Dot(
            name=short(name, NAME_MOST),
            y=TOP + ROW * (number + 0.5),
            x=across(value or 0.0, LEFT, RIGHT),
            low=None if low is None else across(low, LEFT, RIGHT),
            high=None if high is None else across(high, LEFT, RIGHT),
            is_perspective=is_perspective,
        )
        for number, (name, (low, value, high), is_perspective) in enumerate(rows)
    ]
    ticks = [(across(share, LEFT, RIGHT), text, is_mark) for share, text, is_mark in TICKS]
    return Dots(found, TOP + ROW * len(found) + 8, ticks)


@dataclass(frozen=True)
class Point:
    """Alpha of a period, with its interval if that is known."""

    x: float
    y: float
    low: float | None
    high: float | None


@dataclass(frozen=True)
class Course:
    """Alpha from period to period: a line that breaks where it is not known."""

    points: list[Point]
    lines: list[str]
    ticks: list[tuple[float, str, bool]] = field(default_factory=list)
    left: float = 40.0
    right: float = 384.0
    top: float = 12.0
    bottom: float = 152.0
    width: float = 400
    height: float = 178


def course(periods: Sequence[Figure], is_marked: bool = True) -> Course | None:
    """A picture of alpha over time, the oldest first; None: there is nothing to draw a line through.

    is_marked  with the marks of the usual reading
    """
    empty = Course([], [])

    def up(share: float) -> float:
        return across(share, empty.bottom, empty.top)

    step = (empty.right - 16 - empty.left) / max(len(periods) - 1, 1)
    points: list[Point] = []
    lines, line = list[str](), ""
    for number, (low, value, high) in enumerate(periods):
        if value is None:
            lines, line = [*lines, line], ""
            continue
        x = round(empty.left + 8 + step * number, 1)
        points.append(Point(x, up(value), None if low is None else up(low), None if high is None else up(high)))
        line += f"{x},{up(value)} "
    ticks = [(up(share), text, is_mark) for share, text, is_mark in TICKS if is_marked or not is_mark]
    return Course(points, [one.strip() for one in [*lines, line] if one], ticks) if len(points) > 1 else None
