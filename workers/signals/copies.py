"""Longer texts that are nearly the same: a worker's own on different tasks, and those of two workers on one task."""

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import combinations
from typing import Any
from zlib import crc32

from rapidfuzz import fuzz
from scipy.stats import binom

from marketplace.labels.text import normal

LONG = 40  # characters of its normal form that a text needs to be compared
ALIKE = 90.0  # of 100: nearly the same
WORDS = 3  # in a row, of which two texts that are compared must share some
SKETCH = 4  # of these, kept of each text
BLOCK = 30  # texts that are compared with each other, at most
TEXTS_LEAST = 5  # of a worker, or of two together
WEIGHT = 5.0  # texts that the others' habit is worth


@dataclass(slots=True)
class Copied:
    """One worker, or two.

    compared  longer texts (or tasks with one of each)
    copied    those of them that are nearly the same as another
    expected  the share that is copied by everybody else here
    p         the chance of as many among as many at that share
    rows      pairs of places among the texts, the first few
    """

    compared: int = 0
    copied: int = 0
    expected: float = 0.0
    p: float = 1.0
    rows: list[tuple[int, int]] = field(default_factory=list)


def own(worker: Sequence[int], task: Sequence[int], texts: Sequence[str]) -> dict[int, Copied]:
    """Of each worker with enough longer texts, how many are nearly another of theirs on a different task."""
    forms = {place: form for place, text in enumerate(texts) if len(form := normal(text)) >= LONG}
    by_worker: dict[int, list[int]] = defaultdict(list)
    for place in forms:
        by_worker[worker[place]].append(place)
    found = {}
    for one, places in by_worker.items():
        pairs = [pair for pair in _alike(places, forms) if task[pair[0]] != task[pair[1]]]
        found[one] = Copied(len(places), len({place for pair in pairs for place in pair}), rows=pairs[:20])
    return _judged(found)


def between(worker: Sequence[int], task: Sequence[int], texts: Sequence[str]) -> dict[tuple[int, int], Copied]:
    """Of each two workers with enough longer texts on the same tasks, how often they are nearly the same."""
    forms = {place: form for place, text in enumerate(texts) if len(form := normal(text)) >= LONG}
    by_task: dict[int, list[int]] = defaultdict(list)
    for place in forms:
        by_task[task[place]].append(place)
    found: dict[tuple[int, int], Copied] = defaultdict(Copied)
    for places in by_task.values():
        for a, b in combinations(sorted(places[:BLOCK], key=lambda place: worker[place]), 2):
            if worker[a] == worker[b]:
                continue
            pair = found[worker[a], worker[b]]
            pair.compared += 1
            if fuzz.ratio(forms[a], forms[b], score_cutoff=ALIKE):
                pair.copied += 1
                pair.rows = [*pair.rows, (a, b)][:20]
    return _judged(found)


def same(texts: Sequence[str]) -> list[int]:
    """A code for each text, the same one for texts that are equal or nearly so; -1: it is like no other, or empty.

    Nearly: longer ones that differ in few letters and in no number; of shorter ones a letter may be all that matters.
    """
    forms = {place: form for place, text in enumerate(texts) if len(form := normal(text)) >= LONG}
    first: dict[str, int] = {}
    parent = list(range(len(texts)))

    def root(place: int) -> int:
        while parent[place] != place:
            parent[place] = place = parent[parent[place]]
        return place

    for place, text in enumerate(texts):
        parent[place] = first.setdefault(" ".join(text.casefold().split()), place)
    for a, b in _alike([place for place in forms if parent[place] == place], forms):
        if _numbers(texts[a]) == _numbers(texts[b]):
            parent[root(b)] = root(a)
    roots = [root(place) if text.strip() else -1 for place, text in enumerate(texts)]
    often = Counter(roots)
    return [code if code >= 0 and often[code] > 1 else -1 for code in roots]


def _numbers(text: str) -> list[str]:
    return re.findall(r"\d+", text)


def _judged(found: dict[Any, Copied]) -> dict[Any, Copied]:
    """Those with enough to compare, each beside what all others do: where the right answer is one text, all copy."""
    compared = sum(one.compared for one in found.values())
    copied = sum(one.copied for one in found.values())
    kept = {key: one for key, one in found.items() if one.compared >= TEXTS_LEAST}
    for one in kept.values():
        others = compared - one.compared
        one.expected = (copied - one.copied + WEIGHT * 0.02) / (others + WEIGHT)
        one.p = float(binom.sf(one.copied - 1, one.compared, one.expected)) if one.copied else 1.0
    return kept


def _alike(places: list[int], forms: dict[int, str]) -> list[tuple[int, int]]:
    """Pairs of these texts that are nearly the same, among those that share a rare run of words."""
    blocks: dict[int, list[int]] = defaultdict(list)
    for place in places:
        for key in _sketch(forms[place]):
            blocks[key].append(place)
    candidates = {pair for block in blocks.values() for pair in combinations(block[:BLOCK], 2)}
    return sorted(pair for pair in candidates if fuzz.ratio(forms[pair[0]], forms[pair[1]], score_cutoff=ALIKE))


def _sketch(form: str) -> list[int]:
    words = form.split()
    runs = {" ".join(words[at : at + WORDS]) for at in range(max(len(words) - WORDS + 1, 1))}
    return sorted(crc32(run.encode()) for run in runs)[:SKETCH]
