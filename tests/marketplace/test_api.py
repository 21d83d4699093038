import io
import json
import re

import pytest
from django.conf import settings
from django.test import Client
from django.urls import reverse

from marketplace import accounts
from marketplace.models import Dataset, Organisation, Project, Role
from tests import make

pytestmark = pytest.mark.django_db

API = "/api/v1/"


def call(client, method, path, body=None, **options):
    options.setdefault("headers", {"Idempotency-Key": "k1"} if options.pop("once", False) else {})
    return (
        getattr(client, method)(API + path, body, "application/json", **options)
        if body is not None
        else getattr(client, method)(API + path, **options)
    )


def problem(response):
    assert response["Content-Type"] == "application/problem+json"
    return response.status_code, response.json()["type"].removeprefix("/problems/")


def keyed(user, *scopes):
    _, secret = accounts.issue_key(user, "test", scopes)
    return Client(headers={"Authorization": f"Bearer {secret}"})


@pytest.fixture
def lab(rita):
    return make.organisation(rita)


@pytest.fixture
def project(lab):
    return make.project(lab)


def upload(client, dataset, content="text\none\n", **form):
    file = io.BytesIO(content.encode())
    file.name = "rows.csv"
    return client.post(f"{API}datasets/{dataset.public_id}/imports", {"file": file, "format": "csv", **form})


# Who may call


def test_without_signing_in_there_is_a_challenge():
    response = call(Client(), "get", "me")
    assert problem(response) == (401, "not-authenticated")
    assert response["WWW-Authenticate"].startswith("Bearer")


@pytest.mark.parametrize("header", ["Bearer mh_nothing", "bearer mh_é", "Bearer mh_\0"])
def test_a_wrong_key_is_refused(header):
    response = Client(headers={"Authorization": header}).get(API + "me")
    assert problem(response) == (401, "authentication-failed")


def test_a_key_signs_its_user_in(rita):
    assert keyed(rita, "work").get(API + "me").json() == {
        "id": rita.public_id,
        "email": "rita@example.org",
        "name": "Rita",
        "is_confirmed": True,
        "is_staff": False,
    }


def test_a_key_does_no_more_than_its_scopes(rita):
    assert problem(call(keyed(rita, "work"), "get", "projects")) == (403, "forbidden")
    assert call(keyed(rita, "work", "offer"), "get", "projects").status_code == 200


def test_a_session_changes_nothing_without_the_csrf_token(rita):
    client = Client(enforce_csrf_checks=True)
    client.force_login(rita, "allauth.account.auth_backends.AuthenticationBackend")
    assert problem(call(client, "post", "organisations", {"name": "Lab"})) == (403, "forbidden")
    assert not Organisation.objects.exists()


def test_a_person_makes_and_revokes_keys(as_rita):
    issued = call(as_rita, "post", "api-keys", {"name": "ci", "scopes": ["offer"]})
    assert issued.status_code == 201
    key = issued.json()
    program = Client(headers={"Authorization": f"Bearer {key['secret']}"})
    assert call(program, "get", "organisations").status_code == 200
    listed = call(as_rita, "get", "api-keys").json()["items"]
    assert [(row["id"], "secret" in row) for row in listed] == [(key["id"], False)]
    assert call(as_rita, "delete", f"api-keys/{key['id']}").status_code == 204
    assert call(program, "get", "organisations").status_code == 401


def test_a_key_makes_no_keys(rita):
    program = keyed(rita, "offer", "work")
    assert problem(call(program, "post", "api-keys", {"name": "x", "scopes": ["work"]})) == (403, "forbidden")
    assert problem(call(program, "get", "api-keys")) == (403, "forbidden")


def test_whoever_signs_up_by_the_api_makes_a_key(client, mailoutbox):
    said = {"email": "ann@example.org", "password": "a long enough one"}
    signed_up = client.post("/_allauth/app/v1/auth/signup", said, "application/json")
    assert signed_up.status_code == 200
    ann = Client(headers={"X-Session-Token": signed_up.json()["meta"]["session_token"]})
    assert ann.get(API + "me").json()["is_confirmed"] is False
    key = re.search(r"confirm-email/([^/]+)/", mailoutbox[0].body)[1]
    assert ann.post("/_allauth/app/v1/auth/email/verify", {"key": key}, "application/json").status_code == 200
    me = ann.get(API + "me").json()
    assert (me["email"], me["is_confirmed"]) == ("ann@example.org", True)
    assert signed_up.json()["data"]["user"]["id"] == me["id"]
    made = call(ann, "post", "api-keys", {"name": "ci", "scopes": ["offer"]})
    assert made.status_code == 201


def test_a_person_changes_their_name(as_rita):
    assert call(as_rita, "patch", "me", {"name": "R."}).json()["name"] == "R."
    both = {"name": "R.", "email": "x@example.org"}
    assert problem(call(as_rita, "patch", "me", both)) == (422, "invalid")


# What strangers see


def routes(lab, project, dataset, run):
    """Each address with the ids of things that are Rita's."""
    return [
        ("get", f"organisations/{lab.public_id}"),
        ("get", f"organisations/{lab.public_id}/members"),
        ("post", f"organisations/{lab.public_id}/members", {"email": "sam@example.org", "role": "owner"}),
        ("patch", f"organisations/{lab.public_id}/members/{make.owner(lab).public_id}", {"role": "reviewer"}),
        ("delete", f"organisations/{lab.public_id}/members/{make.owner(lab).public_id}"),
        ("get", f"projects/{project.public_id}"),
        ("patch", f"projects/{project.public_id}", {"title": "Mine"}),
        ("post", f"projects/{project.public_id}/pause", {}),
        ("post", f"projects/{project.public_id}/resume", {}),
        ("get", f"projects/{project.public_id}/guidelines"),
        ("post", f"projects/{project.public_id}/guidelines", {"text": "Mine"}),
        ("get", f"datasets/{dataset.public_id}"),
        ("get", f"datasets/{dataset.public_id}/imports"),
        ("get", f"imports/{run.public_id}"),
        ("get", f"imports/{run.public_id}/bad-rows"),
        ("post", "projects", {"organisation": lab.public_id, "title": "a", "schema": make.SCHEMA, "price_micros": 1}),
        ("post", "datasets", {"organisation": lab.public_id, "name": "Mine"}),
    ]


def test_what_is_ritas_does_not_exist_for_sam(as_sam, rita, lab, project):
    key, _ = accounts.issue_key(rita, "hers", ["offer"])
    run = make.ended(make.import_of("text\none\n", lab))
    asked = [*routes(lab, project, run.dataset, run), ("delete", f"api-keys/{key.public_id}")]
    for method, path, *body in asked:
        assert problem(call(as_sam, method, path, *body)) == (404, "not-found"), path
    assert problem(upload(as_sam, run.dataset)) == (404, "not-found")
    for listing in ("organisations", "projects", "datasets", "api-keys", f"projects?organisation={lab.public_id}"):
        assert call(as_sam, "get", listing).json() == {"items": [], "next": None}


def test_a_project_of_strangers_checks_no_truth(as_sam, sam, project):
    hers = Dataset.objects.create(organisation=make.organisation(sam), name="Mine")
    assert problem(upload(as_sam, hers, project=project.public_id)) == (404, "not-found")


def test_a_reviewer_sees_and_does_not_change(wes, rita, lab, project):
    accounts.add_member(lab, wes.email, Role.REVIEWER, rita)
    program = keyed(wes, "offer")
    assert call(program, "get", f"projects/{project.public_id}").status_code == 200
    assert problem(call(program, "patch", f"projects/{project.public_id}", {"title": "a"})) == (403, "forbidden")


def test_of_phone_numbers_there_is_nothing(client):
    for method in ("get", "put", "post", "delete"):
        assert problem(getattr(client, method)("/_allauth/app/v1/account/phone")) == (404, "not-found")


# What is done


def test_an_offer_is_made_from_nothing(as_rita):
    home = call(as_rita, "post", "organisations", {"name": "Lab"}).json()
    asked = {"organisation": home["id"], "title": "Animals", "schema": make.SCHEMA, "price_micros": 50_000}
    made = call(as_rita, "post", "projects", {**asked, "guideline": "Look.", "page_size": 4})
    assert made.status_code == 201, made.content
    project = made.json()
    assert (project["organisation"], project["state"], project["page_size"]) == (home["id"], "draft", 4)
    assert project["schema"]["fields"][0]["title"] == "animal"
    revised = call(as_rita, "patch", f"projects/{project['id']}", {"price_micros": 60_000}).json()
    assert (revised["price_micros"], revised["title"]) == (60_000, "Animals")
    second = call(as_rita, "post", f"projects/{project['id']}/guidelines", {"text": "  Look closely.\n"})
    assert (second.status_code, second.json()["version"], second.json()["text"]) == (201, 2, "  Look closely.\n")
    assert len(call(as_rita, "get", f"projects/{project['id']}/guidelines").json()["items"]) == 2


def test_everything_wrong_with_an_offer_is_said_with_its_path(as_rita, lab):
    asked = {"organisation": lab.public_id, "title": "Animals", "schema": {"fields": []}, "price_micros": -1}
    response = call(as_rita, "post", "projects", asked)
    assert problem(response) == (422, "invalid")
    assert {error["path"] for error in response.json()["errors"]} == {"schema.fields", "price_micros"}


def test_a_misspelt_field_is_an_error(as_rita, project):
    response = call(as_rita, "patch", f"projects/{project.public_id}", {"titel": "a"})
    assert response.json()["errors"] == [{"path": "titel", "code": "unknown", "message": "no such field can be set"}]


def test_pausing_a_draft_is_a_conflict(as_rita, project):
    assert problem(call(as_rita, "post", f"projects/{project.public_id}/pause")) == (409, "illegal-move")
    Project.objects.update(state="open")
    assert call(as_rita, "post", f"projects/{project.public_id}/pause").json()["state"] == "paused"
    assert call(as_rita, "post", f"projects/{project.public_id}/resume").json()["state"] == "open"


def test_lists_are_narrowed(as_rita, rita, project):
    other = make.project(make.organisation(rita))
    Project.objects.filter(pk=other.pk).update(state="open")
    for query, found in [
        ("", [other, project]),
        ("?state=open", [other]),
        (f"?organisation={project.organisation.public_id}", [project]),
        ("?organisation=nobody", []),
        ("?limit=1", [other]),
    ]:
        items = call(as_rita, "get", f"projects{query}").json()["items"]
        assert [item["id"] for item in items] == [row.public_id for row in found], query


@pytest.mark.parametrize("path", ["organisations", "datasets", "projects"])
def test_a_post_may_be_repeated(as_rita, lab, path):
    asked = {
        "organisations": {"name": "Lab"},
        "datasets": {"organisation": lab.public_id, "name": "Things"},
        "projects": {"organisation": lab.public_id, "title": "a", "schema": make.SCHEMA, "price_micros": 1},
    }[path]
    first, again = (call(as_rita, "post", path, asked, once=True) for _ in range(2))
    assert first.json() == again.json()
    assert again["Idempotent-Replayed"] == "true"


def test_members_come_and_go(as_rita, lab, wes):
    path = f"organisations/{lab.public_id}/members"
    assert call(as_rita, "post", path, {"email": wes.email, "role": "manager"}).status_code == 201
    changed = call(as_rita, "patch", f"{path}/{wes.public_id}", {"role": "reviewer"}).json()
    assert (changed["id"], changed["role"]) == (wes.public_id, "reviewer")
    assert [row["role"] for row in call(as_rita, "get", path).json()["items"]] == ["owner", "reviewer"]
    assert call(as_rita, "delete", f"{path}/{wes.public_id}").status_code == 204
    hers = f"{path}/{make.owner(lab).public_id}"
    assert problem(call(as_rita, "delete", hers)) == (409, "last-owner")


def test_a_file_is_imported_and_its_bad_rows_are_listed(as_rita, lab, project):
    dataset = call(as_rita, "post", "datasets", {"organisation": lab.public_id, "name": "Things"}).json()
    home = Dataset.objects.get(public_id=dataset["id"])
    form = {"key_column": "id", "truth_columns": '{"truth": "animal"}', "project": project.public_id}
    sent = upload(as_rita, home, "id,text,truth\nk1,one,cat\nk2\nk3,two,zebra\n", **form)
    assert (sent.status_code, sent.json()["state"]) == (201, "waiting"), sent.content
    make.ended(home.imports.get())
    run = call(as_rita, "get", f"imports/{sent.json()['id']}").json()
    assert (run["state"], run["good"], run["bad"], run["bytes_done"]) == ("done", 1, 2, run["bytes_total"])
    bad = call(as_rita, "get", f"imports/{run['id']}/bad-rows").json()["items"]
    assert [(row["line"], row["column"], row["code"]) for row in bad] == [(3, "", "cells"), (4, "truth", "truth")]
    assert call(as_rita, "get", f"datasets/{dataset['id']}").json()["items"] == 1


@pytest.mark.parametrize(
    "form",
    [{"truth_columns": "[1]"}, {"truth_columns": "{"}, {"truth_columns": '{"a": 1}'}, {"format": "xml"}, {"x": 1}],
)
def test_a_form_that_makes_no_sense_is_refused(as_rita, lab, form):
    response = upload(as_rita, Dataset.objects.create(organisation=lab, name="Things"), **form)
    assert problem(response) == (422, "invalid")


def test_an_upload_beyond_the_limit_is_refused_before_it_is_read(as_rita, lab, settings):
    settings.IMPORT_MOST_BYTES = 10
    dataset = Dataset.objects.create(organisation=lab, name="Things")
    assert problem(upload(as_rita, dataset, "x" * 1_000_011)) == (413, "too-large")
    assert problem(upload(as_rita, dataset, "x" * 11)) == (422, "invalid")


@pytest.mark.parametrize("path", ["projects/a%00", "projects?state=a%00", "projects?organisation=%00"])
def test_a_nul_in_an_address_is_no_fault_of_ours(as_rita, path):
    assert as_rita.get(API + path).status_code in (400, 404)


# Bodies


@pytest.mark.parametrize(
    "raw",
    [
        '{"name": "a\\u0000"}',
        '{"name": NaN}',
        '{"name": "a", "name": "b"}',
        "{",
        "[" * 10_000,
        b"\xff",
        '{"name": "\\ud800"}',
    ],
)
def test_a_body_that_is_no_proper_json_is_refused(as_rita, raw):
    response = as_rita.post(API + "organisations", raw, "application/json")
    assert problem(response) == (400, "parse-error")


def test_a_body_may_be_as_long_as_the_limit_and_no_longer(as_rita, settings):
    body = json.dumps({"name": "a"})
    settings.BODY_MOST_BYTES = len(body)
    assert as_rita.post(API + "organisations", body, "application/json").status_code == 201
    assert problem(as_rita.post(API + "organisations", body + " ", "application/json")) == (413, "too-large")


def test_other_bodies_and_methods_are_refused(as_rita):
    assert problem(as_rita.post(API + "organisations", "name=a", "text/plain")) == (415, "unsupported-media-type")
    assert problem(as_rita.put(API + "organisations")) == (405, "method-not-allowed")


def test_there_is_no_second_description(as_rita, project):
    for path in ("me", f"projects/{project.public_id}/close"):
        assert problem(as_rita.options(API + path)) == (405, "method-not-allowed")


@pytest.mark.parametrize("body", ["[]", '"text"', "null", "1"])
def test_a_body_is_an_object(as_rita, body):
    assert problem(as_rita.post(API + "organisations", body, "application/json")) == (422, "invalid")


# The description


def test_the_description_is_served_to_everybody(client):
    described = client.get(API + "openapi.json").json()
    assert described["openapi"].startswith("3.1")
    post = described["paths"]["/api/v1/projects"]["post"]
    assert any(parameter["name"] == "Idempotency-Key" for parameter in post["parameters"])


def test_the_docs_run_no_inline_script(client):
    page = client.get(reverse("api-docs"))
    assert page.status_code == 200
    assert not re.search("<style|<script>", page.content.decode())
    assert "script-src 'self'" in page["Content-Security-Policy"]
    assert settings.STATIC_URL in page.content.decode()
