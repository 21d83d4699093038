"""What workers freely say of themselves, a question at a time, so that answers can be compared over groups of people.

It is no evidence and no requirement reads it; nobody but the person is shown it. To leave a question out, or to rather
not say, is to have no row. What is withdrawn is deleted, and so is all of it with the account; the audit keeps that
somebody said or withdrew something, not what and not to which question.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from django.db import transaction

from marketplace import audit
from marketplace.core import clock
from marketplace.core.errors import Invalid
from workers import codes
from workers.models import SelfDescription, Worker

NOT_SAID = ""


@dataclass(frozen=True)
class Question:
    """One with fixed answers: what is kept -> how it is written. `group` says what those who said so are called."""

    name: str
    words: str
    group: str
    choices: Mapping[str, str]


# To ask more, add to this list; what is taken away is reported no more and stays in the person's own export
QUESTIONS = (
    Question(
        "age",
        "How old are you?",
        "By age",
        {
            "under_25": "Under 25",
            "25_34": "25 to 34",
            "35_44": "35 to 44",
            "45_54": "45 to 54",
            "55_64": "55 to 64",
            "65_on": "65 or older",
        },
    ),
    Question(
        "gender",
        "Which gender are you?",
        "By gender",
        {"woman": "Woman", "man": "Man", "non_binary": "Non-binary", "another": "Another"},
    ),
    Question(
        "language",
        "Which language did you learn first?",
        "By first language",
        dict(sorted(codes.LANGUAGES.items(), key=lambda entry: entry[1])),
    ),
    Question(
        "region",
        "Where did you grow up?",
        "By region",
        {
            "africa_north": "Northern Africa",
            "africa": "Africa south of the Sahara",
            "america_north": "Northern America",
            "america_latin": "Latin America and the Caribbean",
            "asia_central": "Central Asia",
            "asia_east": "Eastern Asia",
            "asia_south_east": "South-eastern Asia",
            "asia_south": "Southern Asia",
            "asia_west": "Western Asia",
            "europe_east": "Eastern Europe",
            "europe_north": "Northern Europe",
            "europe_south": "Southern Europe",
            "europe_west": "Western Europe",
            "oceania": "Australia, New Zealand and Oceania",
        },
    ),
)
BY_NAME = {question.name: question for question in QUESTIONS}


@transaction.atomic
def say(worker: Worker, said: Mapping[str, str], *, consents: bool) -> None:
    """Keep these answers to these questions, with when they were given; an empty one withdraws it at once.

    Questions that are not named stay as they are; an answer that is as before keeps its time.
    consents  to have them counted over groups; without it nothing is kept, but all may be withdrawn
    raises    Invalid with each error and its path
    """
    _check(said, consents)
    kept = Worker.objects.select_for_update(no_key=True).get(pk=worker.pk)  # against a deletion of the account
    if kept.state == Worker.State.ERASED:
        raise Invalid("this account is deleted")
    before = dict(SelfDescription.objects.filter(worker=kept).values_list("question", "choice"))
    at = clock.now()
    for question, choice in said.items():
        row = SelfDescription.objects.filter(worker=kept, question=question)
        if choice == NOT_SAID:
            row.delete()
        elif choice != before.get(question):
            row.delete()
            SelfDescription.objects.create(worker=kept, question=question, choice=choice, consented_at=at)
    if any(choice != before.get(question, NOT_SAID) for question, choice in said.items()):
        audit.record(kept.user, "describe", kept)


@transaction.atomic
def withdraw(worker: Worker) -> None:
    """Forget all that this worker said of themself, also to questions that are asked no more."""
    SelfDescription.objects.filter(worker=worker).delete()
    audit.record(worker.user, "withdraw_description", worker)


def of(worker: Worker) -> dict[str, str]:
    """What the worker has said, question -> choice; for that worker alone."""
    return dict(SelfDescription.objects.filter(worker=worker).values_list("question", "choice"))


def among(question: Question, workers: Iterable[int], before: datetime) -> dict[int, str]:
    """What these workers had said to a question before this time and have not withdrawn; never to be shown as it is."""
    rows = SelfDescription.objects.filter(worker__in=list(workers), question=question.name, consented_at__lt=before)
    return dict(rows.filter(choice__in=list(question.choices)).values_list("worker", "choice"))


def _check(said: Mapping[str, str], consents: bool) -> None:
    errors = []
    if not consents and any(choice != NOT_SAID for choice in said.values()):
        errors.append(_error("consents", "must be said with it: it is counted over groups of people only if you agree"))
    for name, choice in said.items():
        if name not in BY_NAME:
            errors.append(_error(name, f"must be one of {', '.join(BY_NAME)}"))
        elif choice != NOT_SAID and choice not in BY_NAME[name].choices:
            errors.append(_error(name, "must be one of the answers to choose from, or empty"))
    if errors:
        raise Invalid("that cannot be said", errors=errors)


def _error(path: str, message: str) -> dict[str, str]:
    return {"path": path[:40], "code": "value", "message": message}
