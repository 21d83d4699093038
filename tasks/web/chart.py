"""Where the marks of a picture stand; the template draws them."""

from collections.abc import Sequence
from dataclasses import dataclass

from tasks.fair_pay import Pay
from tasks.web.scale import across, percents, short, within

LEFT, RIGHT, TOP, ROW = 90.0, 380.0, 28.0, 26.0
HEAT_MOST, HEAT_NAME = 12, 11  # labels, letters of each
MARGIN, WIDTH, DOT = 20.0, 360.0, 5.0  # of dots: from the edge, all of them, half of one
SPAN, NAME_MOST = 260.0, 13


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
        Bar(name, TOP + ROW * (index + 0.5), *(across(share, LEFT, RIGHT) for share in (low, mean, high)))
        for index, (name, low, mean, high) in enumerate(rows)
    ]
    return Picture(bars, TOP + ROW * len(rows) + 8, percents(LEFT, RIGHT))


@dataclass(frozen=True)
class Cell:
    """How often two labels stand against each other; the more often, the more opaque."""

    x: float
    y: float
    one: str
    other: str
    pairs: int
    opacity: str


@dataclass(frozen=True)
class HeatMap:
    """Labels by labels; rows have names and numbers, columns numbers."""

    names: list[tuple[int, str, float]]
    cells: list[Cell]
    left: float = LEFT
    side: float = ROW

    @property
    def width(self) -> float:
        return self.left + self.side * len(self.names) + 4

    @property
    def height(self) -> float:
        return TOP + self.side * len(self.names) + 4

    @property
    def columns(self) -> list[tuple[int, float]]:
        """Number and middle of each."""
        return [(number, self.left + self.side * (number - 0.5)) for number, *_ in self.names]


def heat(labels: Sequence[str], pairs: Sequence[Sequence[int]]) -> HeatMap | None:
    """The labels that are confused most, in their order, against each other; None: none is."""
    confused = [place for place, row in enumerate(pairs) if any(row)]
    worst = sorted(sorted(confused, key=lambda place: -sum(pairs[place]))[:HEAT_MOST])
    if not worst:
        return None
    most = max(pairs[a][b] for a in worst for b in worst) or 1
    cells = [
        Cell(
            x=LEFT + ROW * column,
            y=TOP + ROW * row,
            one=labels[a],
            other=labels[b],
            pairs=pairs[a][b],
            opacity=f"{pairs[a][b] / most:.2f}",
        )
        for row, a in enumerate(worst)
        for column, b in enumerate(worst)
        if a != b
    ]
    names = [(row + 1, short(labels[a], HEAT_NAME), TOP + ROW * (row + 0.65)) for row, a in enumerate(worst)]
    return HeatMap(names, cells)


@dataclass(frozen=True)
class Dot:
    x: float
    y: float
    is_hit: bool

    @property
    def left(self) -> float:
        return self.x - DOT

    @property
    def top(self) -> float:
        return self.y - DOT


@dataclass(frozen=True)
class Dots:
    """Workers by accuracy, on a scale from 0 to 100 %; those that are alike stand on each other."""

    dots: list[Dot]
    height: float
    ticks: list[tuple[float, str]]
    top: float = TOP
    width: float = 400
    size: float = 2 * DOT

    @property
    def bottom(self) -> float:
        return self.height - 8


def dots(rows: Sequence[tuple[float, bool]]) -> Dots:
    """A dot for each accuracy from 0 to 1, and whether it is marked; the marked ones lowest."""
    columns: dict[int, int] = {}
    placed = []
    for share, is_hit in sorted(rows, key=lambda row: (not row[1], row[0])):
        column = round(WIDTH * within(share) / (2 * DOT))
        level = columns[column] = columns.get(column, 0) + 1
        placed.append((MARGIN + column * 2 * DOT, level, is_hit))
    height = TOP + max(columns.values(), default=1) * 2 * DOT + 16
    marks = [Dot(round(x, 1), height - 8 - level * 2 * DOT + DOT, is_hit) for x, level, is_hit in placed]
    return Dots(marks, height, percents(MARGIN, MARGIN + WIDTH))


@dataclass(frozen=True)
class Row:
    """One bar from the left, with what stands before and behind it."""

    name: str
    y: float
    width: float
    words: str

    @property
    def top(self) -> float:
        return self.y - 8

    @property
    def base(self) -> float:
        return self.y + 4

    @property
    def end(self) -> float:
        return LEFT + self.width + 6


@dataclass(frozen=True)
class Rows:
    """Bars one below the other, and a line that they are to reach, if any."""

    bars: list[Row]
    height: float
    mark: float | None = None
    left: float = LEFT
    width: float = 400


def counts(said: Sequence[tuple[str, int]]) -> Rows:
    """A bar for what was said, as long as it was often."""
    most = max((times for _, times in said), default=1)
    return _rows([(name, times / most, str(times)) for name, times in said])


def amounts(named: Sequence[tuple[str, int, str]]) -> Rows:
    """A bar for each amount, with how it is written."""
    most = max((micros for _, micros, _ in named), default=1) or 1
    return _rows([(name, max(micros, 0) / most * 0.75, text) for name, micros, text in named])


def shares(named: Sequence[tuple[str, float]], wanted: float) -> Rows:
    """A bar for each share from 0 to 1, with a line at what is wanted."""
    return _rows([(name, share, f"{share * 100:.0f} %") for name, share in named], LEFT + SPAN * wanted)


def _rows(listed: Sequence[tuple[str, float, str]], mark: float | None = None) -> Rows:
    bars = [
        Row(short(name, NAME_MOST), ROW * (index + 0.5), SPAN * share, text)
        for index, (name, share, text) in enumerate(listed)
    ]
    return Rows(bars, ROW * max(1, len(listed)), mark)


@dataclass(frozen=True)
class Line:
    """What a line will probably cost, within what it may cost at most."""

    name: str
    y: float
    expected: float
    most: float

    @property
    def top(self) -> float:
        return self.y - 8

    @property
    def base(self) -> float:
        return self.y + 4


@dataclass(frozen=True)
class Lines:
    bars: list[Line]
    height: float
    left: float = LEFT
    width: float = 400


def lines(named: Sequence[tuple[str, int, int]]) -> Lines:
    """A bar for each name, as long as its most, filled as far as is expected."""
    longest = max((most for *_, most in named), default=1) or 1
    room = RIGHT - LEFT
    bars = [
        Line(name, ROW * (index + 0.5), round(room * expected / longest, 1), round(room * most / longest, 1))
        for index, (name, expected, most) in enumerate(named)
    ]
    return Lines(bars, ROW * max(1, len(named)))


@dataclass(frozen=True)
class HoursPicture:
    """What an hour pays on a scale from nothing: most workers, the interval of the median, the median, the floor."""

    low: float
    high: float
    likely_low: float
    likely_high: float
    median: float
    floor: float | None
    ticks: list[tuple[float, int]]  # where, and how much in micros
    width: float = 400
    height: float = 88

    @property
    def spread(self) -> float:
        return max(self.high - self.low, 1.0)

    @property
    def likely(self) -> float:
        return max(self.likely_high - self.likely_low, 2.0)


def hours(pay: Pay) -> HoursPicture | None:
    """A picture of pay an hour; None: too few have worked."""
    if pay.median_micros is None or pay.low_micros is None or pay.high_micros is None:
        return None
    most = max(pay.spread[9], pay.high_micros, pay.floor_micros, 1) * 1.05

    def at(micros: int) -> float:
        return round(MARGIN + WIDTH * micros / most, 1)

    return HoursPicture(
        low=at(pay.spread[1]),
        high=at(pay.spread[9]),
        likely_low=at(pay.low_micros),
        likely_high=at(pay.high_micros),
        median=at(pay.median_micros),
        floor=at(pay.floor_micros) if pay.floor_micros else None,
        ticks=[(at(round(most * share)), round(most * share)) for share in (0, 1 / 3, 2 / 3)],
    )
