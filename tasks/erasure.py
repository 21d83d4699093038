"""Deleting an account: what must be settled first, and what is forgotten then.

The person goes; labels, answers, evidence, decisions and pay stay under keys that no page resolves to anybody. What
people typed themselves is scrubbed: SCRUBBED lists the columns of this app, `workers.profiles.erase` and
`marketplace.accounts.erase` theirs. What is decided about, an answer's own text among it, is the requester's label.
"""

import logging
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from django.conf import settings
from django.core.mail import send_mail
from django.db import transaction
from django.db.models import F, QuerySet, Sum
from django.template.loader import render_to_string

from marketplace import accounts
from marketplace.core.errors import Conflict
from marketplace.core.money import show
from marketplace.models import Membership, Organisation, Project, Role, User
from payments import balances, billing, payout_accounts, payouts
from payments.models import Account
from tasks import appeals, assignments
from tasks.models import Answer, Appeal, Assignment, GoldContest, Message, Report, Statement
from workers import profiles
from workers.models import Notice, Worker

LISTED = 20
OWED = [Answer.State.SUBMITTED, Answer.State.ACCEPTED, Answer.State.EXCLUDED]
log = logging.getLogger(__name__)

# Texts of the worker's own, and what stands in their place; every new table with such a text belongs here
SCRUBBED: list[tuple[Callable[[Worker], "QuerySet[Any]"], dict[str, Any]]] = [
    (lambda worker: Assignment.objects.filter(worker=worker, draft__isnull=False), {"draft": None}),
    (lambda worker: Statement.objects.filter(appeal__decision__worker=worker, side="worker"), {"text": ""}),
    (lambda worker: Notice.objects.filter(pk__in=_quoting(worker)), {"text": ""}),  # while the statements are there
    (lambda worker: Appeal.objects.filter(decision__worker=worker), {"statement": ""}),
    (lambda worker: GoldContest.objects.filter(worker=worker), {"statement": ""}),
    (lambda worker: Message.objects.filter(author=worker.user_id), {"text": ""}),
    (lambda worker: Report.objects.filter(reporter=worker.user_id), {"text": ""}),
]


class CannotErase(Conflict):
    title = "This account cannot be deleted yet"


@dataclass(frozen=True)
class Obstacle:
    """Something to settle before an account is deleted."""

    code: str  # leases, waiting, pending, earnings, rest, payout, appeal, organisation
    detail: str


def obstacles(user: User) -> list[Obstacle]:
    """What stands in the way; of it, `rest` may be given up."""
    worker = profiles.of(user)
    return [*_work(worker), *_money(user), *_appeals(worker), *_organisations(user)]


def open_leases(user: User) -> "QuerySet[Assignment]":
    return profiles.of(user).assignments.filter(state=Assignment.State.OPEN)


def give_back_all(user: User) -> int:
    """Return every page that is still open; how many there were."""
    leases = list(open_leases(user)[:LISTED])
    for lease in leases:
        assignments.give_back(lease)
    return len(leases)


def erase(user: User, *, leave_rest: bool = False) -> None:
    """Delete the account of this person for good; again: nothing changes. A letter tells, while there is an address.

    leave_rest  give up earnings that are too small to be paid out
    raises      CannotErase  with the obstacles
    """
    if User.objects.filter(pk=user.pk, erased_at__isnull=False).exists():
        return
    _refuse(user, leave_rest)
    _tell(user)  # the mail server is asked while no lock is held
    _erase(user, leave_rest)


@transaction.atomic
def _erase(user: User, leave_rest: bool) -> None:
    user = User.objects.select_for_update(no_key=True).get(pk=user.pk)
    if user.erased_at:
        return
    worker = profiles.of(user)
    profiles.erase(worker)  # first: from now on nothing is claimed, so that what is looked at below stays so
    _refuse(user, leave_rest)
    for rows, blank in SCRUBBED:
        rows(worker).update(**blank)
    payout_accounts.erase(user)
    billing.forget_details_of(user)  # while it is known where they were a member
    accounts.erase(user)


def _quoting(worker: Worker) -> list[int]:
    """Notices of those who decided, in which they were told what the worker said against it."""
    found: list[int] = []
    contested = Appeal.objects.filter(decision__worker=worker, decision__decided_by__isnull=False)
    for whom, said in contested.values_list("decision__decided_by", "statement"):
        told = Notice.objects.filter(user=whom, kind="appeal", text__contains=said[: appeals.QUOTED])
        found += told.values_list("pk", flat=True)
    return found


def _refuse(user: User, leave_rest: bool) -> None:
    found = [one for one in obstacles(user) if not (leave_rest and one.code == "rest")]
    if found:
        raise CannotErase(" ".join(one.detail for one in found), obstacles=[asdict(one) for one in found])


def _work(worker: Worker) -> list[Obstacle]:
    found = []
    if leases := worker.assignments.filter(state=Assignment.State.OPEN).count():
        found.append(Obstacle("leases", f"You hold {_several(leases, 'page')} of tasks. Hand in or give back first."))
    unpaid = worker.answers.filter(submitted_at__isnull=False, entry=None, price_micros__gt=0, state__in=OWED)
    if unpaid.exists():
        detail = "Answers of yours wait to be accepted or booked. They are paid first; My answers lists them."
        found.append(Obstacle("waiting", detail))
    return found


def _money(user: User) -> list[Obstacle]:
    found = []
    if user.payouts.filter(state__in=payouts.WAITING, mode=settings.MODE).exists():
        found.append(Obstacle("payout", "A payout is on its way to you. Wait until it has arrived."))
    for earning in [one for one in balances.of_user(user) if one.mode == settings.MODE]:
        if earning.pending:
            pending, last = show(earning.pending_micros, earning.currency), earning.pending[-1].payable_from
            detail = f"You have earned {pending} that can be paid out from {last} on. Wait until then."
            found.append(Obstacle("pending", detail))
        available = show(earning.available_micros, earning.currency)
        if earning.available_micros >= settings.PAYOUT_LEAST_MICROS:
            found.append(Obstacle("earnings", f"You have earned {available}. Have it paid out first."))
        elif earning.available_micros:
            detail = f"You have earned {available}. Close where you are paid: it is paid out then; or give it up."
            found.append(Obstacle("rest", detail))
    return found


def _appeals(worker: Worker) -> list[Obstacle]:
    """An appeal that is upheld pays, and can be answered by nobody who is gone: it is decided first, in time."""
    first = Appeal.objects.filter(decision__worker=worker, state=Appeal.State.OPEN).order_by("due_at").last()
    if first is None:
        return []
    return [Obstacle("appeal", f"An appeal of yours is open. It is decided by {first.due_at:%Y-%m-%d} at the latest.")]


def _organisations(user: User) -> list[Obstacle]:
    """Those of which nobody else is an owner, and in which there is somebody or something to look after."""
    others = Membership.objects.filter(role=Role.OWNER).exclude(user=user).values("organisation")
    owned = Organisation.objects.filter(memberships__user=user, memberships__role=Role.OWNER)
    return [
        Obstacle("organisation", f"You are the only owner of {one}. {why} Make somebody else an owner, or settle that.")
        for one in owned.exclude(pk__in=others).order_by("pk")
        if (why := _still_there(one))
    ]


def _still_there(organisation: Organisation) -> str:
    if organisation.memberships.count() > 1:
        return "It has other members."
    money = organisation.accounts.filter(kind__in=[Account.Kind.PREPAID, Account.Kind.RESERVE])
    if money.aggregate(micros=Sum(F("credits_micros") - F("debits_micros")))["micros"]:
        return "It has money."
    if organisation.projects.filter(state__in=[Project.State.OPEN, Project.State.PAUSED]).exists():
        return "It has open projects."
    return ""


def _tell(user: User) -> None:
    """A letter that the account is being deleted; the deletion waits for no mail server."""
    facts = {"years": settings.PAY_RECORDS_YEARS, "site": settings.SITE_URL}
    try:
        send_mail(
            f"{settings.ACCOUNT_EMAIL_SUBJECT_PREFIX}Your account is deleted",
            render_to_string("tasks/letters/erased.txt", facts),
            None,
            [user.email],
        )
    except OSError:  # also what smtplib raises
        log.exception("the letter about a deleted account could not be sent")


def _several(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"
