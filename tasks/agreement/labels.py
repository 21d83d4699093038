"""Which classes of a field people disagree about."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from tasks.aggregation import agreement
from tasks.aggregation.bootstrap import known
from tasks.aggregation.votes import Ints


@dataclass(frozen=True)
class Label:
    """How far those who gave this label were joined by the others who answered the same tasks.

    agreement      of those who say it, how often another says it too; None: nobody else answered those tasks
    confused_with  the label that stood against it most often, in so many pairs of answers
    """

    value: str
    title: str
    agreement: float | None
    agreeing: int
    differing: int
    tasks: int
    confused_with: str
    confused: int


def compare(
    task: Ints, label: Ints, listed: Sequence[str], titles: Mapping[str, str]
) -> tuple[list[Label], list[list[int]]]:
    """Each label, and the labels by each other: in how many pairs of answers to one task they stand against each other.

    task, label  int[N]  keys, and places in the list
    """
    tasks, unit = np.unique(task, return_inverse=True)
    found = agreement.pairs(unit, label, len(tasks), len(listed))
    specific = found.specific()
    labels = []
    for place, value in enumerate(listed):
        other = int(found.differing[place].argmax())
        confused = int(found.differing[place, other])
        labels.append(
            Label(
                value=value,
                title=titles[value],
                agreement=known(specific[place]),
                agreeing=int(found.agreeing[place]),
                differing=int(found.differing[place].sum()),
                tasks=int(found.units[place]),
                confused_with=listed[other] if confused else "",
                confused=confused,
            )
        )
    return labels, found.differing.tolist()
