"""Credentials of the site: a worker says what they are, an admin looks and decides. No document is kept."""

from datetime import timedelta

from django.db import transaction

from marketplace import audit
from marketplace.core import clock, states
from marketplace.core.errors import Conflict, Forbidden, Invalid
from marketplace.models import User
from workers import notices, qualifications
from workers.models import CredentialRequest, Grant, Qualification, Worker

STATEMENT_MOST = 2_000
OPEN_MOST = 10  # requests of one worker that wait


class CredentialHeld(Conflict):
    title = "You hold this credential already"


class TooManyRequestsOpen(Conflict):
    title = "Too many of your requests wait already"


@transaction.atomic
def ask(worker: Worker, credential: Qualification, statement: str) -> CredentialRequest:
    """Ask that an admin verify a credential; while one waits, the same is returned.

    raises  Invalid (no statement), CredentialHeld, TooManyRequestsOpen
    """
    Worker.objects.select_for_update(no_key=True).get(pk=worker.pk)
    waiting = worker.credential_requests.filter(state=CredentialRequest.State.OPEN)
    if begun := waiting.filter(qualification=credential).first():
        return begun
    if not statement.strip() or len(statement) > STATEMENT_MOST:
        raise Invalid(f"say in 1 to {STATEMENT_MOST:,} characters what you have and how it can be checked")
    at = clock.now()
    if qualifications.counting(worker.grants.all(), at).filter(qualification=credential).exists():
        raise CredentialHeld
    if waiting.count() >= OPEN_MOST:
        raise TooManyRequestsOpen
    made = CredentialRequest.objects.create(
        worker=worker, qualification=credential, statement=statement.strip(), asked_at=at
    )
    audit.record(worker.user, "ask", made)
    return made


@transaction.atomic
def verify(request: CredentialRequest, by: User, reason: str = "", days: int | None = None) -> Grant:
    """Grant the credential that was asked for; the worker is told.

    days  after which it expires; None: never
    """
    if days is not None and not 1 <= days <= qualifications.DAYS_MOST:
        raise Invalid(f"days must lie between 1 and {qualifications.DAYS_MOST:,}")
    _decide(request, CredentialRequest.State.VERIFIED, by, reason)
    until = clock.now() + timedelta(days=days) if days else None
    made, _ = qualifications.put(request.worker, request.qualification, 1.0, Grant.Origin.VERIFIED, by, until)
    subject = f"“{request.qualification}” is verified"
    notices.tell(request.worker.user_id, "qualification", subject, reason, qualifications.MINE)
    return made


@transaction.atomic
def decline(request: CredentialRequest, by: User, reason: str) -> None:
    """Do not grant it, for a reason the worker reads; they may ask again."""
    if not reason.strip():
        raise Invalid("say why; the worker reads it")
    _decide(request, CredentialRequest.State.DECLINED, by, reason)
    subject = f"“{request.qualification}” was not verified"
    notices.tell(request.worker.user_id, "qualification", subject, reason.strip(), qualifications.MINE)


@transaction.atomic
def withdraw(grant: Grant, by: User, reason: str) -> None:
    """End a credential that was verified, for a reason the worker reads."""
    if not by.is_staff:
        raise Forbidden
    if grant.qualification.kind != Qualification.Kind.SITE:
        raise Invalid("this is not a credential")
    if not reason.strip() or len(reason) > qualifications.REASON_MOST:
        raise Invalid("say why; the worker reads it")
    if qualifications.end(grant, reason.strip()):
        _tell_ended(grant, reason.strip())
    audit.record(by, "withdraw", grant, reason=reason.strip())


def _tell_ended(grant: Grant, reason: str) -> None:
    subject = f"“{grant.qualification}” has ended for you"
    notices.tell(grant.worker.user_id, "qualification", subject, reason, qualifications.MINE)


def _decide(request: CredentialRequest, to: str, by: User, reason: str) -> None:
    if not by.is_staff:
        raise Forbidden
    if by.pk == request.worker.user_id:
        raise Forbidden("somebody else must look at your own request")
    if len(reason) > qualifications.REASON_MOST:
        raise Invalid(f"the reason may have {qualifications.REASON_MOST:,} characters")
    states.move(request, to, decided_by=by, decided_at=clock.now(), reason=reason.strip())
    audit.record(by, to, request)
