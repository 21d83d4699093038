"""People at work over HTTP, who remember what they were told; and whether it is still true."""

import http.client
import json
import random
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from django.db import connection, transaction

from marketplace import accounts
from tasks import audit
from tasks.api import authentication
from tasks.models import Answer, Assignment, Batch
from tests.faults.ground import HOST
from tests.faults.outcome import HARNESS
from tests.tasks import work
from workers.models import Worker

PATIENCE_S = 40.0  # until a site that was hit answers again
AGAIN_S = 0.05
ANIMALS = ("cat", "dog", "owl")

Body = dict[str, Any]
Values = dict[int, Any]  # by position


@dataclass(frozen=True)
class Reply:
    status: int
    body: Any

    @property
    def is_done(self) -> bool:
        return 200 <= self.status < 300

    @property
    def code(self) -> str:
        """The last part of the problem's type."""
        return str(self.body.get("type", "")).rpartition("/")[2] if isinstance(self.body, dict) else ""


@dataclass
class Seen:
    """What all clients were told."""

    is_calm: bool = False  # nothing is killed: a fault of the server is a failure
    claims: dict[str, int] = field(default_factory=dict)  # assignment -> worker
    sent: dict[str, list[Values]] = field(default_factory=dict)  # assignment -> what was handed in before any receipt
    submits: dict[str, Body] = field(default_factory=dict)  # assignment -> its first receipt
    statuses: Counter[int] = field(default_factory=Counter)
    broken: int = 0  # connections that ended without an answer
    claim_s: list[float] = field(default_factory=list)
    done_at: float = 0.0  # when anybody was last told that something is done
    failures: list[str] = field(default_factory=list)


class Person:
    """One client. A request that is not answered, or answered with a fault of the server, is sent again."""

    def __init__(self, ports: Sequence[int], seen: Seen, worker: Worker | None = None, key: str = "") -> None:
        self.ports, self.seen, self.worker, self.key = list(ports), seen, worker, key
        self.line: http.client.HTTPConnection | None = None

    def twin(self) -> "Person":
        """The same person in another tab."""
        return Person(self.ports[::-1], self.seen, self.worker, self.key)

    def post(self, path: str, body: Any = None, idempotency_key: str = "") -> Reply:
        until = time.monotonic() + PATIENCE_S
        while True:
            reply = self._send(path, json.dumps({} if body is None else body), idempotency_key)
            if reply and reply.status < 500:
                if reply.status in (401, 403, 429):
                    self.seen.failures.append(f"{path} was refused with {reply.status}")
                if reply.is_done:
                    self.seen.done_at = time.monotonic()
                return reply
            if (self.seen.is_calm and reply) or time.monotonic() > until:
                self.seen.failures.append(f"{path} was answered with {reply.status if reply else 'nothing'}")
                return reply or Reply(0, {})
            time.sleep(AGAIN_S)

    def claim(self, project: Any) -> Reply:
        began = time.monotonic()
        reply = self.post(f"work/projects/{project.public_id}/claim")
        self.seen.claim_s.append(time.monotonic() - began)
        if reply.is_done and self.worker:
            self.seen.claims[reply.body["id"]] = self.worker.pk
        return reply

    def submit(self, page: Body, animal: str = "") -> Reply:
        """Hand in an answer to every task of a page, at random unless said which."""
        held = [task["position"] for task in page["tasks"] if task["state"] in ("leased", "submitted")]
        values = {n: {"animal": animal or random.choice(ANIMALS)} for n in held}
        if page["id"] not in self.seen.submits:
            self.seen.sent.setdefault(page["id"], []).append(values)
        answers = [{"position": n, "value": value} for n, value in values.items()]
        reply = self.post(f"assignments/{page['id']}/submit", {"answers": answers})
        if reply.is_done:
            self.seen.submits.setdefault(page["id"], reply.body)
        return reply

    def work(self, project: Any, pages: int = 10**9, is_over: Callable[[], bool] = lambda: False) -> int:
        """Claim and hand in page after page while there are any; how many."""
        for done in range(pages):
            page = self.claim(project)
            if is_over() or not page.is_done:
                return done
            self.submit(page.body)
        return pages

    def _send(self, path: str, body: str, idempotency_key: str = "") -> Reply | None:
        try:
            if self.line is None:
                self.ports.append(self.ports.pop(0))
                self.line = http.client.HTTPConnection(HOST, self.ports[0], timeout=PATIENCE_S)
            token = self.key or authentication.issue(self.worker)
            headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
            if idempotency_key:
                headers["Idempotency-Key"] = idempotency_key
            self.line.request("POST", f"/api/v1/{path}", body, headers)
            answer = self.line.getresponse()
            content = answer.read()
        except (OSError, http.client.HTTPException):
            self.seen.broken += 1
            if self.line:
                self.line.close()
            self.line = None
            return None
        self.seen.statuses[answer.status] += 1
        try:
            return Reply(answer.status, json.loads(content) if content else {})
        except ValueError:
            return Reply(answer.status, {"detail": content[:200].decode(errors="replace")})


def with_keys(ports: Sequence[int], seen: Seen, names: Sequence[str]) -> list[Person]:
    """People with API keys, which do more than access tokens, and are read by the database's clock."""
    workers = [work.worker(name) for name in names]
    return [Person(ports, seen, each, accounts.issue_key(each.user, "faults", ("work",))[1]) for each in workers]


def published(*sizes: int, **terms: Any) -> Batch:
    """An open batch of so many items and gold items, and no lack of money."""
    return work.published(*sizes, micros=10_000_000_000, **terms)


@contextmanager
def at_work(people: Sequence[Person], project: Any) -> Iterator[None]:
    """All of them work in the background, again and again, until the block ends."""
    over = threading.Event()

    def run(person: Person) -> None:
        try:
            while not over.is_set():
                if not person.work(project, is_over=over.is_set):
                    over.wait(AGAIN_S)
        except Exception as error:
            person.seen.failures.append(f"a client failed: {error!r}")

    threads = [threading.Thread(target=run, args=[person], daemon=True) for person in people]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        over.set()
        for thread in threads:
            thread.join(2 * PATIENCE_S)


def problems(seen: Seen) -> list[str]:
    """What must hold and does not: the audit in one snapshot, and everything anybody was told."""
    connection.close()  # it may be among what was struck
    with transaction.atomic():
        with connection.cursor() as sql:
            sql.execute("SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY")
        idle = [] if seen.statuses else [f"{HARNESS}no request was answered"]
        return [*audit.check(), *untrue(seen), *seen.failures[:3], *idle]


def untrue(seen: Seen) -> list[str]:
    """What a client was told and the database does not know."""
    found = []
    leases = {lease.public_id: lease for lease in Assignment.objects.filter(public_id__in=seen.claims)}
    if lost := [claim for claim, worker in seen.claims.items() if getattr(leases.get(claim), "worker_id", 0) != worker]:
        found.append(f"{len(lost)} acknowledged claims are lost ({lost[0]})")
    handed_in = set(Assignment.objects.filter(state="submitted").values_list("public_id", flat=True))
    if lost := sorted(seen.submits.keys() - handed_in):
        found.append(f"{len(lost)} acknowledged submits are lost ({lost[0]})")
    kept: dict[str, Values] = defaultdict(dict)
    rows = Answer.objects.filter(assignment__public_id__in=seen.submits, submitted_at__isnull=False)
    for page, position, value in rows.values_list("assignment__public_id", "position", "value"):
        kept[page][position] = value
    if changed := [
        page for page, receipt in seen.submits.items() if not was_sent(kept[page], seen.sent[page], receipt)
    ]:
        found.append(f"the acknowledged answers of {len(changed)} pages are lost or changed ({changed[0]})")
    return found


def was_sent(kept: Values, sent: Sequence[Values], receipt: Body) -> bool:
    """Whether these answers are one of those that were handed in, but for what came too late."""
    return kept in [{n: value for n, value in values.items() if n not in receipt["refused"]} for values in sent]
