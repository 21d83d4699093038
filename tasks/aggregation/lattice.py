"""Answers in words, laid side by side: the columns that are voted on."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from rapidfuzz.distance import Levenshtein
from rapidfuzz.process import cdist

from tasks.aggregation.votes import Ints

Codes = list[int]


@dataclass(frozen=True, slots=True)
class Lattice:
    """Slots of tasks, each with one word, or none, of every answer to its task.

    slot    int[E]  where an entry stands; ascending within an answer
    answer  int[E]  whose it is
    place   int[E]  which word it is, counted through all answers in turn; -1 = none
    task    int[S]  the task of each slot
    """

    slot: Ints
    answer: Ints
    place: Ints
    task: Ints


def medoid(answers: Sequence[Sequence[Hashable]]) -> int:
    """Which answer the others could be turned into with the fewest words changed; of equal ones the first."""
    if len(answers) < 3:
        return 0
    return int(cdist(answers, answers, scorer=Levenshtein.distance).sum(axis=1).argmin())


def aligned(answers: Sequence[Codes], task: Ints, backbones: Sequence[Codes]) -> Lattice:
    """Lay every answer along the backbone of its task, each by itself, so that their order never shows.

    answers    words as codes
    task       int[A]  the task of each answer, ascending
    backbones  one a task; words an answer has between two of its words share slots in the order they come
    """
    near, along = _anchors(answers, task, backbones)
    counts = np.array([len(answer) for answer in answers], np.int64)
    lengths = np.array([len(backbone) for backbone in backbones], np.int64)
    of_word = np.repeat(task, counts)
    gap_starts = np.concatenate([[0], np.cumsum(lengths + 1)])  # a gap before each word, and one at the end
    gap = gap_starts[of_word] + near
    widths = _widest(gap, along + 1, int(gap_starts[-1]))
    before = np.concatenate([[0], np.cumsum(widths)])
    column = before[gap] - before[gap_starts[of_word]] + near + np.where(along < 0, widths[gap], along)
    slots = lengths + before[gap_starts[1:]] - before[gap_starts[:-1]]
    slot_starts = np.concatenate([[0], np.cumsum(slots)])
    entries = slots[task]
    entry_starts = np.concatenate([[0], np.cumsum(entries)])
    owner = np.repeat(np.arange(len(answers)), entries)
    slot = np.arange(entry_starts[-1]) - entry_starts[owner] + slot_starts[task[owner]]
    place = np.full(len(slot), -1, np.int64)
    place[entry_starts[np.repeat(np.arange(len(answers)), counts)] + column] = np.arange(len(column))
    return Lattice(slot, owner, place, np.repeat(np.arange(len(backbones)), slots))


def _anchors(answers: Sequence[Codes], task: Ints, backbones: Sequence[Codes]) -> tuple[Ints, Ints]:
    """For each word of each answer the word of the backbone it stands for or before, and its place in the gap there.

    returns  int[words], and int[words] with -1 = it stands for that word itself
    """
    near: Codes = []
    along: Codes = []
    for answer, backbone in zip(answers, (backbones[t] for t in task.tolist()), strict=True):
        for block in Levenshtein.opcodes(answer, backbone):
            if block.tag in ("equal", "replace"):
                near.extend(range(block.dest_start, block.dest_end))
                along.extend([-1] * (block.dest_end - block.dest_start))
            elif block.tag == "delete":
                more = block.src_end - block.src_start
                near.extend([block.dest_start] * more)
                along.extend(range(more))
    return np.array(near, np.int64), np.array(along, np.int64)


def _widest(group: Ints, value: Ints, groups: int) -> Ints:
    """The largest value of each group, 0 where it has none."""
    found = np.zeros(groups, np.int64)
    order = np.lexsort((value, group))
    found[group[order]] = value[order]  # the last one written stays
    return found
