"""What workers have shown they can do: defined, granted, ended and given back."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Max, Q, QuerySet

from marketplace import accounts, audit
from marketplace.core import clock, statements
from marketplace.core.errors import Conflict, Forbidden, Invalid
from marketplace.core.strictjson import text_error
from marketplace.models import Organisation, Project, Role, User
from workers import lists, notices, profiles
from workers.models import Grant, Qualification, Worker

NAME_MOST, DESCRIPTION_MOST, REASON_MOST = 120, 2_000, 2_000
DAYS_MOST = 3_650
MINE = "/work/qualifications/"

# Whether worker w may be offered the paid work of project p: an expression, for statements that ask more at once
MEETS = """(w.state = 'active' AND (p.practice_size = 0 AND p.exam_size = 0 OR EXISTS (
    SELECT FROM workers_grant g JOIN workers_qualification q ON q.id = g.qualification_id
    WHERE g.worker_id = w.id AND q.project_id = p.id AND g.revoked_at IS NULL
        AND (g.expires_at IS NULL OR g.expires_at > clock_timestamp()))))"""

# Grants that live by an accuracy, and what that says of them now: surely below it, or about to expire and surely not.
# After a grant was given back, only what was measured since can end it.
DUE = """
SELECT g.id, CASE WHEN r.accuracy_p95 < p.grant_accuracy THEN 'end' ELSE 'renew' END,
    p.grant_accuracy, r.accuracy, r.accuracy_p05, r.accuracy_p95, r.judged
FROM marketplace_project p
JOIN workers_qualification q ON q.project_id = p.id
JOIN workers_grant g ON g.qualification_id = q.id AND g.revoked_at IS NULL
JOIN workers_reliability r ON r.project_id = p.id AND r.worker_id = g.worker_id
WHERE p.grant_accuracy > 0 AND (g.expires_at IS NULL OR g.expires_at > %(at)s)
    AND (r.accuracy_p95 < p.grant_accuracy AND r.updated_at > coalesce(g.restored_at, '-infinity')
         OR r.accuracy_p05 >= p.grant_accuracy AND p.grant_days > 0 AND g.expires_at <= %(renew_before)s)
ORDER BY g.id LIMIT %(limit)s
"""


class NameTaken(Conflict):
    title = "This name is used already"


@dataclass(frozen=True)
class Due:
    """A grant that is to be ended or renewed, and the figures that say so."""

    grant: int
    what: str  # end or renew
    wanted: float
    accuracy: float
    accuracy_p05: float
    accuracy_p95: float
    judged: float

    @property
    def facts(self) -> dict[str, float]:
        return {name: getattr(self, name) for name in ("wanted", "accuracy", "accuracy_p05", "accuracy_p95", "judged")}

    @property
    def reason(self) -> str:
        sure = self.accuracy_p95 if self.what == "end" else self.accuracy_p05
        bound = "at most" if self.what == "end" else "at least"
        return (
            f"Your accuracy here, measured on {self.judged:.0f} answers, is {bound} {sure:.0%} with 95 % certainty; "
            f"{self.wanted:.0%} is wanted."
        )


def grant(worker: Worker, project: Project, score: float, origin: str = Grant.Origin.PRACTICE) -> Grant:
    """Note that the worker passed a test of this project, for as long as it says; a grant in force is kept."""
    qualification, _ = Qualification.objects.get_or_create(
        project=project, defaults={"name": f"Practice: {project.title}"[:NAME_MOST]}
    )
    at = clock.now()
    until = at + timedelta(days=project.grant_days) if project.grant_days else None
    return put(worker, qualification, score, origin, None, until)[0]


def meets(worker: Worker, project: Project) -> bool:
    """Whether the worker may be offered this project's paid work."""
    both = "FROM workers_worker w, marketplace_project p WHERE w.id = %(worker)s AND p.id = %(project)s"
    return statements.rows(f"SELECT {MEETS} {both}", {"worker": worker.pk, "project": project.pk})[0][0]


@transaction.atomic
def define(organisation: Organisation, by: User, name: str, description: str = "") -> Qualification:
    """Make a qualification that this organisation grants."""
    accounts.require(by, organisation, Role.MANAGER)
    return _define(Qualification.Kind.ORGANISATION, organisation, by, name, description)


@transaction.atomic
def define_credential(by: User, name: str, description: str = "") -> Qualification:
    """Make a credential of the site, which admins verify."""
    if not by.is_staff:
        raise Forbidden
    return _define(Qualification.Kind.SITE, None, by, name, description)


@transaction.atomic
def give(
    qualification: Qualification, by: User, scores: Sequence[tuple[str, float]], days: int | None = None
) -> list[Grant]:
    """Grant an organisation's own qualification to workers it knows by pseudonym; all of them, or none.

    A score other than the one in force ends that grant and makes a new one.
    days    after which it expires; None: never
    raises  Invalid with each worker that is not known
    """
    home = _own(qualification, by)
    if len(scores) > settings.LIST_MOST_ROWS:
        raise Invalid(f"at most {settings.LIST_MOST_ROWS:,} at once")
    if days is not None and not 1 <= days <= DAYS_MOST:
        raise Invalid(f"days must lie between 1 and {DAYS_MOST:,}")
    found = profiles.by_pseudonyms(home, [name for name, _ in scores])
    lists.known([name for name, _ in scores], found)
    until = clock.now() + timedelta(days=days) if days else None
    by_worker = {found[name].pk: (found[name], score) for name, score in scores}
    given = []
    for _, (worker, score) in sorted(by_worker.items()):
        made, is_new = put(worker, qualification, score, Grant.Origin.MEMBER, by, until)
        given.append(made)
        if is_new:
            notices.tell(
                worker.user_id, "qualification", f"You hold “{qualification}” now", f"Granted by {home}.", MINE
            )
    audit.record(by, "give", qualification, workers=sorted(by_worker))
    return given


@transaction.atomic
def revoke(qualification: Qualification, by: User, pseudonym: str, reason: str) -> Grant:
    """End the grant of an organisation's own qualification; the worker is told the reason."""
    home = _own(qualification, by)
    found = profiles.by_pseudonyms(home, [pseudonym])
    lists.known([pseudonym], found)
    if not reason.strip() or len(reason) > REASON_MOST:
        raise Invalid(f"say in 1 to {REASON_MOST:,} characters why; the worker reads it")
    grant = counting(found[pseudonym].grants.all(), clock.now()).filter(qualification=qualification).first()
    if grant is None:
        raise Invalid("this worker does not hold it")
    end(grant, reason.strip())
    told = f"“{qualification}” has ended for you"
    notices.tell(grant.worker.user_id, "qualification", told, reason.strip(), MINE)
    audit.record(by, "revoke", qualification, worker=grant.worker_id, reason=reason.strip())
    return grant


def in_force(worker: Worker, project: Project) -> Grant | None:
    """What this worker showed in the project, if it still counts."""
    return counting(worker.grants.all(), clock.now()).filter(qualification__project=project).first()


def end(grant: Grant, reason: str = "") -> bool:
    """Let a grant count no more, and whether it did until now; again: nothing changes. Leases that are out stay.

    It tells nobody: whoever decided it does.
    """
    ended = {"revoked_at": clock.now(), "ended_because": reason}
    return Grant.objects.filter(pk=grant.pk, revoked_at=None).update(**ended) > 0


@transaction.atomic
def restore(grant: Grant) -> Grant:
    """Let a grant that was ended count again, with the time it lost; the one that counts, where there is another."""
    kept = Grant.objects.select_for_update(no_key=True).get(pk=grant.pk)
    if kept.revoked_at is None:
        return kept
    at = clock.now()
    others = Grant.objects.filter(worker=kept.worker_id, qualification=kept.qualification_id, revoked_at=None)
    if other := others.select_for_update(no_key=True).first():
        if other.expires_at is None or other.expires_at > at:
            return other
        _lapse(other)
    if kept.expires_at:
        kept.expires_at += at - kept.revoked_at
    kept.revoked_at, kept.ended_because, kept.restored_at = None, "", at
    kept.save(update_fields=["expires_at", "revoked_at", "ended_because", "restored_at"])
    return kept


def ended_at(worker: int, project: int) -> datetime | None:
    """When what this worker had shown in a project was last ended."""
    ended = Grant.objects.filter(worker=worker, qualification__project=project, revoked_at__isnull=False)
    return ended.aggregate(last=Max("revoked_at"))["last"]


@transaction.atomic
def renew(grant: Grant, reason: str) -> None:
    """Let a project's grant count for another term from now, and tell the worker why."""
    project = grant.qualification.project
    assert project
    at = clock.now()
    until = at + timedelta(days=project.grant_days)
    if Grant.objects.filter(pk=grant.pk, revoked_at=None).update(expires_at=until, renewed_at=at):
        subject = f"“{grant.qualification}” is renewed until {until:%Y-%m-%d}"
        notices.tell(grant.worker.user_id, "qualification", subject, reason, MINE)


def due(limit: int) -> list[Due]:
    """Grants of projects that live by an accuracy and are to be ended or renewed by it, found in one query."""
    at = clock.now()
    soon = at + timedelta(days=settings.GRANT_RENEW_DAYS)
    with connection.cursor() as cursor:
        cursor.execute(DUE, {"at": at, "renew_before": soon, "limit": limit})
        return [Due(*row) for row in cursor.fetchall()]


def counting(grants: "QuerySet[Grant]", at: datetime) -> "QuerySet[Grant]":
    """Those that count at this time."""
    return grants.filter(Q(expires_at=None) | Q(expires_at__gt=at), revoked_at=None)


@transaction.atomic
def put(
    worker: Worker, qualification: Qualification, score: float, origin: str, by: User | None, until: datetime | None
) -> tuple[Grant, bool]:
    """A grant in force, and whether it is new; a member's or admin's word replaces what was said before."""
    Worker.objects.select_for_update(no_key=True).get(pk=worker.pk)  # one at a time
    if home := qualification.organisation or (qualification.project and qualification.project.organisation):
        profiles.introduce(worker, home)
    at = clock.now()
    if before := Grant.objects.filter(worker=worker, qualification=qualification, revoked_at=None).first():
        has_lapsed = before.expires_at is not None and before.expires_at <= at
        is_same = by is None or (before.score == score and before.expires_at == until)
        if is_same and not has_lapsed:
            return before, False
        if has_lapsed:
            _lapse(before)
        else:
            Grant.objects.filter(pk=before.pk).update(revoked_at=at, ended_because="Replaced by a new grant.")
    made = Grant.objects.create(
        worker=worker,
        qualification=qualification,
        score=score,
        origin=origin,
        granted_by=by,
        granted_at=at,
        expires_at=until,
    )
    return made, True


def _lapse(grant: Grant) -> None:
    """Note that a grant ended when it expired, so that another may be in force."""
    Grant.objects.filter(pk=grant.pk).update(revoked_at=grant.expires_at, ended_because="It expired.")


def _define(kind: str, organisation: Organisation | None, by: User, name: str, description: str) -> Qualification:
    name, description = name.strip(), description.strip()
    if not name or len(name) > NAME_MOST or text_error(name):
        raise _invalid("name", f"must be a text of 1 to {NAME_MOST} characters")
    if len(description) > DESCRIPTION_MOST or text_error(description):
        raise _invalid("description", f"must have at most {DESCRIPTION_MOST:,} characters")
    made, is_new = Qualification.objects.get_or_create(
        kind=kind, organisation=organisation, name=name, defaults={"description": description}
    )
    if not is_new:
        raise NameTaken
    audit.record(by, "define", made, kind=kind)
    return made


def _own(qualification: Qualification, by: User) -> Organisation:
    """The organisation that grants this by the word of its managers."""
    if qualification.organisation is None:
        raise Invalid("only an organisation's own qualification is given by its managers")
    accounts.require(by, qualification.organisation, Role.MANAGER)
    return qualification.organisation


def _invalid(path: str, message: str) -> Invalid:
    return Invalid(message, errors=[{"path": path, "code": "length", "message": message}])
