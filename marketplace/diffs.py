"""What changed between two texts: lines, and words within lines. Pure, and of bounded cost."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from difflib import SequenceMatcher

COMPARED_MOST = 1_000_000  # of lines with lines, and of words with words; what is beyond is shown as gone and come
CONTEXT = 3  # unchanged lines that are shown around a change
WORD = re.compile(r"\w+|\s+|[^\w\s]")


@dataclass(frozen=True)
class Part:
    kind: str  # same, removed or added
    text: str


@dataclass(frozen=True)
class Line:
    """A line of the one text, the other, or both; a fold stands for several that are the same."""

    kind: str  # same, removed, added, changed or fold
    parts: list[Part] = field(default_factory=list)
    count: int = 1


def lines(before: str, after: str) -> list[Line]:
    """The two texts as one list of lines: same, gone, come, or changed within."""
    old, new = before.splitlines(), after.splitlines()
    start = _alike(old, new)
    end = _alike(old[start:][::-1], new[start:][::-1])
    budget = [COMPARED_MOST]
    found = [_line("same", line) for line in old[:start]]
    for tag, gone, come in _blocks(old[start : len(old) - end], new[start : len(new) - end], budget):
        found += [_line("same", line) for line in gone] if tag == "equal" else _replaced(gone, come, budget)
    found += [_line("same", line) for line in old[len(old) - end :]]
    return list(_folded(found))


def _alike(old: Sequence[str], new: Sequence[str]) -> int:
    """How many lines both begin with."""
    return next((place for place, (a, b) in enumerate(zip(old, new, strict=False)) if a != b), min(len(old), len(new)))


def _blocks(
    old: Sequence[str], new: Sequence[str], budget: list[int]
) -> Iterator[tuple[str, Sequence[str], Sequence[str]]]:
    """Runs that are equal or differ, as far as the budget for comparing goes."""
    budget[0] -= len(old) * len(new)
    if budget[0] < 0:
        budget[0] += len(old) * len(new)
        yield "replace", old, new
        return
    for tag, a, b, c, d in SequenceMatcher(None, old, new).get_opcodes():
        yield tag, old[a:b], new[c:d]


def _replaced(gone: Sequence[str], come: Sequence[str], budget: list[int]) -> list[Line]:
    """Lines that took the place of others: pair by pair where they have words in common."""
    found = []
    paired = min(len(gone), len(come))
    for old, new in zip(gone[:paired], come[:paired], strict=True):
        parts = _words(old, new, budget)
        if any(part.kind == "same" and part.text.strip() for part in parts):
            found.append(Line("changed", parts))
        else:
            found += [_line("removed", old), _line("added", new)]
    return [
        *found,
        *(_line("removed", line) for line in gone[paired:]),
        *(_line("added", line) for line in come[paired:]),
    ]


def _words(old: str, new: str, budget: list[int]) -> list[Part]:
    parts: list[Part] = []
    for tag, gone, come in _blocks(WORD.findall(old), WORD.findall(new), budget):
        if tag == "equal":
            parts.append(Part("same", "".join(gone)))
        else:
            parts += [Part("removed", "".join(gone))] if gone else []
            parts += [Part("added", "".join(come))] if come else []
    return parts


def _line(kind: str, text: str) -> Line:
    return Line(kind, [Part(kind, text)])


def _folded(found: list[Line]) -> Iterator[Line]:
    """The lines with long runs of unchanged ones cut to what stands next to a change."""
    place = 0
    while place < len(found):
        stop = place
        while stop < len(found) and found[stop].kind == "same":
            stop += 1
        if stop == place:
            yield found[place]
            place += 1
            continue
        head = CONTEXT if place else 0
        tail = CONTEXT if stop < len(found) else 0
        hidden = stop - place - head - tail
        if hidden > 1:
            yield from found[place : place + head]
            yield Line("fold", [], hidden)
            yield from found[stop - tail : stop]
        else:
            yield from found[place:stop]
        place = stop
