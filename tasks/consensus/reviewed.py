"""Labels that a reviewer has decided: what they said is the label, whatever the answers come to."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from tasks.consensus.answers import Crowd
from tasks.consensus.labelled import Labelled
from tasks.reviews import Verdict

SURE = 0.99  # people who look make mistakes, too
METHOD = ("review", "1")


def overrule(crowd: Crowd, fields: Sequence[Labelled], said: Mapping[int, Verdict]) -> list[Labelled]:
    """The labels with those that reviewers decided in their place; whatever the answers come to."""
    if not said:
        return list(fields)
    here = set(crowd.tasks.tolist()) & set(said)
    return [_overruled(one, {t: said[t].value[one.name] for t in here if one.name in said[t].value}) for one in fields]


def _overruled(one: Labelled, said: Mapping[int, Any]) -> Labelled:
    if not said:
        return one
    tasks = np.union1d(one.tasks, np.array(list(said), np.int64))
    was, place = np.searchsorted(tasks, one.tasks), np.searchsorted(tasks, list(said))
    values, codes, posterior = _right(one, list(said.values()), len(tasks), was, place)
    return replace(
        one,
        tasks=tasks,
        values=values,
        code=_with(one.code, len(tasks), was, place, codes),
        posterior=posterior,
        confidence=_with(one.confidence, len(tasks), was, place, SURE),
        support=_with(one.support, len(tasks), was),
        certain=_with(one.certain, len(tasks), was, place, 1.0),
        gain=_with(one.gain, len(tasks), was, place, 0.0),
        between=None if one.between is None else _with(one.between, len(tasks), was),
        method=_with(one.method, len(tasks), was, place, len(one.methods)),
        methods=[*one.methods, METHOD],
    )


def _right(
    one: Labelled, said: list[Any], count: int, was: np.ndarray, place: np.ndarray
) -> tuple[Sequence[Any], Any, np.ndarray | None]:
    """Values, the codes of what was said, and the posterior."""
    if one.posterior is None:
        values = [None] * count
        for spot, value in [*zip(was.tolist(), one.values, strict=True), *zip(place.tolist(), said, strict=True)]:
            values[spot] = value
        return values, -1, None
    codes = np.array([list(one.values).index(value) for value in said], np.int64)
    classes = one.posterior.shape[1]
    shares = np.full((len(said), classes), (1.0 - SURE) / max(classes - 1, 1))
    shares[np.arange(len(said)), codes] = SURE
    return one.values, codes, _with(one.posterior, count, was, place, shares)


def _with(
    array: np.ndarray, count: int, was: np.ndarray, place: np.ndarray | None = None, new: Any = None
) -> np.ndarray:
    """The array with room for `count` tasks: what it held at `was`, and what is new at `place`."""
    grown = np.zeros((count, *array.shape[1:]), array.dtype)
    grown[was] = array
    if place is not None:
        grown[place] = new
    return grown
