"""Nonsense, sent to every operation by those who may call it: always a clear problem, never a fault of ours."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from django.core.signals import request_finished, request_started
from django.db import close_old_connections, transaction
from django.test import Client
from django.test.client import BOUNDARY, MULTIPART_CONTENT, encode_multipart
from drf_spectacular.generators import SchemaGenerator
from hypothesis import HealthCheck, Phase, given, seed, settings
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.failures import Failure, FailureGroup
from schemathesis.specs.openapi.checks import content_type_conformance, response_schema_conformance

from marketplace.wsgi import application
from tests import world
from tests.conftest import signed_in
from tests.routes import UNSAFE, Route, routes
from tests.world import World

pytestmark = pytest.mark.django_db

ROOT = Path(__file__).resolve().parent.parent
EXAMPLES = 3  # of each operation and mode
ALL = list(HealthCheck)
CHECKS = [not_a_server_error, content_type_conformance, response_schema_conformance]

# Of these an operation gets every second one, and the next operation the others: all of them take minutes
VALUES = [None, True, -1, 2**63, 10**400, 1.5, "", "\0", "NaN", "9" * 5000, "x" * 30_000, [], ["\0"], {}]
BODIES = [
    b"", b"null", b"[]", b'"a"', b"{", b"[" * 10_000, b"\xff\xfe{\0}\0", b"\xef\xbb\xbf{}", b'{"name": NaN}',
    b'{"amount_micros": 1e999}', b'{"name": "\\ud800"}', b'{"\\u0000": 1}', b"{}\0", b'{"a": 1, "a": 2}', b"9" * 5000,
]  # fmt: skip
KINDS = [
    "application/json; charset=utf-16", "text/plain", "multipart/form-data", "multipart/form-data; boundary=x",
    "multipart/form-data; boundary=x; charset=hex", "application/x-www-form-urlencoded", "", "nonsense",
]  # fmt: skip
PARTS = b'--x\r\nContent-Disposition: form-data; name="format"\r\n\r\n\\ud800\r\n--x--\r\n'
QUERIES = [
    "limit=-1", "limit=9999999999", "after=x", "after=%ff", "after=" + "A" * 22, "state=x", "project=%00",
    "dataset=%ff", "limit=1&limit=2", "next=//x&currency=x&amount_micros=x",
]  # fmt: skip
TYPED_TEXTS = ["\0", "NaN", "9" * 5000]


@pytest.fixture
def here() -> World:
    return world.made_by_everybody()


@pytest.fixture
def _one_connection() -> Iterator[None]:
    """A server lets go of the connection with each request; here it holds the test's transaction."""
    signals = (request_started, request_finished)
    for signal in signals:
        signal.disconnect(close_old_connections)
    yield
    for signal in signals:
        signal.connect(close_old_connections)


def caller(here: World, route: Route) -> Any:
    """Who may call this."""
    return {"own": here.rita, "open": here.wes}.get(route.whose) or getattr(here, route.whose)


def wrong_with(response: Any) -> str | None:
    """What an answer must not be."""
    if response.status_code >= 500:
        return "a fault of ours"
    if response.status_code < 400:
        return None
    if response["Content-Type"] != "application/problem+json":
        return f"no problem, but {response['Content-Type']}"
    body = response.json()
    if missing := {"type", "title", "status", "detail"} - body.keys():
        return f"a problem without {', '.join(missing)}"
    return None if body["status"] == response.status_code else f"the problem says {body['status']}"


class Prober:
    """Sends requests as those who may, undoes each, and lists what is wrong with the answers."""

    def __init__(self, here: World) -> None:
        self.here = here
        self.clients: dict[Any, Client] = {}
        self.complaints: list[str] = []

    def send(self, method: str, route: Route, body: Any, content_type: str, *, query: str = "", what: Any = "") -> None:
        person = caller(self.here, route)
        client = self.clients.setdefault(person.pk, signed_in(person))
        client.raise_request_exception = False
        path = route.path(self.here) + query
        with transaction.atomic():
            response = client.generic(method, path, body, content_type)
            b"".join(response.streaming_content) if response.streaming else None
            transaction.set_rollback(True)
        said = wrong_with(response) if route.is_api else ("a fault of ours" if response.status_code >= 500 else None)
        if said:
            self.complaints.append(f"{method} {route.template} {str(what)[:80]}: {response.status_code}: {said}")

    def done(self) -> None:
        assert not self.complaints, "\n".join(self.complaints)


def api() -> list[Route]:
    return [route for route in routes() if route.template.startswith("/api/v1/") and route.view_class]


def pages() -> list[Route]:
    """All but those of others."""
    others = ("/api/", "/accounts/", "/_allauth/", "/readyz")
    return [route for route in routes() if not route.template.startswith(others)]


def operations() -> list[tuple[str, Route]]:
    """What of the API takes a body."""
    return [(method, route) for route in api() for method in sorted(UNSAFE) if route.has(method)]


def fields(method: str, route: Route, description: dict[str, Any]) -> list[str]:
    """What a body of this operation may hold, after the description."""
    operation = description["paths"][in_words(route)][method.lower()]
    schemas = [content["schema"] for content in operation.get("requestBody", {}).get("content", {}).values()]
    names = {schema["$ref"].rpartition("/")[2] for schema in schemas if "$ref" in schema}
    return sorted({field for name in names for field in description["components"]["schemas"][name]["properties"]})


def in_words(route: Route) -> str:
    """The route as the description writes it."""
    return route.template % {name: f"{{{name}}}" for name, _ in route.names}


def test_any_value_in_any_place_is_taken_or_refused(here):
    prober, description = Prober(here), SchemaGenerator().get_schema(request=None, public=True)
    for number, (method, route) in enumerate(operations()):
        good = {name: value for name, value in route.sent(method, here).items() if not hasattr(value, "read")}
        for place, name in enumerate(fields(method, route, description)):
            for value in VALUES[(number + place) % 2 :: 2]:
                body = json.dumps({**good, name: value})
                prober.send(method, route, body, "application/json", what=body[:100])
    prober.done()


def test_any_body_of_any_kind_is_taken_or_refused(here):
    prober = Prober(here)
    for number, (method, route) in enumerate(operations()):
        for body in BODIES[number % 2 :: 2]:
            prober.send(method, route, body, "application/json", what=body[:40])
        for kind in KINDS[number % 2 :: 2]:
            prober.send(method, route, PARTS, kind, what=kind)
    prober.done()


def test_any_query_is_answered(here):
    prober = Prober(here)
    shown = [route for route in api() if route.has("GET") and route.view_class.__module__.count("api")] + pages()
    for number, route in enumerate(shown):
        for query in QUERIES[number % 2 :: 2]:
            prober.send("GET", route, b"", "", query=f"?{query}", what=query)
    prober.done()


def test_any_text_in_any_form_is_taken_or_refused(here):
    prober = Prober(here)
    for number, route in enumerate(pages()):
        good = {name: value for name, value in route.sent("POST", here).items() if not hasattr(value, "read")}
        bad = [{name: value} for name in good for value in TYPED_TEXTS]
        for form in [*bad, {"answer": "\0", "dataset": "\0", "t0-animal": "\0"}, {"active_s": "9" * 5000}]:
            prober.send("POST", route, encode_multipart(BOUNDARY, {**good, **form}), MULTIPART_CONTENT, what=form)
        for kind in KINDS[-4 + number % 2 :: 2]:
            prober.send("POST", route, PARTS, kind, what=kind)
    prober.done()


# What the description says


@pytest.mark.usefixtures("_one_connection")
@pytest.mark.parametrize("mode", [GenerationMode.POSITIVE, GenerationMode.NEGATIVE], ids=lambda mode: mode.value)
def test_every_operation_answers_as_described(here, mode):
    described = schemathesis.openapi.from_path(ROOT / "docs" / "openapi.yaml")
    described.app = application
    by_path = {in_words(route): route for route in api()}
    found = [result.ok() for result in described.get_all_operations()]
    assert {operation.path for operation in found} <= by_path.keys()
    failures = []
    for operation in found:
        try:
            probe(here, by_path[operation.path], operation, mode)
        except (FailureGroup, Failure) as failure:
            failures.append(f"{operation.label}: {failure}")
    assert not failures, "\n\n".join(failures)


def probe(here: World, route: Route, operation: Any, mode: GenerationMode) -> None:
    """Send some examples of what the description allows, or does not; three of four name rows that are there."""
    token = signed_in(caller(here, route)).session.session_key  # as a program has it that signed in by the API

    @seed(1)
    @settings(max_examples=EXAMPLES, deadline=None, database=None, phases=[Phase.generate], suppress_health_check=ALL)
    @given(case=operation.as_strategy(mode), real=st.integers(0, 3))
    def send(case, real):
        if real:
            case.path_parameters = {name: str(route.value(name, segment, here)) for name, segment in route.names}
        if real and isinstance(case.body, dict):
            case.body = {**case.body, **known(here, case.body)}
        with transaction.atomic():
            response = case.call(headers={"X-Session-Token": token})
            transaction.set_rollback(True)
        case.validate_response(response, checks=CHECKS)

    send()


def known(here: World, body: dict[str, Any]) -> dict[str, Any]:
    """The ids in this body, of rows that are there."""
    rows = {"organisation": here.organisation, "dataset": here.dataset, "project": here.project}
    return {name: row.public_id for name, row in rows.items() if isinstance(body.get(name), str)}
