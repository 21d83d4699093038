"""What another answer is worth to each task, over all its fields."""

from collections.abc import Sequence

import numpy as np

from tasks.aggregation.votes import Floats, Ints
from tasks.consensus.labelled import Labelled


def by_doubt(support: Ints, sure: Floats | float = 0.0) -> Floats:
    """A guess where no model of workers says it: what doubt there is, shared with the answers there are.

    support  int[T]    answers there are
    sure     float[T]  how sure the label is; of a perspective 0, so that each gets as many answers as the others
    """
    return (1.0 - sure) / np.square(support + 1.0)


def of(tasks: Ints, fields: Sequence[Labelled]) -> Floats:
    """How many labels more are right, as is to be expected, by one more answer to each of these tasks, float[T]."""
    found = np.zeros(len(tasks))
    for one in fields:
        found[np.searchsorted(tasks, one.tasks)] += one.gain  # no field names a task twice
    return found


def between(name: str | None, tasks: Ints, fields: Sequence[Labelled]) -> tuple[list[int], Ints]:
    """Those of these tasks that have a label in this field, and the two classes each may be most likely, int[T, 2]."""
    for one in fields:
        if one.name == name and one.between is not None:
            here = np.isin(one.tasks, tasks)
            return one.tasks[here].tolist(), one.between[here]
    return [], np.empty((0, 2), np.int64)
