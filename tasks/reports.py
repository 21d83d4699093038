"""Reports of what should not be here; a person without a part in it looks, and nothing of it counts against anyone."""

from django.db import transaction
from django.urls import reverse

from marketplace import audit
from marketplace.core import clock, states
from marketplace.core.errors import Forbidden, Invalid
from marketplace.core.strictjson import text_error
from marketplace.models import Membership, Project, Role, User
from tasks import conversations
from tasks.models import Assignment, Message, Report
from workers import groups, notices, profiles

TEXT_MOST = 5_000


@transaction.atomic
def report(
    by: User,
    reason_code: str,
    text: str = "",
    *,
    project: Project | None = None,
    assignment: Assignment | None = None,
    position: int | None = None,
    message: Message | None = None,
) -> Report:
    """Tell the admins of a project, of one task of a page of one's own, or of a message the other side wrote.

    A repeated call about the same thing returns the first report.
    raises  Forbidden (it is not before this person), Invalid
    """
    if reason_code not in Report.Reason.values:
        raise _invalid("reason_code", "option", f"must be one of {', '.join(Report.Reason.values)}")
    words = text.strip()
    if text_error(words) or len(words) > TEXT_MOST:
        raise _invalid("text", "length", f"must have at most {TEXT_MOST:,} characters")
    thing = _thing(by, project, assignment, position, message)
    made, is_new = Report.objects.get_or_create(
        reporter=by, **thing, defaults={"reason_code": reason_code, "text": words, "reported_at": clock.now()}
    )
    if is_new:
        audit.record(by, "report", made)
    return made


@transaction.atomic
def settle(report: Report, by: User, reason: str, pause_project: bool = False) -> Report:
    """Say that there was something to it, and what follows; the reporter is told.

    pause_project  stop giving out the project's work; its organisation may resume it when it is put right
    raises         Forbidden, Invalid, IllegalMove
    """
    _decide(report, Report.State.SETTLED, by, reason)
    project = report.project
    if pause_project and project.state == Project.State.OPEN:
        states.move(project, Project.State.PAUSED)
        audit.record(by, "pause", project, report=report.pk)
        owners = Membership.objects.filter(organisation=project.organisation_id, role=Role.OWNER)
        people = owners.order_by("pk").values_list("user", flat=True)[: conversations.TOLD_MOST]
        link = reverse("project", args=[project.public_id])
        notices.tell_all(people, "decision", f"An admin paused {project}", report.reason, link)
    return report


@transaction.atomic
def dismiss(report: Report, by: User, reason: str) -> Report:
    """Say that there was nothing to it; the reporter is told, and bears nothing for it."""
    _decide(report, Report.State.DISMISSED, by, reason)
    return report


def _thing(
    by: User, project: Project | None, assignment: Assignment | None, position: int | None, message: Message | None
) -> dict[str, object]:
    """What is reported, as columns; it must be before the person."""
    if sum(one is not None for one in (project, assignment, message)) != 1:
        raise Invalid("report a project, a task or a message: one of them")
    nothing = {"message": None, "assignment": None, "position": None}
    if message is not None:
        by_worker = conversations.is_worker_of(message.conversation, by)
        if message.by_worker == by_worker:
            raise Forbidden("this was written by your own side")
        return {**nothing, "project": message.conversation.project, "message": message}
    if assignment is not None:
        if assignment.worker.user_id != by.pk:
            raise Forbidden("this is no page of yours")
        if position is None or not assignment.answers.filter(position=position).exists():
            raise _invalid("position", "unknown", f"there is no position {position} on this page")
        return {**nothing, "project": assignment.project, "assignment": assignment, "position": position}
    worked = Assignment.objects.filter(worker__user=by, project=project)
    offered = Project.objects.offered().filter(pk=project.pk)  # type: ignore[union-attr]
    if not groups.open_to(profiles.of(by), offered).exists() and not worked.exists():
        raise Forbidden("this project is not offered to you")
    return {**nothing, "project": project}


def _decide(report: Report, to: str, by: User, reason: str) -> None:
    if not by.is_staff:
        raise Forbidden("reports are settled by admins")
    if by.pk in _parts(report):
        raise Forbidden("someone who has no part in it must settle it")
    if Membership.objects.filter(user=by, organisation=report.project.organisation_id).exists():
        raise Forbidden("a member of the organisation cannot settle reports about it")
    words = reason.strip()
    if not words or text_error(words) or len(words) > TEXT_MOST:
        raise Invalid("say why; the reporter reads it")
    states.move(report, to, decided_by=by, reason=words, decided_at=clock.now())
    audit.record(by, to, report)
    subject = {Report.State.SETTLED: "Your report was followed up", Report.State.DISMISSED: "Your report was dismissed"}
    notices.tell(report.reporter_id, "report", subject[Report.State(to)], words, reverse("my-reports"))


def _parts(report: Report) -> set[int]:
    """Who wrote it or is written about."""
    parts = {report.reporter_id}
    if report.message:
        parts |= {report.message.author_id, report.message.conversation.worker.user_id}
    return parts


def _invalid(path: str, code: str, message: str) -> Invalid:
    return Invalid(message, errors=[{"path": path, "code": code, "message": message}])
