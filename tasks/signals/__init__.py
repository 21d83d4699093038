"""What may make a requester look twice at how somebody works in a project: never a reason by itself.

Counted when asked for, from the newest answers; nothing of it is written down, and no rule or decision reads it.
"""

from dataclasses import dataclass, field
from enum import StrEnum

from django.conf import settings
from django.db.models import QuerySet

from marketplace.models import Project, User
from tasks.signals import finding, payees, rows
from workers.models import Worker

SHOWN = 100  # signals, those that chance explains least


class Kind(StrEnum):
    FAST = "fast"
    PATTERN = "pattern"
    SAME_ANSWER = "same_answer"
    PAIR = "pair"
    OWN_TEXT = "own_text"
    COPIED_TEXT = "copied_text"
    SAME_PAYEE = "same_payee"


@dataclass(frozen=True)
class Row:
    """Something a signal rests on: public ids of answers, and what is to be seen in them."""

    answers: list[str]
    words: str


@dataclass(frozen=True)
class Signal:
    """A figure that is out of the ordinary, and the chance of that among honest people.

    workers   under the organisation's pseudonyms
    figure    what was counted, a share from 0 to 1; for a pair the number of mistakes in common
    expected  what others, or chance, would give; None: said in the words
    p         None: chance has no part in it
    """

    kind: Kind
    workers: list[str]
    field: str
    figure: float
    expected: float | None
    p: float | None
    words: str
    rows: list[Row]


@dataclass(frozen=True)
class Report:
    """What was looked at and what stood out, the least explained by chance first."""

    answers: int
    workers: int
    pairs: int
    signals: list[Signal] = field(default_factory=list)


def seen_by(user: User) -> "QuerySet[Project]":
    """The projects whose signals this person may see: those of their organisations; an admin all."""
    return Project.objects.all() if user.is_staff else Project.objects.visible_to(user)


def of(project: Project) -> Report:
    """Look at the newest answers of a project, `SIGNALS_ANSWERS_MOST` at most."""
    seen = rows.newest(project, settings.SIGNALS_ANSWERS_MOST)
    found, pairs = finding.everything(seen)
    found = sorted([*payees.same(seen), *found], key=lambda one: (one.p or 0.0, one.kind, one.workers))[:SHOWN]
    workers = {worker for one in found for worker in one.workers}
    known = dict(Worker.objects.filter(pk__in=workers).values_list("pk", "public_id"))
    name = {pk: project.organisation.pseudonym(public_id) for pk, public_id in known.items()}
    signals = [
        Signal(
            Kind(one.kind),
            [name[worker] for worker in one.workers],
            one.field,
            one.figure,
            one.expected,
            one.p,
            one.words,
            [Row([seen.public_id(place) for place in places], words) for places, words in one.rows],
        )
        for one in found
    ]
    return Report(len(seen.rows), len({row.worker for row in seen.rows}), pairs, signals)
