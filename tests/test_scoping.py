"""Every route and every method, asked for by everybody who must not: nothing is read, nothing is changed.

The routes come from the resolver: a new one is walked, or fails here until it is said what its address names.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import connection, transaction
from django.test import Client

from marketplace import accounts
from marketplace.models import ProjectQuerySet, User
from tests import world
from tests.conftest import signed_in
from tests.routes import METHODS, SENT, SIGN_IN, UNSAFE, Route, every_route, routes
from tests.world import World

pytestmark = pytest.mark.django_db

OPEN_TO_ALL = {
    *("/", "/api/", "/api/v1/openapi.json", "/api/v1/docs/", "/healthz", "/readyz", "/metrics"),
    *("/how-work-is-judged/", "/how-labels-are-decided/", "/.well-known/manyhands-record.json"),
    "/webhooks/stripe",  # for whoever knows the secret
}

REVIEWERS_MAY = {
    "POST /api/v1/batches/%(id)s/accept",
    "POST /api/v1/answers/%(id)s/accept",
    "POST /api/v1/answers/%(id)s/exclude",
    "POST /api/v1/answers/%(id)s/reject",
    "POST /api/v1/answers/%(id)s/pay-part",
    "POST /api/v1/conversations/%(id)s/messages",
    "POST /api/v1/conversations/%(id)s/read",
    "POST /api/v1/conversations/%(id)s/close",
    *(f"POST /api/v1/gold/%(id)s/{verb}" for verb in ("retire", "reactivate", "quarantine", "reinstate", "overturn")),
    "PATCH /api/v1/gold/%(id)s",
    "POST /api/v1/batches/%(id)s/gold/promote",
    *(f"POST /gold/%(gold)s/{verb}" for verb in ("", "explain", "retire")),
    "POST /batches/%(batch)s/gold/promote",
    "POST /batches/%(batch)s/accept",
    "POST /batches/%(batch)s/labels-to-look-at/review",
    "POST /answers/%(answer)s/",
    "POST /conversations/%(conversation)s/",
    "POST /conversations/%(conversation)s/close",
    "POST /messages/%(message)s/report/",
    "POST /api/v1/decisions/%(id)s/sign",  # all of them of an answer
    "POST /api/v1/decisions/%(id)s/decline",
    "POST /api/v1/decisions/%(id)s/withdraw",
    "POST /api/v1/decisions/%(id)s/statements",
    "POST /decisions/%(decision)s/withdraw",
    "POST /api/v1/batches/%(id)s/reviews",
    "POST /api/v1/projects/%(id)s/reviews/next",
    "POST /api/v1/reviews/%(id)s/decide",  # those that they hold
    "POST /api/v1/reviews/%(id)s/pass",
    "POST /projects/%(project)s/reviews/next",
    "POST /reviews/%(review)s/",
    "POST /reviews/%(review)s/pass",
}
NOT_NOW = {  # a page that refuses what does not fit what is there
    "/work/assignments/%(assignment)s/check/%(position)s",
    "/cohorts/%(cohort)s/begin",
    "/cohorts/%(cohort)s/next",
    "/projects/%(project)s/resume",
    "/batches/%(batch)s/gold/promote",  # no label is sure yet
    "/decisions/%(decision)s/sign",
    "/decisions/%(decision)s/decline",
    "/rules/%(rule)s/off",
}
OWNERS_MAY = {
    "POST /api/v1/organisations/%(id)s/members",
    "PATCH /api/v1/organisations/%(id)s/members/%(user_id)s",
    "DELETE /api/v1/organisations/%(id)s/members/%(user_id)s",
    "POST /api/v1/organisations/%(id)s/prepayments",
    "POST /api/v1/organisations/%(id)s/prepayments/%(prepayment)s/secret",
    "POST /api/v1/organisations/%(id)s/refunds",
    "POST /organisations/%(organisation)s/members/",
    "POST /organisations/%(organisation)s/members/%(membership)s/role",
    "POST /organisations/%(organisation)s/members/%(membership)s/remove",
    "POST /organisations/%(organisation)s/money/",
    "POST /organisations/%(organisation)s/refunds/",
    "PATCH /api/v1/organisations/%(id)s/billing",
    "POST /organisations/%(organisation)s/billing/",
}


@dataclass
class Outcome:
    """What came back, and which rows are not as they were."""

    status: int
    text: str
    location: str
    lost: set[str]  # rows that changed or went
    is_changed: bool


class Walker:
    """Sends requests as somebody, each of which is undone after its outcome was seen."""

    def __init__(self, here: World, client: Client) -> None:
        self.here, self.client = here, client
        client.raise_request_exception = False
        self.before = rows()
        self.cookies = client.cookies.output(header="")

    def ask(self, method: str, route: Route) -> Outcome:
        wrote: list[str] = []
        self.client.cookies.clear()
        self.client.cookies.load(self.cookies)  # who signed out is asked about the rest all the same
        with transaction.atomic(), connection.execute_wrapper(_noting(wrote)):
            response = self._send(method, route)
            text = b"".join(response.streaming_content) if response.streaming else response.content
            after = rows() if wrote else self.before
            transaction.set_rollback(True)
        location = response.get("Location", "")
        return Outcome(
            response.status_code, text.decode(), location, self.before - after, bool(wrote) and after != self.before
        )

    def _send(self, method: str, route: Route) -> Any:
        body = route.sent(method, self.here)
        path = route.path(self.here)
        if method not in UNSAFE:
            query = {"dataset": self.here.dataset.public_id} if path.endswith("quote") else {}
            return self.client.generic(method, path, **({"query_params": query} if query else {}))
        if not route.is_api or any(isinstance(value, SimpleUploadedFile) for value in body.values()):
            return self.client.post(path, body) if method == "POST" else self.client.generic(method, path)
        return getattr(self.client, method.lower())(path, body, "application/json")


def _noting(wrote: list[str]) -> Callable[..., Any]:
    def note(execute: Any, sql: Any, *rest: Any) -> Any:
        if re.match(r"\s*(INSERT|UPDATE|DELETE|WITH)", str(sql)) and "django_session" not in str(sql):
            wrote.append(str(sql))
        return execute(sql, *rest)

    return note


def rows() -> set[str]:
    """Every row of the database but sessions and counts of what was tried, as text."""
    tables = sorted({*connection.introspection.table_names()} - {"django_session", "core_count"})
    union = " UNION ALL ".join(f"SELECT '{table} ' || t::text FROM {table} t" for table in tables)
    with connection.cursor() as cursor:
        cursor.execute(union)
        return {row for (row,) in cursor.fetchall()}


@pytest.fixture
def here() -> World:
    return world.made_by_everybody()


def walk(
    here: World, client: Client, complaint: Callable[[str, Route, Outcome], str | None], *, among: list[Route]
) -> None:
    """Ask every route by every method; the complaints about what came back are listed."""
    assert len(among) > 3
    walker, complaints = Walker(here, client), []
    for route in among:
        for method in METHODS:
            outcome = walker.ask(method, route)
            is_fault = outcome.status >= 500 and route.template != "/readyz"  # which says so: nothing runs here
            said = "a fault of ours" if is_fault else complaint(method, route, outcome)
            if said:
                complaints.append(f"{method} {route.template}: {outcome.status}: {said}")
    assert not complaints, "\n".join(complaints)


def names_nothing_of(here: World, person: User | None, outcome: Outcome, *but: str) -> str | None:
    hidden = [mark for mark in here.hidden_from(person or here.sam) if mark not in but]
    return next((f"tells {mark}" for mark in hidden if mark in outcome.text), None)


def does_not_exist(here: World, person: User) -> Callable[[str, Route, Outcome], str | None]:
    """For rows of others: they are not there, whatever is asked."""

    def complaint(method: str, route: Route, outcome: Outcome) -> str | None:
        if outcome.is_changed:
            return f"changed {outcome.lost or 'something'}"
        if outcome.status not in (404, 405):
            return "expected 404"
        return names_nothing_of(here, person, outcome)

    return complaint


# Who must not


def test_who_is_not_signed_in_is_asked_to(here):
    def complaint(method, route, outcome):
        if outcome.is_changed:
            return f"changed {outcome.lost or 'something'}"
        if route.template not in OPEN_TO_ALL and not route.template.startswith(SIGN_IN):
            if route.is_api and outcome.status not in (401, 403):
                return "expected 401 or 403"
            to_sign_in = outcome.status == 302 and outcome.location.startswith("/accounts/login/")
            if not route.is_api and not to_sign_in and outcome.status != 405:
                return "expected the way to sign in"
        return names_nothing_of(here, None, outcome)

    walk(here, Client(), complaint, among=routes())


@pytest.mark.parametrize("name", ["sam", "olga"])
def test_for_strangers_and_members_of_other_organisations_nothing_is_there(here, name):
    person = getattr(here, name)
    among = [route for route in routes() if route.whose not in ("own", "open")]
    walk(here, signed_in(person), does_not_exist(here, person), among=among)


@pytest.mark.parametrize("name", ["sam", "olga", "wes"])
def test_own_pages_tell_and_change_nothing_of_others(here, name):
    person = getattr(here, name)
    mine = rf"marketplace_user \({person.pk},|account_emailaddress \(\d+,{person.email},"
    mine += rf"|marketplace_membership \(.*,{person.pk},\d+\)$"
    own = re.compile(rf"{mine}|workers_worker \({person.worker.pk},")

    def complaint(method, route, outcome):
        lost = [row for row in outcome.lost if not own.match(row)]
        if lost and not (name == "wes" or route.whose == "open"):
            return f"changed {lost}"
        offered = [here.batch.public_id] if route.whose == "open" else []  # a page says which batch it is from
        return names_nothing_of(here, person, outcome, *offered)

    walk(here, signed_in(person), complaint, among=[route for route in routes() if route.whose in ("own", "open")])


def test_the_walk_notices_a_query_that_is_not_scoped(here, monkeypatch):
    monkeypatch.setattr(ProjectQuerySet, "visible_to", lambda self, user: self)
    among = [route for route in routes() if "/projects/%(" in route.template and route.whose == "rita"]
    with pytest.raises(AssertionError) as caught:
        walk(here, signed_in(here.sam), does_not_exist(here, here.sam), among=among)
    assert "GET /api/v1/projects/%(id)s: 200: expected 404" in str(caught.value)


def test_for_a_worker_nothing_of_the_requester_is_there(here):
    among = [route for route in routes() if route.whose in ("rita", "ada")]
    walk(here, signed_in(here.wes), does_not_exist(here, here.wes), among=among)


@pytest.mark.parametrize("name", ["rita", "max", "rosa"])
def test_for_the_requester_nothing_of_the_worker_is_there(here, name):
    person = getattr(here, name)
    among = [route for route in routes() if route.whose in ("wes", "ada")]
    walk(here, signed_in(person), does_not_exist(here, person), among=among)


def refused(here: World, person: User, allowed: Callable[[str], bool]) -> Callable[[str, Route, Outcome], str | None]:
    """For members: everything is there, and only what is allowed can be done."""

    def complaint(method: str, route: Route, outcome: Outcome) -> str | None:
        asked = f"{method} {route.template}"
        if method in UNSAFE and not allowed(asked):
            if outcome.is_changed:
                return f"changed {outcome.lost or 'something'}"
            if route.is_api and outcome.status not in (403, 404, 405):
                return "expected 403"
        return names_nothing_of(here, person, outcome)

    return complaint


def test_a_reviewer_does_nothing_of_managers_and_owners(here):
    among = [route for route in routes() if route.whose == "rita"]
    walk(here, signed_in(here.rosa), refused(here, here.rosa, REVIEWERS_MAY.__contains__), among=among)


def test_a_manager_does_nothing_of_owners(here):
    among = [route for route in routes() if any(asked.endswith(f" {route.template}") for asked in OWNERS_MAY)]
    # who is removed is the manager here, and everybody may leave
    leaving = {asked for asked in OWNERS_MAY if asked.startswith("DELETE") or asked.endswith("/remove")}
    allowed = (set(SENT) - OWNERS_MAY) | leaving
    walk(here, signed_in(here.max), refused(here, here.max, allowed.__contains__), among=among)


@pytest.mark.parametrize(("name", "scope", "other"), [("rita", "work", "offer"), ("wes", "offer", "work")])
def test_a_key_does_nothing_beyond_its_scope(here, name, scope, other):
    _, secret = accounts.issue_key(getattr(here, name), "test", [scope])
    among = [route for route in routes() if getattr(route.view_class, "scope", None) in (other, "admin")]

    def complaint(method, route, outcome):
        return None if outcome.status == 403 and not outcome.is_changed else "expected 403"

    walk(here, Client(headers={"Authorization": f"Bearer {secret}"}), complaint, among=among)


@pytest.mark.parametrize("name", ["", "sam", "rita"])
def test_the_admin_is_for_staff_only(here, name):
    person = getattr(here, name) if name else None
    among = [route for route in every_route() if route.template.startswith("/admin/")]
    free = {"/admin/login/", "/admin/logout/"}

    def complaint(method, route, outcome):
        if outcome.is_changed:
            return f"changed {outcome.lost or 'something'}"
        if route.template not in free and outcome.status not in (301, 302, 403, 404, 405):
            return "expected the way to sign in"
        return names_nothing_of(here, person, outcome)

    client = signed_in(person) if person else Client()
    walk(here, client, complaint, among=among)


# Who may: the same requests are none that everybody is refused


def test_the_same_requests_do_what_they_say_for_those_who_may(here):
    complaints = []
    walkers = {name: Walker(here, signed_in(getattr(here, name))) for name in ("rita", "wes", "ada")}
    walked = [route for route in routes() if route.whose in walkers]
    for route in walked:
        walker = walkers[route.whose]
        for method in [method for method in METHODS if method in UNSAFE and _has(walker, route, method)]:
            outcome = walker.ask(method, route)
            is_refused = outcome.status == 409 or route.template in NOT_NOW
            if not is_refused and (outcome.status >= 400 or not outcome.is_changed):
                complaints.append(f"{method} {route.template}: {outcome.status}: {outcome.text[:200]}")
    assert not complaints, "\n".join(complaints)
    assert {f"{method} {route.template}" for method in UNSAFE for route in walked} > REVIEWERS_MAY | OWNERS_MAY


def _has(walker: Walker, route: Route, method: str) -> bool:
    """Whether the route has this method; of a page, whether it takes a form."""
    if route.is_api:
        return route.has(method)
    return method == "POST" and (f"POST {route.template}" in SENT or walker.ask("GET", route).status == 405)
