"""Reports: once of each thing, settled by somebody without a part in it, and held against nobody."""

from typing import Any

import pytest
from django.urls import reverse

from marketplace import accounts
from marketplace.core.errors import Forbidden, IllegalMove, Invalid
from marketplace.models import Project
from tasks import assignments, conversations, reports
from tasks.models import Answer, Assignment, Conduct, Decision, Evidence, Report
from tests import make
from tests.conftest import signed_in
from tests.tasks import work
from workers.models import Notice, Reliability, Standing

pytestmark = pytest.mark.django_db

EVIL = "<script>alert(1)</script>"


@pytest.fixture
def lease() -> Assignment:
    return assignments.claim(work.worker(), work.published(items=9).project)


def reported(lease: Assignment, **about: Any) -> Report:
    about = about or {"assignment": lease, "position": 0}
    return reports.report(lease.worker.user, "disturbing", "It is cruel.", **about)


def text(response: Any) -> str:
    assert response.status_code == 200, response.status_code
    return response.content.decode()


# Reporting


def test_a_thing_is_reported_once_by_each_person(lease, wes):
    first = reported(lease)
    assert reports.report(wes, "other", "Again.", assignment=lease, position=0) == first
    first.refresh_from_db()
    assert (first.about, first.reason_code, first.text) == ("task", "disturbing", "It is cruel.")
    assert reported(lease, project=lease.project).about == "project"
    assert reported(lease, project=lease.project).about == "project"
    assert reported(lease, assignment=lease, position=1).about == "task"
    assert Report.objects.count() == 3


def test_one_reports_what_is_before_one(lease, rita, wes, sam):
    asked = conversations.ask(lease.worker, lease.project, "You fool?")
    answer = conversations.reply(asked, rita, "Fool yourself.")
    question = asked.messages.get(by_worker=True)
    assert reports.report(wes, "abusive", message=answer).about == "message"
    assert reports.report(rita, "abusive", message=question).about == "message"
    for person, about in (
        (wes, {"message": question}),  # one's own
        (rita, {"message": answer}),
        (sam, {"message": answer}),
        (sam, {"assignment": lease, "position": 0}),
        (sam, {"project": make.project()}),  # a draft
    ):
        with pytest.raises(Forbidden):
            reports.report(person, "abusive", **about)
    for wrong in (
        {},
        {"project": lease.project, "assignment": lease, "position": 0},
        {"assignment": lease, "position": 3},
        {"assignment": lease},
    ):
        with pytest.raises(Invalid):
            reports.report(wes, "abusive", **wrong)


def test_a_report_says_why_in_bounds(lease, wes):
    about = {"assignment": lease, "position": 0}
    for code, words in (("nonsense", ""), ("other", "x" * 5_001), ("other", "a\0b")):
        with pytest.raises(Invalid):
            reports.report(wes, code, words, **about)
    assert reports.report(wes, "other", "x" * 5_000, **about)


# Settling


def test_an_admin_settles_and_the_reporter_is_told(lease, ada, wes, rita):
    report = reports.settle(reported(lease), ada, "We took it away.", pause_project=True)
    assert (report.state, report.decided_by) == ("settled", ada)
    told = Notice.objects.get(user=wes, kind="report")
    assert (told.subject, told.text) == ("Your report was followed up", "We took it away.")
    assert Project.objects.get(pk=lease.project_id).state == "paused"
    assert Notice.objects.get(user=rita, kind="decision").subject == "An admin paused Animals"
    with pytest.raises(IllegalMove):
        reports.dismiss(report, ada, "Or not.")


def test_a_report_is_dismissed_with_a_reason(lease, ada, wes):
    report = reported(lease)
    for words in (" ", "x" * 5_001, "a\0b"):
        with pytest.raises(Invalid):
            reports.dismiss(report, ada, words)
    reports.dismiss(report, ada, "It is a cat.")
    assert report.state == "dismissed"
    assert Notice.objects.get(user=wes, kind="report").subject == "Your report was dismissed"
    assert Project.objects.get(pk=lease.project_id).state == "open"


def test_who_has_a_part_in_it_does_not_settle_it(lease, ada, rita, wes):
    asked = conversations.ask(lease.worker, lease.project, "You fool?")
    by_worker = reports.report(rita, "abusive", message=asked.messages.get())
    with pytest.raises(Forbidden):
        reports.settle(reported(lease), rita, "No.")  # no admin
    wes.is_staff = rita.is_staff = True
    with pytest.raises(Forbidden):
        reports.settle(by_worker, rita, "No.")  # she made it
    with pytest.raises(Forbidden):
        reports.dismiss(by_worker, wes, "No.")  # he wrote it
    accounts.add_member(lease.project.organisation, ada.email, "reviewer", make.user("rita"))
    with pytest.raises(Forbidden):
        reports.dismiss(by_worker, ada, "No.")  # a member
    assert reports.dismiss(by_worker, make.user("anna", staff=True), "It is rude, no more.").state == "dismissed"


def test_two_admins_settle_a_report_once(lease, ada):
    report = reported(lease)
    stale = Report.objects.get(pk=report.pk)
    reports.settle(report, ada, "It is.")
    with pytest.raises(IllegalMove):
        reports.dismiss(stale, make.user("anna", staff=True), "It is not.")


def test_reports_move_no_figure_of_anybody(lease, ada, rita):
    work.answer(lease)
    work.sweep()
    figures = (Answer, Evidence, Reliability, Decision, Conduct, Standing)
    before = [list(model.objects.order_by("pk").values()) for model in figures]
    asked = conversations.ask(lease.worker, lease.project, "You fool?")
    reports.settle(reports.report(rita, "abusive", message=asked.messages.get()), ada, "Be kind.")
    reports.dismiss(reported(lease), ada, "It is a cat.")
    work.sweep()
    assert [list(model.objects.order_by("pk").values()) for model in figures] == before


# Pages and API


def test_a_task_is_reported_and_skipped_with_one_button(lease, wes):
    client, address = signed_in(wes), reverse("report-task", args=[lease.public_id, 0])
    assert "Report and skip the task" in text(client.get(address))
    response = client.post(address, {"reason_code": "disturbing", "skip": "1"})
    assert response["Location"] == reverse("assignment", args=[lease.public_id])
    assert lease.answers.get(position=0).state == "skipped"
    assert Report.objects.get().position == 0
    assert "Report and skip" not in text(client.get(address))
    client.post(reverse("report-task", args=[lease.public_id, 1]), {"reason_code": "broken"})
    assert lease.answers.get(position=1).state == "leased"
    assert text(client.get(reverse("my-reports"))).count("Waiting for an admin") == 2


def test_messages_and_projects_are_reported_on_their_pages(lease, rita, wes, as_rita, as_sam):
    asked = conversations.ask(lease.worker, lease.project, "You fool?")
    address = reverse("report-message", args=[asked.messages.get().public_id])
    assert "You fool?" in text(as_rita.get(address))
    assert as_rita.post(address, {"reason_code": "abusive"}).status_code == 302
    assert as_sam.get(address).status_code == 404
    assert signed_in(wes).get(address).status_code == 404
    assert as_sam.post(reverse("report-project", args=[lease.project.public_id]), {"reason_code": "illegal"})
    assert sorted(report.about for report in Report.objects.all()) == ["message", "project"]


def test_an_admin_sees_the_evidence_and_settles_on_the_admins_page(lease, ada, wes, rita):
    asked = conversations.ask(lease.worker, lease.project, EVIL)
    by_message = reports.report(rita, "abusive", EVIL, message=asked.messages.get())
    by_task = reported(lease)
    client = signed_in(ada)
    assert client.get(reverse("admin:tasks_report_changelist")).status_code == 200
    page = text(client.get(reverse("admin:tasks_report_change", args=[by_message.pk])))
    assert EVIL not in page
    assert page.count("&lt;script&gt;alert(1)") == 2
    address = reverse("admin:tasks_report_change", args=[by_task.pk])
    assert lease.answers.get(position=0).task.item.payload["text"] in text(client.get(address))
    assert "Say why" in text(client.post(address, {"verdict": "settle", "reason": ""}, follow=True)).replace(
        "say", "Say"
    )
    client.post(address, {"verdict": "settle", "reason": "It is cruel.", "pause_project": "on"})
    by_task.refresh_from_db()
    assert (by_task.state, Project.objects.get(pk=lease.project_id).state) == ("settled", "paused")
    assert signed_in(wes).get(address).status_code == 302


def test_reports_over_the_api(lease, ada, wes, as_sam):
    client = signed_in(wes)
    body = {"assignment": lease.public_id, "position": 0, "reason_code": "personal", "text": "A face."}
    row = client.post("/api/v1/reports/mine", body, "application/json").json()
    assert (row["about"], row["position"], row["state"]) == ("task", 0, "open")
    assert as_sam.post("/api/v1/reports/mine", body, "application/json").status_code == 404
    assert client.get("/api/v1/reports").json()["items"] == []
    assert client.get(f"/api/v1/reports/{row['id']}").status_code == 404
    admin = signed_in(ada)
    (listed,) = admin.get("/api/v1/reports?state=open").json()["items"]
    assert listed["reporter"] == wes.public_id
    settled = admin.post(f"/api/v1/reports/{row['id']}/settle", {"reason": "Gone."}, "application/json")
    assert settled.json()["state"] == "settled"
    (mine,) = client.get("/api/v1/reports/mine").json()["items"]
    assert (mine["state"], mine["reason"], "reporter" in mine) == ("settled", "Gone.", False)


def test_reports_are_counted(lease, wes, settings):
    settings.LIMITS = {**settings.LIMITS, "report": (1, 3600)}
    client = signed_in(wes)
    assert client.post(reverse("report-task", args=[lease.public_id, 0]), {"reason_code": "broken"}).status_code == 302
    page = text(client.post(reverse("report-task", args=[lease.public_id, 1]), {"reason_code": "broken"}))
    assert "too often" in page
    assert Report.objects.count() == 1
