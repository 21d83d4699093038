"""What a fault came to, and what every fault is."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random

from tests.faults.ground import Stage

HARNESS = "the harness failed: "  # how a problem begins that says nothing of the site


@dataclass(frozen=True)
class Outcome:
    """What was done, how often the fault struck, and what did not hold afterwards."""

    done: str
    times: int
    problems: Sequence[str]


@dataclass(frozen=True)
class Fault:
    """A fault, how often it strikes, and the naive version that must not survive it."""

    code: str
    title: str
    strike: Callable[[Stage, Random, int], Outcome]
    times: int
    times_short: int
    times_control: int
    guard_off: str = ""
    also_off: Sequence[str] = ()  # SQL that takes a guard out of the database of the control
    cannot: Callable[[], str] = str  # why it cannot be done on this machine; empty: it can
