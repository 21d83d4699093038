"""What a step chooses from: verbs, when each may happen, and what is drawn for it."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, TypeVar

from hypothesis import strategies as st

T = TypeVar("T")
picks = st.integers(0, 10_000)
outcomes = st.sampled_from(["pays", "pays", "refuses", "silent"])


class Verb(NamedTuple):
    """Something that may happen, when it may, and what is drawn for it."""

    call: Callable[..., None]
    holds: Callable[[Any], Any]
    drawn: dict[str, st.SearchStrategy[Any]]


VERBS: list[Verb] = []


def when(holds: Callable[[Any], Any], **drawn: Any) -> Callable[[Callable[..., None]], Callable[..., None]]:
    """One of the verbs that a step chooses from, evenly: hypothesis would leave most of its own rules out of a walk."""

    def listed(call: Callable[..., None]) -> Callable[..., None]:
        VERBS.append(Verb(call, holds, drawn))
        return call

    return listed


def always(walk: Any) -> bool:
    return True


def one_of(some: Sequence[T], which: int) -> T:
    return some[which % len(some)]
