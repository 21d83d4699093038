"""The labels of one field, as arrays: what the models make and the rows take."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tasks.aggregation.votes import Floats, Ints

LEAST_SUPPORT = 2  # of a single answer nobody knows how sure it is, and one worker alone is never enough


@dataclass(frozen=True)
class Labelled:
    """The labels of one field.

    tasks       int[T]       primary keys of the tasks that were answered, sorted, gold left out
    values      the value of each class, or where there are no classes of each task
    code        int[T]       class of each label; -1: it has none
    posterior   float[T, K]  of each class; None: there are no classes
    confidence  float[T]     of the label; nan: not known
    support     int[T]       answers it rests on
    certain     float[T]     how likely it is that no further answer would change it; 0: another is wanted
    gain        float[T]     what the next answer is worth: how much likelier the label would be right
    between     int[T, 2]    the two classes it may be most likely; None: it has none, or is not asked what is right
    method      int[T]       which of `methods` each was made by
    methods     name and version
    """

    name: str
    tasks: Ints
    values: Sequence[Any]
    code: Ints
    posterior: Floats | None
    confidence: Floats
    support: Ints
    certain: Floats
    gain: Floats
    between: Ints | None
    method: Ints
    methods: list[tuple[str, str]]


def certain_of(tasks: Ints, fields: Sequence[Labelled]) -> Floats:
    """How certain each of these tasks is of its least certain field, float[T]; 0 where it has no label."""
    found, has_label = np.ones(len(tasks)), np.zeros(len(tasks), bool)
    for one in fields:
        place = np.searchsorted(tasks, one.tasks)
        found[place] = np.minimum(found[place], one.certain)
        has_label[place] = True
    return np.where(has_label, found, 0.0)
