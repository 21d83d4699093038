"""Where the marks of the picture of groups and their shares stand; the template draws them."""

from dataclasses import dataclass

from tasks.bias import Comparison
from tasks.web.scale import across, percents, short

LEFT, RIGHT, TOP, ROW = 120.0, 380.0, 28.0, 22.0
LABELS_MOST, GROUPS_MOST, NAME_MOST = 8, 8, 17


@dataclass(frozen=True)
class Mark:
    """How often one group gave a label: a dot, and a stroke where all others stand on the same tasks."""

    group: str
    y: float
    share: float
    others: float
    words: str

    @property
    def base(self) -> float:
        return self.y + 4

    @property
    def top(self) -> float:
        return self.y - 7

    @property
    def bottom(self) -> float:
        return self.y + 7

    @property
    def start(self) -> float:
        return min(self.share, self.others)

    @property
    def end(self) -> float:
        return max(self.share, self.others)


@dataclass(frozen=True)
class Block:
    """A label with its groups."""

    name: str
    base: float
    marks: list[Mark]


@dataclass(frozen=True)
class GroupDots:
    """Labels one below the other, in each the groups, on a scale from 0 to 100 %."""

    blocks: list[Block]
    height: float
    ticks: list[tuple[float, str]]
    is_cut: bool
    top: float = TOP
    width: float = 400

    @property
    def bottom(self) -> float:
        return self.height - 8


def group_dots(comparison: Comparison) -> GroupDots | None:
    """The labels that were given most, with the first groups of each; None: there is nothing to draw."""
    groups = [group for group in comparison.groups if any(share.share is not None for share in group.shares)]
    if not groups:
        return None
    rows = range(len(groups[0].shares))
    often = sorted(rows, key=lambda row: -sum((group.shares[row].others or 0) for group in groups))[:LABELS_MOST]
    y, blocks = TOP, list[Block]()
    for row in sorted(often):
        head, marks = y + ROW * 0.7, list[Mark]()
        for group in groups[:GROUPS_MOST]:
            one = group.shares[row]
            if one.share is None or one.others is None:
                continue
            y += ROW
            words = f"{group.title}: {one.share * 100:.0f} %, all others {one.others * 100:.0f} %"
            share, others = across(one.share, LEFT, RIGHT), across(one.others, LEFT, RIGHT)
            marks.append(Mark(short(group.title, NAME_MOST), y + ROW * 0.5, share, others, words))
        y += ROW
        blocks.append(Block(groups[0].shares[row].name, head, marks))
    is_cut = len(rows) > LABELS_MOST or len(groups) > GROUPS_MOST
    return GroupDots(blocks, y + 12, percents(LEFT, RIGHT), is_cut)
