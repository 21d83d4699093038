"""Free text."""

import re
import unicodedata
from collections.abc import Sequence
from typing import Any

from rapidfuzz import fuzz

from marketplace.labels.errors import Error, refuse
from marketplace.labels.merging import Merged, fair, merged, shares
from marketplace.labels.reading import Reader, text_errors

Spec = dict[str, Any]

LONGEST = 50_000
TOLERANCE = 0.85  # similar enough to count as the same answer
APOSTROPHES = re.compile("['’]")
PUNCTUATION = re.compile(r"[.,;:!?¿¡\"“”„«»()\[\]{}…‐‑–—_-](?!\d)")  # -3 and 2.5 are not 3 and 25; C# is not C


def check(spec: Spec) -> tuple[Spec, list[Error]]:
    """Bounds of the length in code points (from 1 on a blank answer is none), `tolerance`, 0..1, and `merge`.

    merge  `whole`: the label is somebody's answer; `words`: it is put together word by word, as of transcripts
    """
    read = Reader(spec)
    longest = read.whole("max_length", 10_000, 1, LONGEST)
    shortest = read.whole("min_length", 1, 0, LONGEST)
    if shortest > longest:
        read.wrong("min_length", "range", "must not exceed max_length")
    tolerance = read.number("tolerance", TOLERANCE, 0, 1)
    merge = read.one_of("merge", ("whole", "words"), "whole")
    return {"min_length": shortest, "max_length": longest, "tolerance": tolerance, "merge": merge}, read.errors


def validate(value: Any, spec: Spec) -> list[Error]:
    return text_errors(value, spec["min_length"], spec["max_length"])


def json_schema(spec: Spec) -> dict[str, Any]:
    filled = {"pattern": r"\S"} if spec["min_length"] else {}
    return {"type": "string", "minLength": spec["min_length"], "maxLength": spec["max_length"], **filled}


def categories(spec: Spec) -> list[str]:
    return []


def normal(text: str) -> str:
    """The text without what typing varies: case, width, spaces, punctuation."""
    folded = unicodedata.normalize("NFKC", text).casefold()
    bare = " ".join(PUNCTUATION.sub(" ", APOSTROPHES.sub("", folded)).split())
    return bare or " ".join(folded.split())


def similarity(a: str, b: str, spec: Spec) -> float:
    """RapidFuzz's ratio of the normal forms: 1 less the share of characters to insert or delete."""
    return fuzz.ratio(normal(a), normal(b)) / 100


def matches(value: str, truth: str, spec: Spec) -> bool:
    return similarity(value, truth, spec) >= spec["tolerance"]


def merge(values: Sequence[str], weights: Sequence[float], spec: Spec) -> Merged:
    """The answer with more than half of the weight, up to typing; else the one most like all the others."""
    forms = shares([normal(value) for value in values], weights)
    best = max(sorted(forms), key=forms.__getitem__)
    if forms[best] <= 0.5:
        best = max(sorted(forms), key=lambda form: sum(forms[to] * fuzz.ratio(form, to) for to in sorted(forms)))
    spelt = [index for index, value in enumerate(values) if normal(value) == best]
    even = fair(values, weights)
    spellings = shares([values[index] for index in spelt], [even[index] for index in spelt])
    chosen = max(sorted(spellings), key=spellings.__getitem__)
    return merged(chosen, values, weights, lambda value: matches(value, chosen, spec))


def soft(values: Sequence[str], weights: Sequence[float], spec: Spec) -> None:
    return None


def from_text(cell: str, spec: Spec) -> str:
    refuse(validate(cell, spec))
    return cell


def to_text(value: str, spec: Spec) -> str:
    return value
