"""Groups of workers: who is in, who is asked in, who leaves; and what only they may see."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.core.mail import send_mail
from django.db import transaction
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.db.models.functions import Lower

from marketplace import accounts, audit
from marketplace.core import clock, jobs, limits
from marketplace.core.errors import Conflict, Forbidden, Invalid
from marketplace.core.strictjson import text_error
from marketplace.models import Organisation, Project, Role, User
from workers import lists, notices, profiles
from workers.models import Audience, Group, GroupMember, Invitation, Worker
from workers.qualifications import MINE, NAME_MOST, NameTaken

FORGET_STEP = 1_000
# That worker w belongs to a group for which project p is: an expression, for statements that ask more at once
IS_AMONG = """EXISTS (SELECT FROM workers_audience a JOIN workers_groupmember m ON m.group_id = a.group_id
    WHERE a.project_id = p.id AND a.ended_at IS NULL AND m.worker_id = w.id AND m.removed_at IS NULL)"""


class InvitationOver(Conflict):
    title = "This invitation is over"


@transaction.atomic
def found(organisation: Organisation | None, by: User, name: str, kind: str = Group.Kind.LIST) -> Group:
    """Make a group of an organisation's, by its managers; without one, of the site, by staff."""
    _may(organisation, by)
    name = name.strip()
    if not name or len(name) > NAME_MOST or text_error(name):
        raise _invalid("name", f"must be a text of 1 to {NAME_MOST} characters")
    if kind not in Group.Kind.values:
        raise _invalid("kind", f"must be one of {', '.join(Group.Kind.values)}")
    made, is_new = Group.objects.get_or_create(organisation=organisation, name=name, defaults={"kind": kind})
    if not is_new:
        raise NameTaken
    audit.record(by, "found", made, kind=kind)
    return made


@transaction.atomic
def add(group: Group, by: User, pseudonyms: Sequence[str]) -> int:
    """Put workers into a group, whom its organisation knows by these names; all, or none. Returns how many are new.

    raises  Invalid with each name that is not known
    """
    _may(group.organisation, by)
    if group.organisation is None:
        raise Invalid("pseudonyms are an organisation's; invite people into a group of the site")
    if len(pseudonyms) > settings.LIST_MOST_ROWS:
        raise Invalid(f"at most {settings.LIST_MOST_ROWS:,} at once")
    found = profiles.by_pseudonyms(group.organisation, pseudonyms)
    lists.known(list(pseudonyms), found)
    new = _enter(group, by, list(found.values()))
    audit.record(by, "add", group, workers=sorted(worker.pk for worker in new))
    return len(new)


@transaction.atomic
def remove(group: Group, by: User, pseudonym: str) -> None:
    """Take a worker out of a group; leases that are out stay."""
    _may(group.organisation, by)
    found = profiles.by_pseudonyms(group.organisation, [pseudonym]) if group.organisation else {}
    lists.known([pseudonym], found)
    _go(group, found[pseudonym])
    audit.record(by, "remove", group, worker=found[pseudonym].pk)


@transaction.atomic
def leave(group: Group, worker: Worker) -> None:
    """Leave a group; again: nothing changes."""
    _go(group, worker)
    audit.record(worker.user, "leave", group)


def invite(group: Group, by: User, email: str) -> Invitation:
    """Ask somebody in by letter; the same for every address, whether anybody here has it or not.

    An address that is asked already is asked once more by the same invitation.
    raises  Invalid, Forbidden, TooManyRequests
    """
    _may(group.organisation, by)
    limits.spend("invitation", by.pk)
    limits.spend("letter", email.strip().lower())
    return _invite(group, by, email.strip().lower())


@transaction.atomic
def _invite(group: Group, by: User, email: str) -> Invitation:
    at = clock.now()
    until = at + timedelta(days=settings.INVITATION_DAYS)
    made, is_new = Invitation.objects.get_or_create(
        group=group, email=email, defaults={"invited_by": by, "invited_at": at, "expires_at": until}
    )
    if not is_new:
        Invitation.objects.filter(pk=made.pk).update(expires_at=until)
    audit.record(by, "invite", made)
    jobs.enqueue("workers.jobs.send_invitation", made.pk)
    return made


def send(pk: int) -> None:
    """Send the letter of an invitation that stands."""
    invitation = Invitation.objects.select_related("group__organisation").filter(pk=pk).exclude(email="").first()
    if invitation is None:
        return
    group = invitation.group
    home = group.organisation or "Manyhands"
    send_mail(
        f"{settings.ACCOUNT_EMAIL_SUBJECT_PREFIX}{home} asks you into “{group}”"[:200].replace("\n", " "),
        f"{home} asks you into the group “{group}” of those who work for it.\n\n"
        "Sign in, or sign up with this address and confirm it. Under “My qualifications” you find the invitation, "
        f"until {invitation.expires_at:%Y-%m-%d}.\n\nIf you do not want this, do nothing.\n",
        None,
        [invitation.email],
    )


@transaction.atomic
def withdraw(invitation: Invitation, by: User) -> None:
    """Take an invitation back; again: nothing changes."""
    _may(invitation.group.organisation, by)
    Invitation.objects.filter(pk=invitation.pk).update(email="")
    audit.record(by, "withdraw", invitation)


@transaction.atomic
def accept(invitation: Invitation, worker: Worker) -> Group:
    """Enter the group one was asked into."""
    kept = Invitation.objects.select_for_update(no_key=True).select_related("group", "invited_by").get(pk=invitation.pk)
    at = clock.now()
    if kept.accepted_at or not kept.email or kept.expires_at <= at:
        raise InvitationOver
    _enter(kept.group, kept.invited_by, [worker])
    Invitation.objects.filter(pk=kept.pk).update(email="", accepted_at=at)
    audit.record(worker.user, "accept", kept)
    return kept.group


def invitations(group: Group, by: User) -> "QuerySet[Invitation]":
    """Who was asked in and has not answered; for those who may ask, since addresses stand there.

    raises  Forbidden
    """
    _may(group.organisation, by)
    return group.invitations.exclude(email="")


def invitations_of(user: User) -> "QuerySet[Invitation]":
    """The invitations that stand for the addresses this person has confirmed."""
    confirmed = user.emailaddress_set.filter(verified=True)  # type: ignore[attr-defined]
    mine = Invitation.objects.exclude(email="").filter(email__in=confirmed.values(low=Lower("email")))
    return mine.filter(expires_at__gt=clock.now()).select_related("group__organisation")


@transaction.atomic
def forget_invitations(limit: int = FORGET_STEP) -> bool:
    """Drop the addresses of invitations that are over; True while there are more."""
    over = Invitation.objects.exclude(email="").filter(expires_at__lte=clock.now()).order_by("expires_at")
    found = list(over.select_for_update(skip_locked=True).values_list("pk", flat=True)[:limit])
    Invitation.objects.filter(pk__in=found).update(email="")
    return len(found) == limit


def members(group: Group) -> "QuerySet[GroupMember]":
    """Who is in it now."""
    return group.memberships.filter(removed_at=None).select_related("worker")


def of(worker: Worker) -> "QuerySet[GroupMember]":
    """The groups a worker is in now."""
    return worker.memberships.filter(removed_at=None).select_related("group__organisation")


def open_to(worker: Worker, projects: "QuerySet[Project]") -> "QuerySet[Project]":
    """Those of these projects that exist for this worker: for all, or for a group they are in."""
    here = Audience.objects.filter(project=OuterRef("pk"), ended_at=None)
    mine = here.filter(group__memberships__worker=worker, group__memberships__removed_at=None)
    return projects.filter(Q(is_private=False) | Exists(mine))


def _enter(group: Group, by: User, workers: list[Worker]) -> list[Worker]:
    at = clock.now()
    there = set(group.memberships.filter(removed_at=None, worker__in=workers).values_list("worker", flat=True))
    new = [worker for worker in workers if worker.pk not in there]
    rows = [GroupMember(group=group, worker=worker, added_by=by, added_at=at) for worker in new]
    GroupMember.objects.bulk_create(rows, ignore_conflicts=True)
    for worker in new:
        if group.organisation:
            profiles.introduce(worker, group.organisation)
    home = group.organisation or "this site"
    for worker in new:
        text = f"It is a group of {home}. You can leave it at any time."
        notices.tell(worker.user_id, "qualification", f"You are in the group “{group}” now"[:200], text, MINE)
    return new


def _go(group: Group, worker: Worker) -> None:
    group.memberships.filter(worker=worker, removed_at=None).update(removed_at=clock.now())


def _may(organisation: Organisation | None, by: User) -> None:
    if organisation:
        accounts.require(by, organisation, Role.MANAGER)
    elif not by.is_staff:
        raise Forbidden


def _invalid(path: str, message: str) -> Invalid:
    facts: dict[str, Any] = {"path": path, "code": "value", "message": message}
    return Invalid(message, errors=[facts])
