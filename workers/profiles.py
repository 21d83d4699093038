"""A user in the role of a worker, and what they state of themselves."""

from collections.abc import Iterable
from typing import Any

from django.db import transaction

from marketplace.core import states
from marketplace.core.errors import Invalid, NotFound
from marketplace.models import Organisation, User
from workers import codes, documents, notices
from workers.models import CredentialRequest, Invitation, Pseudonym, SelfDescription, Worker

LANGUAGES_MOST = 20


def of(user: User) -> Worker:
    """The worker this user is, made at the first call."""
    worker = getattr(user, "worker", None)
    return worker or Worker.objects.get_or_create(user=user)[0]


def is_own(worker: Worker, organisation: Organisation) -> bool:
    """Whether this person, or somebody who is paid to the same place, is a member of the organisation."""
    return organisation.memberships.filter(user__in=[worker.user_id, *worker.kin]).exists()


def introduce(worker: Worker, organisation: Organisation) -> str:
    """The name under which the organisation knows this worker, by which it can find them from now on."""
    name = organisation.pseudonym(worker.public_id)
    Pseudonym.objects.bulk_create(
        [Pseudonym(organisation=organisation, worker=worker, name=name)], ignore_conflicts=True
    )
    return name


def known_as(organisation: Organisation, name: str) -> Worker:
    """The worker whom the organisation has met under this name.

    raises  NotFound
    """
    met = Pseudonym.objects.select_related("worker__user").filter(organisation=organisation, name=name).first()
    if met is None:
        raise NotFound(f"the organisation knows no worker as {name[:20]!r}")
    return met.worker


def by_pseudonyms(organisation: Organisation, names: Iterable[str]) -> dict[str, Worker]:
    """The workers whom the organisation has met under these names; a name of nobody is left out."""
    met = Pseudonym.objects.select_related("worker__user").filter(organisation=organisation, name__in=set(names))
    return {one.name: one.worker for one in met}


def state(worker: Worker, languages: Any = None, country: Any = None) -> Worker:
    """Note which languages somebody speaks (code -> level, which may be empty) and where they live.

    Only requirements ask for it; it is evidence of nothing. What is None stays as it is.
    raises  Invalid with each error and its path
    """
    errors = []
    if languages is not None:
        errors += _wrong_languages(languages)
        worker.languages = languages
    if country is not None:
        if country and country not in codes.COUNTRIES:
            errors.append(_error("country", "must be a code of ISO 3166, as DE, or empty"))
        worker.country = country
    if errors:
        worker.refresh_from_db()
        raise Invalid("that cannot be stated", errors=errors)
    worker.save(update_fields=["languages", "country"])
    return worker


def _wrong_languages(languages: Any) -> list[dict[str, str]]:
    if not isinstance(languages, dict) or len(languages) > LANGUAGES_MOST:
        return [_error("languages", f"must be an object of at most {LANGUAGES_MOST} codes, each with its level")]
    found = []
    for code, level in languages.items():
        if code not in codes.LANGUAGES:
            found.append(_error("languages", "must have codes of ISO 639-1, as de"))
        if level != "" and level not in codes.LEVELS:
            found.append(_error("languages", f"a level must be one of {', '.join(codes.LEVELS)}, or empty"))
    return found


def _error(path: str, message: str) -> dict[str, str]:
    return {"path": path, "code": "value", "message": message}


def suspend(worker: Worker) -> None:
    """Offer this worker nothing anywhere; the decision behind it says why."""
    states.move(worker, Worker.State.SUSPENDED)


def reinstate(worker: Worker) -> None:
    """Let the worker be offered work again; who is gone stays so."""
    if worker.state != Worker.State.ERASED:
        states.move(worker, Worker.State.ACTIVE)


@transaction.atomic
def erase(worker: Worker) -> None:
    """Let nobody work under this key again, and forget what the person was told; for `tasks.erasure`."""
    states.move(worker, Worker.State.ERASED, languages={}, country="", of_age_at=None, may_earn=[])
    CredentialRequest.objects.filter(worker=worker).update(statement="")
    addresses = worker.user.emailaddress_set.values_list("email", flat=True)  # type: ignore[attr-defined]
    Invitation.objects.filter(email__in=[worker.user.email, *addresses]).update(email="")
    notices.forget(worker.user)
    documents.forget(worker)
    SelfDescription.objects.filter(worker=worker).delete()
