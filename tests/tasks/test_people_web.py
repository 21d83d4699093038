"""Qualifications, groups, requirements and what people state, by API, by page and in the admin."""

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from marketplace.models import Organisation, Project
from tests import make
from tests.conftest import signed_in
from tests.tasks import work
from workers import credentials, groups, profiles, qualifications, requirements
from workers.models import CredentialRequest, Grant, Group, Qualification

pytestmark = pytest.mark.django_db
GERMANY = {"of": "country", "is": "EqualTo", "to": "DE"}


@pytest.fixture
def lab(rita) -> Organisation:
    return make.organisation(rita)


@pytest.fixture
def name(lab, wes) -> str:
    return profiles.introduce(work.worker("wes"), lab)


def send(client, path, body, method="post"):
    return getattr(client, method)(f"/api/v1{path}", body, "application/json")


def test_an_organisation_grants_and_revokes_by_api(lab, as_rita, wes, name):
    made = send(as_rita, f"/organisations/{lab.public_id}/qualifications", {"name": "Birds"})
    assert (made.status_code, made.json()["kind"]) == (201, "organisation")
    here = f"/qualifications/{made.json()['id']}"
    assert send(as_rita, f"{here}/grants", {"csv": f"worker,score\n{name},0.5\n"}).json() == {"granted": 1}
    (grant,) = as_rita.get(f"/api/v1{here}/grants").json()["items"]
    assert (grant["worker"], grant["score"], grant["origin"]) == (name, 0.5, "member")
    wrong = send(as_rita, f"{here}/grants", {"grants": [{"worker": "w_0123456789abcdef"}]})
    assert (wrong.status_code, wrong.json()["errors"][0]["path"]) == (422, "workers[0]")
    assert send(as_rita, f"{here}/grants", {"csv": "x"}).json()["errors"][0]["path"] == "line 1"
    (mine,) = signed_in(wes).get("/api/v1/work/grants").json()["items"]
    assert (mine["qualification"]["name"], mine["organisation"], mine["score"]) == ("Birds", "Rita's lab", 0.5)
    assert send(as_rita, f"{here}/revoke", {"worker": name, "reason": "A mistake."}).status_code == 204
    (mine,) = signed_in(wes).get("/api/v1/work/grants").json()["items"]
    assert mine["ended_because"] == "A mistake."


def test_a_group_is_filled_by_api_and_left_by_its_workers(lab, as_rita, wes, name):
    made = send(as_rita, f"/organisations/{lab.public_id}/groups", {"name": "Ours", "kind": "private"}).json()
    here = f"/groups/{made['id']}"
    assert send(as_rita, f"{here}/members", {"workers": [name], "csv": name}).json() == {"added": 1}
    assert [one["worker"] for one in as_rita.get(f"/api/v1{here}/members").json()["items"]] == [name]
    as_wes = signed_in(wes)
    assert [one["id"] for one in as_wes.get("/api/v1/work/memberships").json()["items"]] == [made["id"]]
    assert send(as_wes, f"/work/memberships/{made['id']}/leave", {}).status_code == 204
    assert send(as_wes, f"/work/memberships/{made['id']}/leave", {}).status_code == 404
    invited = send(as_rita, f"{here}/invitations", {"email": "wes@example.org"})
    nobody = send(as_rita, f"{here}/invitations", {"email": "nobody@example.org"})
    assert invited.status_code == nobody.status_code == 201
    assert invited.json().keys() == nobody.json().keys()
    (mine,) = as_wes.get("/api/v1/work/invitations").json()["items"]
    assert send(as_wes, f"/work/invitations/{mine['id']}/accept", {}).status_code == 204
    assert [one["email"] for one in as_rita.get(f"/api/v1{here}/invitations").json()["items"]] == ["nobody@example.org"]


def test_a_requirement_is_set_and_told_by_api(lab, as_rita):
    project = make.project(lab)
    here = f"/projects/{project.public_id}/requirement"
    told = send(as_rita, here, {"requirement": GERMANY, "groups": []}, "put")
    assert told.json() == {
        "requirement": GERMANY, "groups": [], "sentences": ["You live in Germany."], "qualifying": 0
    }  # fmt: skip
    wrong = send(as_rita, here, {"requirement": {"all": [GERMANY, {"of": "age"}]}, "groups": ["grp_x"]}, "put")
    assert [error["path"] for error in wrong.json()["errors"]] == ["requirement.all[1].of", "groups[0]"]
    assert as_rita.get(f"/api/v1{here}").json() == told.json()
    assert send(as_rita, here, {"requirement": None}, "put").json()["sentences"] == []


def test_people_state_languages_and_country_by_api_and_page(wes):
    client = signed_in(wes)
    told = send(client, "/work/profile", {"languages": {"de": "C1"}, "country": "DE"}, "patch").json()
    assert (told["languages"], told["country"], told["record"]["share"]) == ({"de": "C1"}, "DE", None)
    wrong = send(client, "/work/profile", {"languages": {"xx": ""}, "country": "XX"}, "patch")
    assert [error["path"] for error in wrong.json()["errors"]] == ["languages", "country"]
    typed = {"country": "FR", "language0-code": "fr", "language0-level": "", "language1-code": "en"}
    client.post(reverse("state-profile"), {**typed, "language1-level": "B2"})
    assert client.get("/api/v1/work/profile").json()["languages"] == {"fr": "", "en": "B2"}


def test_staff_define_and_verify_by_api_and_in_the_admin(wes, ada, sam):
    staff, as_wes = signed_in(ada), signed_in(wes)
    assert send(as_wes, "/credentials", {"name": "Nurse"}).status_code == 403
    nurse = send(staff, "/credentials", {"name": "Nurse"}).json()
    assert [one["id"] for one in as_wes.get("/api/v1/work/credentials").json()["items"]] == [nurse["id"]]
    asked = send(as_wes, f"/work/credentials/{nurse['id']}/ask", {"statement": "I am one."}).json()
    assert [one["id"] for one in staff.get("/api/v1/credential-requests?state=open").json()["items"]] == [asked["id"]]
    assert send(as_wes, f"/credential-requests/{asked['id']}/verify", {}).status_code == 404
    assert send(staff, f"/credential-requests/{asked['id']}/verify", {"days": 10}).json()["state"] == "verified"
    assert Grant.objects.get().origin == "verified"
    form = {"name": "Pilot", "description": "Flies."}
    assert staff.post(reverse("admin:workers_qualification_add"), form).status_code == 302
    assert "used already" in staff.post(reverse("admin:workers_qualification_add"), form).content.decode()
    pilot = Qualification.objects.get(name="Pilot", kind="site")
    request = credentials.ask(work.worker("wes"), pilot, "I fly.")
    page = reverse("admin:workers_credentialrequest_change", args=[request.pk])
    assert "I fly." in staff.get(page).content.decode()
    signed_in(sam).post(page, {"verdict": "decline", "reason": "No."})
    staff.post(page, {"verdict": "decline", "reason": ""})
    assert CredentialRequest.objects.get(pk=request.pk).state == "open"
    staff.post(page, {"verdict": "decline", "reason": "There is no such number."})
    assert CredentialRequest.objects.get(pk=request.pk).state == "declined"
    for model in ("qualification", "group", "credentialrequest"):
        assert staff.get(reverse(f"admin:workers_{model}_changelist")).status_code == 200


def test_pages_of_the_organisation_do_the_same(lab, as_rita, name, rita):
    people = reverse("people", args=[lab.public_id])
    as_rita.post(people, {"name": "Birds"})
    as_rita.post(people, {"name": "Ours", "kind": "vendor"})
    birds, ours = Qualification.objects.get(name="Birds"), Group.objects.get(name="Ours")
    page = reverse("qualification", args=[birds.public_id])
    file = SimpleUploadedFile("list.csv", f"{name},0.25\n".encode())
    assert as_rita.post(page, {"csv": file, "worker": "", "score": "", "days": ""}).status_code == 302
    assert Grant.objects.get().score == 0.25
    wrong = as_rita.post(page, {"csv": SimpleUploadedFile("list.csv", b"\xff"), "worker": ""}).content.decode()
    assert "This is not a text in UTF-8." in wrong
    assert "is no worker you know" in as_rita.post(page, {"worker": "w_0123456789abcdef"}).content.decode()
    assert as_rita.post(reverse("group", args=[ours.public_id]), {"worker": name}).status_code == 302
    assert [member.worker.public_id for member in groups.members(ours)] == [work.worker("wes").public_id]
    as_rita.post(reverse("revoke-grant", args=[birds.public_id]), {"worker": name, "reason": "No."})
    assert Grant.objects.get().revoked_at


def test_the_builder_reads_what_it_wrote_and_leaves_to_json_what_it_cannot_say(lab, as_rita, rita):
    project = make.project(lab)
    page = reverse("requirement", args=[project.public_id])
    typed = {
        **{"conditions-TOTAL_FORMS": "3", "conditions-INITIAL_FORMS": "0", "join": "any", "raw": ""},
        **{"conditions-0-subject": "country", "conditions-0-comparator": "In", "conditions-0-value": "DE, FR"},
        **{"conditions-1-subject": "answers organisation", "conditions-1-comparator": "GreaterThan"},
        **{"conditions-1-value": "10", "conditions-2-subject": "language", "conditions-2-comparator": "Exists"},
    }
    assert as_rita.post(page, typed).status_code == 302
    wanted = {
        "any": [
            {"of": "country", "is": "In", "to": ["DE", "FR"]},
            {"of": "answers", "is": "GreaterThan", "to": 10, "in": "organisation"},
            {"of": "language", "is": "Exists"},
        ]
    }
    assert Project.objects.get(pk=project.pk).requirement == wanted
    shown = as_rita.get(page).content.decode()
    assert 'value="DE, FR"' in shown
    assert "Condition 3" in shown
    refused = as_rita.post(page, {**typed, "conditions-0-value": "Germany"})
    assert "requirement.any[0].to" in refused.content.decode()
    requirements.require(project, rita, {"not": GERMANY})
    assert "&quot;not&quot;" in as_rita.get(page).content.decode()
    assert as_rita.post(page, {**typed, "raw": '{"not": 3}'}).status_code == 200
    assert as_rita.post(page, {**typed, "raw": "{"}).status_code == 200
    assert Project.objects.get(pk=project.pk).requirement == {"not": GERMANY}
    more = as_rita.post(page, {**typed, "add": "1"}).content.decode()
    assert "Condition 4" in more


def test_a_worker_reads_why_a_grant_ended(lab, rita, wes, name):
    birds = qualifications.define(lab, rita, "Birds")
    qualifications.give(birds, rita, [(name, 1.0)])
    qualifications.revoke(birds, rita, name, "It was a mistake.")
    assert "It was a mistake." in signed_in(wes).get(reverse("my-qualifications")).content.decode()
