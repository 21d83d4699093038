"""What people said to a field as codes, and how far two values are apart on its scale."""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

import numpy as np

from marketplace.labels import text
from tasks.aggregation import distances
from tasks.aggregation.distances import Bools, Distance
from tasks.aggregation.votes import Ints
from tasks.agreement.rows import Columns, Rows

VALUES_MOST = 1_000  # distinct sets or texts that are compared, each with each; of more the newest
WORDS_MOST = 50_000  # in these texts together: a quarter of a second


class Scale(StrEnum):
    NOMINAL = "nominal"  # the same or not
    ORDINAL = "ordinal"  # by ranks
    INTERVAL = "interval"  # by the square of the difference
    SETS = "sets"  # by what two sets share (MASI)
    WORDS = "words"  # by the words that differ


SCALES = {
    "choice": Scale.NOMINAL,
    "rating": Scale.ORDINAL,
    "number": Scale.INTERVAL,
    "choices": Scale.SETS,
    "text": Scale.WORDS,
}


@dataclass(frozen=True)
class Said:
    """The answers to one field, newest first; those without one are left out.

    code      int[N]  of a value, from 0
    distance  how far values are apart, from the codes that occur, ascending: the value of code 0 is then the first
    sets      bool[K, L] behind the codes, where they stand for sets
    """

    columns: Columns
    code: Ints
    scale: Scale
    distance: Callable[[Ints], Distance]
    sets: Bools | None = None


def of(spec: dict[str, Any]) -> Scale:
    """The scale of a field: options have an order where the field says so."""
    is_ordered = spec["type"] == "choice" and spec["truth"] == "ordinal"
    return Scale.ORDINAL if is_ordered else SCALES[spec["type"]]


def read(rows: Rows, spec: dict[str, Any], classes: int, words_most: int = WORDS_MOST) -> Said:
    """What was said to a field.

    classes  how many it has today: where they have an order, those that are gone have no place in it
    """
    scale, name = of(spec), spec["name"]
    if scale in (Scale.NOMINAL, Scale.ORDINAL):
        code = rows.codes[name]
        kept = (code >= 0) & (code < classes) if scale == Scale.ORDINAL else code >= 0
        kind: Distance = distances.ORDINAL if scale == Scale.ORDINAL else distances.NOMINAL
        return Said(rows.columns.take(kept), code[kept], scale, lambda _: kind)
    given = rows.values[name]
    place = np.array([number for number, value in enumerate(given) if value is not None], np.int64)
    values, columns = [given[number] for number in place.tolist()], rows.columns.take(place)
    if scale == Scale.INTERVAL:
        return _numbers(columns, values)
    return _sets(columns, values) if scale == Scale.SETS else _texts(columns, values, words_most)


def _numbers(columns: Columns, values: list[float]) -> Said:
    numbers, code = np.unique(np.array(values, np.float64), return_inverse=True)
    return Said(columns, code, Scale.INTERVAL, lambda codes: distances.interval(numbers[codes]))


def _sets(columns: Columns, values: list[list[str]]) -> Said:
    options = {option: place for place, option in enumerate(sorted({one for value in values for one in value}))}
    chosen = np.zeros((len(values), len(options)), np.bool_)
    chosen[
        np.repeat(np.arange(len(values)), [len(value) for value in values]),
        [options[one] for value in values for one in value],
    ] = True
    code, sets = distances.coded(chosen)
    until = _before_too_many(code)
    columns, code = columns.take(np.arange(until)), code[:until]
    return Said(columns, code, Scale.SETS, lambda codes: distances.masi(sets[codes]), sets)


def _before_too_many(code: Ints) -> int:
    """How many of the newest answers have no more than VALUES_MOST distinct values."""
    first = np.sort(np.unique(code, return_index=True)[1])
    return int(first[VALUES_MOST]) if len(first) > VALUES_MOST else len(code)


def _texts(columns: Columns, values: list[str], words_most: int) -> Said:
    spelt: dict[str, int] = {}  # as it was written -> code
    forms: dict[tuple[int, ...], int] = {}
    known: dict[str, int] = {}
    code: list[int] = []
    words = 0
    for value in values:
        if value not in spelt:
            form = tuple(known.setdefault(word, len(known)) for word in text.normal(value).split())
            words += len(form) if form not in forms else 0
            if words > words_most or (form not in forms and len(forms) == VALUES_MOST):
                break
            spelt[value] = forms.setdefault(form, len(forms))
        code.append(spelt[value])
    apart = distances.edits(list(forms)).apart
    return Said(
        columns.take(np.arange(len(code))),
        np.array(code, np.int64),
        Scale.WORDS,
        lambda codes: distances.Table(apart[np.ix_(codes, codes)]),
    )
