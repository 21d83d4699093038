"""All pairs of answers to the same task, without a table of tasks by workers."""

from collections.abc import Iterator

import numpy as np

from tasks.aggregation.votes import Ints


def blocks(task: Ints, owner: Ints, at_once: int) -> Iterator[tuple[Ints, Ints]]:
    """Places of the two answers of each pair, int[P] twice, the first before the second; each pair once.

    task     int[N]  of each answer, sorted
    owner    int[N]  from 0; pairs whose first answers have the same owner come in the same block
    at_once  pairs in a block, more only where one owner has more
    """
    after = np.searchsorted(task, task, side="right") - np.arange(len(task)) - 1
    order = np.argsort(owner, kind="stable")
    until = np.cumsum(after[order])
    ends = np.flatnonzero(np.diff(owner[order], append=-1)) + 1
    start = 0
    while start < len(order):
        so_far = until[start - 1] if start else 0
        fitting = np.searchsorted(until[ends - 1], so_far + at_once, side="right")
        end = ends[max(fitting - 1, np.searchsorted(ends, start, side="right"))]
        yield _paired(order[start:end], after[order[start:end]])
        start = int(end)


def _paired(places: Ints, after: Ints) -> tuple[Ints, Ints]:
    """Each of these answers with each of those after it in its task."""
    one = np.repeat(places, after)
    step = np.arange(len(one)) - np.repeat(np.cumsum(after) - after, after)
    return one, one + 1 + step
