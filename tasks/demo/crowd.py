"""Simulated workers. What one answers depends on seed, worker and item alone, so a crowd can go on where it was."""

import hashlib
from dataclasses import dataclass
from enum import StrEnum

from numpy.random import Generator, default_rng


class Kind(StrEnum):
    CAREFUL = "careful"
    AVERAGE = "average"
    HASTY = "hasty"
    SPAMMING = "spamming"  # answers at random: some from the start, some once they have passed the practice
    COLLUDING = "colluding"  # honest in practice, then gives what the group has agreed on


# kind: share of the crowd, accuracy from and to, pages for each page of an average worker
KINDS = {
    Kind.CAREFUL: (0.25, (0.95, 0.99), 0.8),
    Kind.AVERAGE: (0.325, (0.84, 0.94), 1.0),
    Kind.HASTY: (0.125, (0.62, 0.80), 1.3),
    Kind.SPAMMING: (0.175, (0.10, 0.10), 1.2),
    Kind.COLLUDING: (0.125, (0.94, 0.99), 1.2),
}
PATIENT = 0.5  # share of the spamming who do the practice well
AGREED = 0.8  # share of the items for which the colluding have agreed on an answer
CONFUSED = 0.6  # share of honest mistakes that fall on the class most like the right one
LOOKS_LIKE = {0: 6, 1: 8, 2: 1, 3: 9, 4: 9, 5: 9, 6: 5, 7: 9, 8: 1, 9: 3}


@dataclass(frozen=True, slots=True)
class Person:
    """One simulated worker."""

    number: int
    kind: Kind
    accuracy: float  # while working honestly
    patient: bool  # does the practice honestly, whatever follows
    pace: float  # pages for each page of an average worker
    seed: int


def people(seed: int, count: int) -> list[Person]:
    """A crowd of this size, each kind by its share; the same seed gives the same crowd."""
    rng = default_rng([seed, count])
    kinds = [kind for kind, (share, *_) in KINDS.items() for _ in range(round(share * count))]
    kinds = (kinds + [Kind.AVERAGE] * count)[:count]
    spammers = 0
    crowd = []
    for number, kind in enumerate(kinds):
        _, (low, high), pace = KINDS[kind]
        spammers += kind is Kind.SPAMMING
        patient = kind is not Kind.SPAMMING or spammers <= PATIENT * kinds.count(kind) + 0.5
        crowd.append(Person(number, kind, float(rng.uniform(low, high)), patient, pace, seed))
    return crowd


def answer(person: Person, item: str, truth: int, classes: int, *, in_practice: bool = False) -> int:
    """The class this person gives the item, whenever and wherever it is shown to them."""
    rng = _luck(person.seed, person.number, item, in_practice)
    if person.kind is Kind.SPAMMING and not (in_practice and person.patient):
        return int(rng.integers(classes))
    if in_practice and person.kind in (Kind.SPAMMING, Kind.COLLUDING):
        return truth if rng.random() < 0.97 else _mistake(rng, truth, classes)
    if person.kind is Kind.COLLUDING and (agreed := _agreed(person.seed, item, truth, classes)) is not None:
        return agreed
    return truth if rng.random() < person.accuracy else _mistake(rng, truth, classes)


def _agreed(seed: int, item: str, truth: int, classes: int) -> int | None:
    """The wrong class the colluding all give this item, where they have agreed on one."""
    rng = _luck(seed, "agreed", item)
    return (truth + int(rng.integers(1, classes))) % classes if rng.random() < AGREED else None


def _mistake(rng: Generator, truth: int, classes: int) -> int:
    """A wrong class, more often the one that looks like the right one."""
    if rng.random() < CONFUSED and LOOKS_LIKE.get(truth, classes) < classes:
        return LOOKS_LIKE[truth]
    return (truth + int(rng.integers(1, classes))) % classes


def _luck(*of: object) -> Generator:
    """Random numbers that depend on these things alone, on every machine."""
    return default_rng(int.from_bytes(hashlib.sha256(repr(of).encode()).digest()[:8]))
