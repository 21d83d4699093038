import errno
from unittest import mock

import pytest
from django.core.exceptions import PermissionDenied, RequestDataTooBig
from django.db import InterfaceError, OperationalError
from django.http import Http404
from django.test import RequestFactory
from rest_framework import exceptions

from marketplace.core import errors, problems


class NoSeat(errors.Conflict):
    title = "No seat is left"


def answer(exc):
    response = problems.respond(exc, {})
    assert response.content_type == "application/problem+json"
    assert response.data["status"] == response.status_code
    return response


def test_a_refusal_is_told_with_its_facts():
    response = answer(NoSeat("the last one went", retry_after_s=30))
    assert response.data == {
        "type": "/problems/no-seat",
        "title": "No seat is left",
        "status": 409,
        "detail": "the last one went",
        "retry_after_s": 30,
    }


def test_facts_do_not_hide_what_every_problem_says():
    assert answer(errors.Invalid("no", type="mine", status=1)).data["type"] == "/problems/invalid"


@pytest.mark.parametrize(
    ("exc", "status", "code"),
    [
        (errors.Invalid(), 422, "invalid"),
        (errors.Forbidden(), 403, "forbidden"),
        (errors.NotFound(), 404, "not-found"),
        (errors.Conflict(), 409, "conflict"),
        (errors.InsufficientFunds(), 409, "insufficient-funds"),
        (Http404(), 404, "not-found"),
        (PermissionDenied(), 403, "forbidden"),
        (RequestDataTooBig(), 413, "too-large"),
        (exceptions.NotFound(), 404, "not-found"),
        (exceptions.PermissionDenied(), 403, "forbidden"),
        (exceptions.ParseError(), 400, "parse-error"),
        (exceptions.NotAuthenticated(), 401, "not-authenticated"),
        (exceptions.AuthenticationFailed(), 401, "authentication-failed"),
        (exceptions.MethodNotAllowed("PUT"), 405, "method-not-allowed"),
        (exceptions.UnsupportedMediaType("text/plain"), 415, "unsupported-media-type"),
        (exceptions.ValidationError("no"), 422, "invalid"),
    ],
)
def test_each_kind_has_its_status(exc, status, code):
    response = answer(exc)
    assert (response.status_code, response.data["type"]) == (status, f"/problems/{code}")


def test_errors_of_serializers_become_a_list_with_paths():
    detail = {"a": ["one", "two"], "b": {"c": ["three"]}, "d": {0: ["four"]}, "e": [{}, {"f": ["five"]}]}
    listed = answer(exceptions.ValidationError({**detail, "non_field_errors": ["six"]})).data["errors"]
    assert [(error["path"], error["message"]) for error in listed] == [
        ("a", "one"), ("a", "two"), ("b.c", "three"), ("d[0]", "four"), ("e[1].f", "five"), ("", "six"),
    ]  # fmt: skip
    assert {error["code"] for error in listed} == {"invalid"}


def test_who_is_asked_to_wait_is_told_how_long():
    response = answer(exceptions.Throttled(wait=12))
    assert (response["Retry-After"], response.data["retry_after_s"]) == ("12", 12)


def test_a_fault_of_ours_is_not_a_problem_of_theirs():
    assert problems.respond(ValueError("oops"), {}) is None


@pytest.mark.parametrize("path", ["/api/v1/nothing", "/api/v2/projects", "/api/v1/projects/"])
def test_an_address_that_does_not_exist_is_a_problem_too(client, path):
    for reply in (client.get(path), client.post(path, "{}", content_type="application/json")):
        assert (reply.status_code, reply["Content-Type"]) == (404, "application/problem+json")
        assert reply.json()["type"] == "/problems/not-found"


@pytest.mark.parametrize("error", [OperationalError("disk full"), InterfaceError(), OSError(errno.ENOSPC, "full")])
def test_an_outage_is_told_as_one_and_nothing_else_is(error):
    answered = problems.respond(error, {"request": RequestFactory().get("/api/v1/projects")})
    assert (answered.status_code, answered.headers["Retry-After"]) == (503, "5")
    assert problems.respond(OSError(errno.EACCES, "no"), {}) is None
    assert problems.respond(KeyError("x"), {}) is None


@pytest.mark.parametrize(("error", "status"), [(OperationalError("disk full"), 503), (KeyError("x"), 500)])
def test_a_page_tells_an_outage_from_a_fault(client, monkeypatch, error, status):
    client.raise_request_exception = False
    monkeypatch.setattr("marketplace.web.views.home.render", mock.Mock(side_effect=error))
    answered = client.get("/")
    assert answered.status_code == status
    assert ("Retry-After" in answered.headers) == (status == 503)
