"""The main job over real HTTP: from signing up to measured, paid, contested labels."""

import csv
import io
import json
import re
from typing import Any

import httpx
import pytest
from django.core import mail

from marketplace import jobs as imports
from marketplace.models import User
from tasks import audit, jobs

pytestmark = pytest.mark.django_db(transaction=True)

PASSWORD = "a long enough secret"
PRICE = 200_000
SCHEMA = {
    "display": [{"column": "text"}],
    "fields": [{"name": "animal", "type": "choice", "options": ["cat", "dog", "owl"]}],
}


class Person:
    """Somebody with an account, who speaks HTTP only."""

    def __init__(self, site: str, email: str, *scopes: str, staff: bool = False) -> None:
        self.http = httpx.Client(base_url=site, timeout=30)
        signed_up = self.http.post("/_allauth/app/v1/auth/signup", json={"email": email, "password": PASSWORD})
        self.session = {"X-Session-Token": signed_up.json()["meta"]["session_token"]}
        self._confirm()
        User.objects.filter(email=email).update(is_staff=staff)  # the only thing no one can do over HTTP
        key = self.http.post("/api/v1/api-keys", json={"name": "story", "scopes": scopes}, headers=self.session)
        assert key.status_code == 201, key.text
        self.http = httpx.Client(
            base_url=f"{site}/api/v1/", timeout=30, headers={"Authorization": f"Bearer {key.json()['secret']}"}
        )

    def _confirm(self) -> None:
        key = re.search(r"confirm-email/([^/\s]+)", mail.outbox[-1].body)
        assert key, mail.outbox[-1].body
        self.http.post("/_allauth/app/v1/auth/email/verify", json={"key": key[1]}, headers=self.session)

    def get(self, path: str, **params: Any) -> Any:
        return self._read(self.http.get(path, params=params), 200)

    def post(self, path: str, body: Any = None, expect: int = 200, **options: Any) -> Any:
        return self._read(self.http.post(path, json=body if body is not None else {}, **options), expect)

    @staticmethod
    def _read(reply: httpx.Response, expect: int) -> Any:
        assert reply.status_code == expect, f"{reply.request.url}: {reply.status_code} {reply.text}"
        return reply.json() if reply.content else None


def cluster() -> None:
    """What the cluster does, until nothing is left to do."""
    for step in (
        *(imports.imports, jobs.fill, jobs.expire, jobs.grade, jobs.update_consensus),
        *(jobs.accept, jobs.settle, jobs.close),
    ):
        while step():
            pass


def posted(rita: Person) -> tuple[str, str]:
    """Rita's project with its data, published: (project, batch)."""
    home = rita.post("organisations", {"name": "Rita's lab"}, 201)["id"]
    rita.post(f"organisations/{home}/prepayments", {"amount_micros": 50_000_000, "currency": "USD"}, 201)
    terms = {"redundancy_min": 2, "redundancy_max": 2, "page_size": 5, "practice_size": 2, "pass_mark": 1.0}
    project = rita.post(
        "projects",
        {
            **{"organisation": home, "title": "Animals", "schema": SCHEMA, "price_micros": PRICE},
            **{"guideline": "# Look\nAt the ears.", "gold_share": 0.3, "accept_after_s": 3600, **terms},
        },
        201,
    )["id"]
    dataset = rita.post("datasets", {"organisation": home, "name": "Zoo"}, 201)["id"]
    upload(rita, dataset, project)
    publishing = {"Idempotency-Key": "publish once"}
    batch = rita.post(f"projects/{project}/publish", {"dataset": dataset}, 201, headers=publishing)["id"]
    assert rita.post(f"projects/{project}/publish", {"dataset": dataset}, 201, headers=publishing)["id"] == batch
    cluster()
    return project, batch


def upload(rita: Person, dataset: str, project: str) -> None:
    table = io.StringIO()
    rows = csv.writer(table)
    rows.writerow(["id", "text", "answer"])
    rows.writerows([f"k{n}", f"a cat, number {n}", ""] for n in range(10))
    rows.writerows([f"g{n}", f"an owl, number {n}", "owl"] for n in range(14))
    rows.writerow(["again", "a cat, number 3", ""])
    rows.writerow(["bad", "an emu", "emu"])
    run = Person._read(
        rita.http.post(
            f"datasets/{dataset}/imports",
            files={"file": ("zoo.csv", table.getvalue().encode())},
            data={"format": "csv", "key_column": "id", "truth_columns": '{"answer": "animal"}', "project": project},
        ),
        201,
    )
    cluster()
    done = rita.get(f"imports/{run['id']}")
    assert (done["state"], done["good"], done["duplicates"], done["bad"]) == ("done", 24, 1, 1)
    (bad,) = rita.get(f"imports/{run['id']}/bad-rows")["items"]
    assert (bad["line"], bad["column"]) == (27, "answer")


def truthful(page: dict[str, Any]) -> dict[str, Any]:
    """Answers as somebody gives them who can read."""
    return {
        "answers": [
            {"position": task["position"], "value": {"animal": re.search("cat|owl", task["payload"]["text"])[0]}}
            for task in page["tasks"]
        ]
    }


def all_cats(page: dict[str, Any]) -> dict[str, Any]:
    return {"answers": [{"position": task["position"], "value": {"animal": "cat"}} for task in page["tasks"]]}


def work_to_the_end(person: Person, project: str, answers: Any) -> None:
    """Claim and submit with the short-lived token until nothing is left."""
    while True:
        token = person.post("access-token", expect=201)["token"]
        hot = {"Authorization": f"Bearer {token}"}
        claimed = person.http.post(f"work/projects/{project}/claim", json={}, headers=hot)
        if claimed.status_code == 409:
            assert claimed.json()["type"] == "/problems/no-task-available"
            return
        page = claimed.json()
        person.post(f"assignments/{page['id']}/heartbeat", {"active_s": 1}, headers=hot)
        done = person.post(f"assignments/{page['id']}/submit", answers(page), headers=hot)
        assert done["state"] == "submitted"


def practise(person: Person, project: str, answers: Any) -> dict[str, Any]:
    page = person.post(f"work/projects/{project}/practice", expect=201)
    person.post(f"assignments/{page['id']}/submit", answers(page))
    return person.get(f"assignments/{page['id']}/feedback")


def test_from_a_dataset_to_measured_paid_and_contested_labels(live_server):
    rita = Person(live_server.url, "rita@example.org", "offer")
    wes = Person(live_server.url, "wes@example.org", "work")
    ann = Person(live_server.url, "ann@example.org", "work")
    sam = Person(live_server.url, "sam@example.org", "offer", "work")
    project, batch = posted(rita)

    # the guideline first, then practice with feedback and a pass mark
    unread = wes.post(f"work/projects/{project}/claim", expect=403)
    assert (unread["type"], unread["version"]) == ("/problems/guideline-unread", 1)
    for person in (wes, ann):
        person.post(f"work/projects/{project}/acknowledge", {"version": 1}, expect=204)
    assert wes.get(f"work/projects/{project}")["next"] == "practise"
    refused = wes.post(f"work/projects/{project}/claim", expect=403)
    assert refused["type"] == "/problems/practice-needed"
    failed = practise(wes, project, all_cats)
    assert (failed["passed"], failed["answers"][0]["truth"]) == (False, {"animal": "owl"})
    assert practise(wes, project, truthful)["passed"]
    assert practise(ann, project, truthful)["passed"]

    # paid work; hidden gold moves reliability
    work_to_the_end(wes, project, truthful)
    work_to_the_end(ann, project, all_cats)
    cluster()
    scores = {row["worker"]: row["accuracy"] for row in rita.get(f"batches/{batch}/workers")}
    assert len(scores) == 2
    mine = wes.get("work/reliability")["items"][0]
    hers = ann.get("work/reliability")["items"][0]
    assert mine["accuracy"] > hers["accuracy"]
    assert mine["accuracy_p05"] < mine["accuracy"] < mine["accuracy_p95"]

    # the requester sees answers under pseudonyms; a stranger sees nothing
    answers = rita.get(f"batches/{batch}/answers", limit=200)["items"]
    assert {answer["worker"] for answer in answers} == set(scores)
    assert "example.org" not in json.dumps(answers)
    for path in (f"batches/{batch}", f"batches/{batch}/labels.jsonl", f"projects/{project}"):
        assert sam.http.get(path).status_code == 404
    chosen = next(each for each in wes.get("work/answers", limit=200)["items"] if each["value"] == {"animal": "cat"})
    assert sam.http.post(f"answers/{chosen['id']}/reject", json={}).status_code in (404, 422)
    rita.post(f"batches/{batch}/accept", {"answers": [a["id"] for a in answers if a["id"] != chosen["id"]]})

    # a rejection with its reason, contested, overturned by an admin
    decision = rita.post(f"answers/{chosen['id']}/reject", {"reason_code": "wrong", "reason": "No cat."}, 201)
    cluster()
    paid_before = wes.get("earnings")["earnings"][0]
    label_before = label_of(rita, batch, chosen, answers)
    told = wes.get("work/decisions")["items"][0]
    assert (told["id"], told["reason"]) == (decision["id"], "No cat.")
    appeal = wes.post(f"work/decisions/{told['id']}/appeal", {"statement": "It says cat."}, 201)
    ada = Person(live_server.url, "ada@example.org", "admin", staff=True)
    assert [each["id"] for each in ada.get("appeals", state="open")["items"]] == [appeal["id"]]
    assert sam.http.get("appeals").status_code == 403
    verdict = ada.post(f"appeals/{appeal['id']}/uphold", {"reason": "It does say cat."})
    assert verdict["state"] == "upheld"
    cluster()
    paid_after = wes.get("earnings")["earnings"][0]
    assert paid_after["balance_micros"] == paid_before["balance_micros"] + PRICE
    label_after = label_of(rita, batch, chosen, answers)
    assert label_after["support"]["animal"] == label_before["support"]["animal"] + 1
    assert label_after["labels"] == {"animal": "cat"}

    # every key is answered, also the one whose payload came twice
    rows = [json.loads(line) for line in rita.http.get(f"batches/{batch}/labels.jsonl").text.splitlines()]
    assert sorted(row["key"] for row in rows) == sorted([f"k{n}" for n in range(10)] + ["again"])
    table = list(csv.DictReader(io.StringIO(rita.http.get(f"batches/{batch}/labels.csv").text.lstrip("\ufeff"))))
    assert {row["animal"] for row in table} == {"cat"}

    payout = wes.post("payouts", {"currency": "USD"}, 201)
    assert payout["amount_micros"] == paid_after["balance_micros"] // 10_000 * 10_000
    rita.post(f"projects/{project}/close", expect=204)
    for _ in range(2):
        cluster()
    assert audit.check() == []


def label_of(rita: Person, batch: str, answer: dict[str, Any], answers: list[dict[str, Any]]) -> dict[str, Any]:
    payload = next(each["payload"] for each in answers if each["id"] == answer["id"])
    rows = [json.loads(line) for line in rita.http.get(f"batches/{batch}/labels.jsonl").text.splitlines()]
    return next(row for row in rows if row["payload"] == payload)
