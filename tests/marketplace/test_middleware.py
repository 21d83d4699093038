import json
import logging

import pytest
from django.test import Client

from marketplace.core import logs
from marketplace.models import Organisation
from tests import make


@pytest.fixture
def lines(caplog):
    """What the log has as JSON, line by line."""
    caplog.set_level(logging.INFO, "request")
    caplog.handler.setFormatter(logs.JsonLines())
    return lambda: [json.loads(line) for line in caplog.text.splitlines()]


@pytest.mark.parametrize("name", ["abc-123", "A.b_c", "f" * 64])
def test_a_sane_name_of_a_request_is_kept(name):
    assert Client().get("/healthz", headers={"X-Request-ID": name})["X-Request-ID"] == name


@pytest.mark.parametrize("name", ["", "f" * 65, "a b", 'a"b', "é", "a\nb"])
def test_any_other_request_gets_a_name_of_ours(name):
    given = Client().get("/healthz", headers={"X-Request-ID": name})["X-Request-ID"]
    assert given != name
    assert len(given) == 16


@pytest.mark.django_db
def test_a_request_is_one_line_without_what_is_private(lines, as_rita):
    project = make.project()
    as_rita.post(f"/projects/{project.public_id}/edit/?secret=1", {"title": "Owls"}, headers={"X-Request-ID": "r1"})
    (line,) = lines()
    assert {key: line[key] for key in ("level", "logger", "method", "route", "status", "request")} == {
        "level": "INFO",
        "logger": "request",
        "method": "POST",
        "route": "projects/<str:project>/edit/",
        "status": 200,
        "request": "r1",
    }
    assert line["ms"] > 0
    assert not [word for word in (project.public_id, "secret", "Owls", "127.0.0.1", "rita") if word in json.dumps(line)]


@pytest.mark.django_db
def test_an_address_that_leads_nowhere_has_no_route(lines):
    assert Client().get("/nowhere/at/all").status_code == 404
    assert [line["route"] for line in lines() if line["logger"] == "request"] == [None]


def test_what_fails_in_a_request_is_logged_under_its_name(lines, monkeypatch):
    monkeypatch.setattr("marketplace.core.vitals.checks", lambda: 1 / 0)
    client = Client(raise_request_exception=False)
    assert client.get("/readyz", headers={"X-Request-ID": "r2"}).status_code == 500
    failed, request = lines()
    assert "ZeroDivisionError" in failed["error"]
    assert (failed["request"], request["request"], request["status"]) == ("r2", "r2", 500)


@pytest.mark.django_db
def test_a_fault_told_after_the_answer_is_logged_under_its_name_too(lines):
    assert Client().get("/readyz", headers={"X-Request-ID": "r3"}).status_code == 503
    assert [(line["logger"], line["request"]) for line in lines()] == [("request", "r3"), ("django.request", "r3")]


# What the database cannot keep

PROBLEM = "application/problem+json"
PARTS = b'--x\r\nContent-Disposition: form-data; name="name"\r\n\r\nLab\r\n--x--\r\n'


@pytest.mark.parametrize("path", ["/api/v1/projects/a%00", "/api/v1/projects?state=%00", "/projects/?after=a%00"])
def test_a_nul_in_an_address_is_a_problem(as_rita, path):
    reply = as_rita.get(path)
    assert (reply.status_code, reply["Content-Type"], reply.json()["status"]) == (400, PROBLEM, 400)


def test_a_nul_in_a_form_is_refused_before_anything_is_done(as_rita):
    project = make.project()
    forms = {"/organisations/": {"name": "a\0"}, f"/projects/{project.public_id}/publish/now": {"dataset": "\0"}}
    for path, form in forms.items():
        reply = as_rita.post(path, form)
        assert (reply.status_code, reply["Content-Type"]) == (400, PROBLEM)
    assert Organisation.objects.count() == 1


@pytest.mark.parametrize("charset", ["hex", "utf-16", "unicode_escape", "nonsense"])
def test_other_encodings_are_refused(as_rita, charset):
    for path in ("/organisations/", "/api/v1/organisations"):
        reply = as_rita.generic("POST", path, PARTS, f"multipart/form-data; boundary=x; charset={charset}")
        assert (reply.status_code, reply["Content-Type"]) == (415, PROBLEM)


@pytest.mark.parametrize("charset", ["utf-8", "UTF8", "us-ascii"])
def test_every_name_of_utf8_is_taken(as_rita, charset):
    reply = as_rita.generic("POST", "/organisations/", PARTS, f"multipart/form-data; boundary=x; charset={charset}")
    assert reply.status_code == 302
    assert Organisation.objects.get().name == "Lab"
