"""A project's own aggregator's labels in the place of ours, which still say what is sure, and who answers well."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from tasks import consolidations
from tasks.consensus.labelled import Labelled
from tasks.models import Batch


def over(batch: Batch, fields: Sequence[Labelled]) -> list[Labelled]:
    """These labels with those that the aggregator gave; without one, a single small query."""
    said = consolidations.of(batch, (task for one in fields for task in one.tasks.tolist()))
    return [_over(one, said) for one in fields] if said else list(fields)


def _over(one: Labelled, said: consolidations.Labels) -> Labelled:
    given = [
        (place, said[task][one.name]) for place, task in enumerate(one.tasks.tolist()) if one.name in said.get(task, ())
    ]
    values: list[Any] = list(one.values)
    code, confidence, method = one.code.copy(), one.confidence.copy(), one.method.copy()
    for place, (value, share) in given:
        if one.posterior is None:
            values[place] = value
        else:
            code[place] = values.index(value)
        confidence[place] = np.nan if share is None else share
        method[place] = len(one.methods)
    methods = [*one.methods, (consolidations.METHOD, consolidations.VERSION)]
    return replace(one, values=values, code=code, confidence=confidence, method=method, methods=methods)
