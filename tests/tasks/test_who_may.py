"""The claim asks whether the worker qualifies; offers say what is missing, and some do not exist for everybody."""

import pytest
from django.db import connection
from django.urls import reverse

from marketplace import guidelines
from marketplace.core.errors import Forbidden, NotFound
from marketplace.models import Project
from tasks import assignments, conversations, way_in
from tasks.errors import GuidelineUnread, OwnWork, RequirementNotMet, Stopped
from tests.conftest import signed_in
from tests.tasks import work
from workers import groups, profiles, requirements, standings
from workers.models import Standing

pytestmark = pytest.mark.django_db
GERMANY = {"of": "country", "is": "EqualTo", "to": "DE"}


@pytest.fixture
def batch(rita):
    return work.published(items=12)


@pytest.fixture
def project(batch) -> Project:
    return Project.objects.get(pk=batch.project_id)


@pytest.fixture
def worker(wes):
    return work.worker("wes")


def test_who_does_not_qualify_claims_nothing_and_reads_what_is_missing(project, worker, rita):
    requirements.require(project, rita, {"all": [GERMANY, {"of": "answers", "is": "GreaterThan", "to": 5}]})
    with pytest.raises(RequirementNotMet) as refused:
        assignments.claim(worker, Project(pk=project.pk))
    assert refused.value.facts["missing"] == [
        "You live in Germany. Say on your profile in which country you live.",
        "The number of your answers that were accepted on this site is more than 5.",
    ]
    requirements.require(project, rita, GERMANY)
    profiles.state(worker, country="FR")
    with pytest.raises(RequirementNotMet):
        assignments.claim(worker, project)
    profiles.state(worker, country="DE")
    assert assignments.claim(worker, Project(pk=project.pk)).seats


def test_a_page_that_is_out_stays_when_the_requirement_changes(project, worker, rita):
    lease = assignments.claim(worker, project)
    requirements.require(project, rita, GERMANY)
    assert assignments.claim(worker, project) == lease
    assert work.answer(lease).state == "submitted"
    with pytest.raises(RequirementNotMet):
        assignments.claim(worker, project)


def test_it_is_asked_after_the_stop_and_before_the_guideline(project, worker, rita):
    requirements.require(project, rita, GERMANY)
    guidelines.write(project, rita, "# Look")
    stop = standings.put(worker, Standing.Kind.STOPPED, project=project)
    with pytest.raises(OwnWork):
        assignments.claim(profiles.of(rita), project)
    with pytest.raises(Stopped):
        assignments.claim(worker, project)
    assert way_in.next_step(worker, project).kind == "stopped"
    standings.lift(stop)
    with pytest.raises(RequirementNotMet):
        assignments.claim(worker, project)
    assert way_in.next_step(worker, project).kind == "requirement"
    profiles.state(worker, country="DE")
    with pytest.raises(GuidelineUnread):
        assignments.claim(worker, project)
    assert way_in.next_step(worker, project).kind == "read"


def test_without_a_requirement_a_claim_asks_nothing_more(project, worker, rita):
    def statements() -> int:
        asked: list[str] = []

        def note(execute, sql, *rest):
            asked.append(sql)
            return execute(sql, *rest)

        with connection.execute_wrapper(note):
            work.answer(assignments.claim(worker, project))
        return len(asked)

    statements()
    plain = statements()
    requirements.require(project, rita, GERMANY)
    profiles.state(worker, country="DE")
    assert statements() == plain + 1
    requirements.require(project, rita, None)
    assert statements() == plain


def test_a_project_for_groups_does_not_exist_for_others(project, worker, rita, sam):
    home = project.organisation
    group = groups.found(home, rita, "Ours", "private")
    requirements.require(project, rita, None, [group.public_id])
    groups.add(group, rita, [profiles.introduce(worker, home)])
    stranger = work.worker("sam")
    with pytest.raises(NotFound):
        assignments.claim(stranger, Project(pk=project.pk))
    with pytest.raises(Forbidden):
        conversations.ask(stranger, project, "What is it?")
    as_sam, as_wes = signed_in(sam), signed_in(worker.user)
    api = f"/api/v1/work/projects/{project.public_id}"
    pages = [reverse("work-project", args=[project.public_id]), api]
    assert [as_sam.get(path).status_code for path in pages] == [404, 404]
    assert (
        as_sam.post(f"{api}/claim", {}, "application/json").status_code
        == as_sam.post(f"{api}/practice").status_code
        == 404
    )
    assert [as_wes.get(path).status_code for path in pages] == [200, 200]
    for client, there in ((as_sam, False), (as_wes, True)):
        assert (project.title in client.get(reverse("work")).content.decode()) is there
        listed = client.get("/api/v1/work/projects").json()["items"]
        assert (project.public_id in [one["id"] for one in listed]) is there
    lease = assignments.claim(worker, project)
    groups.leave(group, worker)
    assert work.answer(lease).state == "submitted"  # the page that was out
    with pytest.raises(NotFound):
        assignments.claim(worker, project)
    assert [as_wes.get(path).status_code for path in pages] == [404, 404]


def test_offers_show_what_is_missing_by_page_and_api(project, worker, rita):
    requirements.require(project, rita, GERMANY)
    client = signed_in(worker.user)
    missing = "You live in Germany. Say on your profile in which country you live."
    (offer,) = client.get("/api/v1/work/projects").json()["items"]
    assert offer["missing"] == [missing]
    detail = client.get(f"/api/v1/work/projects/{project.public_id}").json()
    assert detail["next"] == "requirement"
    assert detail["requirement"] == [
        {
            "text": "You live in Germany",
            "state": "unknown",
            "note": "Say on your profile in which country you live.",
            "is_in_the_way": True,
        }
    ]
    assert missing in client.get(reverse("work")).content.decode()
    assert missing in client.get(reverse("work-project", args=[project.public_id])).content.decode()
    claim = f"/api/v1/work/projects/{project.public_id}/claim"
    answer = client.post(claim, {}, "application/json")
    assert (answer.status_code, answer.json()["type"]) == (403, "/problems/requirement-not-met")
    assert answer.json()["missing"] == [missing]
    client.patch("/api/v1/work/profile", {"country": "DE"}, "application/json")
    assert client.post(claim, {}, "application/json").status_code == 201
