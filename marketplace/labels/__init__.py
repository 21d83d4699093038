"""Annotation types: one module each, all with the same functions, all free of Django."""

from collections.abc import Sequence
from typing import Any, Protocol

from marketplace.labels import choice, choices, number, rating, text
from marketplace.labels.errors import Error
from marketplace.labels.merging import Merged

Spec = dict[str, Any]


class Type(Protocol):
    """What a module of an annotation type offers; `spec` is a field as `schema.check` returns it."""

    def check(self, spec: Spec) -> tuple[Spec, list[Error]]:
        """The type's own keys, every one of them and normalised, and what is wrong with them."""

    def validate(self, value: Any, spec: Spec) -> list[Error]:
        """What is wrong with an answer; it may be any JSON. The functions below take only valid ones."""

    def json_schema(self, spec: Spec) -> dict[str, Any]:
        """The same as JSON Schema, draft 2020-12."""

    def categories(self, spec: Spec) -> list[str]:
        """The classes an answer can be, as `to_text` writes them; empty where they cannot be listed."""

    def similarity(self, a: Any, b: Any, spec: Spec) -> float:
        """How alike two answers are, 0..1; symmetric."""

    def matches(self, value: Any, truth: Any, spec: Spec) -> bool:
        """Whether gold counts the answer as right."""

    def merge(self, values: Sequence[Any], weights: Sequence[float], spec: Spec) -> Merged:
        """One valid answer out of one or more, whatever their order; weights are the workers' reliability."""

    def soft(self, values: Sequence[Any], weights: Sequence[float], spec: Spec) -> dict[str, float] | None:
        """How the weight is spread over what was answered, where that can be listed."""

    def from_text(self, cell: str, spec: Spec) -> Any:
        """The answer a CSV cell stands for; raises ValueError saying what was expected."""

    def to_text(self, value: Any, spec: Spec) -> str:
        """The CSV cell that `from_text` reads back."""


TYPES: dict[str, Type] = {"choice": choice, "choices": choices, "text": text, "number": number, "rating": rating}

PARTLY = ("choices", "text")  # set-valued and free: an answer may be right in part


def share(value: Any, truth: Any, spec: Spec) -> float:
    """How far gold counts the answer as right, 0..1; 1 within the field's tolerance."""
    kind = TYPES[spec["type"]]
    if kind.matches(value, truth, spec):
        return 1.0
    return kind.similarity(value, truth, spec) if spec["type"] in PARTLY else 0.0
