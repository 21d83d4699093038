"""The job of `manage.py replay`: recorded answers given again by as many people, begun or gone on with."""

import json
from collections import defaultdict
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

import httpx
from tqdm import tqdm

from marketplace.models import ApiKey
from tasks.demo import cast, offer, summary
from tasks.demo.client import Client, Refused
from tasks.demo.offer import Failed, Plan
from tasks.demo.recorded import Record
from tasks.demo.summary import Labels

ORGANISATION = "Recorded Crowds"
PAGE = 50
THREADS = 6

Check = Callable[[], None]


class Replaying:
    """The people of a record, the project they pick tasks in, and the batch it became."""

    def __init__(self, connections: httpx.Client, record: Record, check: Check) -> None:
        self.record, self.check = record, check
        names = list(record.answers)
        addresses = [f"replay-{record.digest}-{number + 1:05d}" for number in range(len(names))]
        self.users = {w: cast.person(f"Recorded worker {w}"[:120], a) for w, a in zip(names, addresses, strict=True)}
        self.clients = {
            worker: Client(connections, cast.key(user, ApiKey.Scope.WORK)) for worker, user in self.users.items()
        }
        (rita, scopes), *_ = cast.principals()
        self.requester = Client(connections, cast.key(rita, *scopes))
        self.batch = offer.batch(self.requester, self.plan(), check)
        self.project: str = self.batch["project"]

    def plan(self) -> Plan:
        """The same offer for the same files, found again by its title."""
        rows = [json.dumps({"task": task}).encode() for task in self.record.tasks]
        field = {"name": "label", "type": "choice", "title": "What was recorded?", "options": self.record.labels}
        return Plan(
            organisation=ORGANISATION,
            title=f"Replay of {self.record.count:,} recorded answers ({self.record.digest})",
            dataset=f"Recorded tasks ({self.record.digest})",
            terms={
                "schema": {"display": [{"column": "task", "kind": "text"}], "fields": [field]},
                "price_micros": 10_000,
                "redundancy_min": self.record.redundancy,
                "redundancy_max": self.record.redundancy,
                "page_size": PAGE,
                "accept_after_s": 0,
                "gold_share": 0.0,
                "pick_column": "task",
            },
            file=lambda: b"\n".join(rows),
            format="jsonl",
            read_as={},
        )

    def work(self) -> None:
        """Have everybody answer what they answered then and have not answered here yet, under a progress bar."""
        if self.batch["state"] == "closed":
            return
        given = self._given()
        left = {
            worker: {task: label for task, label in answers.items() if task not in given[worker]}
            for worker, answers in self.record.answers.items()
        }
        done = self.record.count - sum(map(len, left.values()))
        pool = ThreadPoolExecutor(THREADS)
        try:
            with tqdm(total=self.record.count, initial=done, unit="answer", smoothing=0.05) as bar:
                for count in pool.map(self._answer, left, left.values()):
                    self.check()
                    bar.update(count)
        finally:
            pool.shutdown(cancel_futures=True)

    def close(self) -> None:
        """Wait until consensus has seen everything, and close the batch, so that what nobody answered is returned."""
        labels = offer.wait(self._seen, lambda seen: seen["counted"] == self.record.count, self.check, "consensus")
        try:
            self.requester.post(f"batches/{self.batch['id']}/close")
        except Refused as refusal:
            if refusal.code != "illegal-move":  # closed by itself: every task has all its answers
                raise Failed(f"{refusal}: {labels}") from None
        offer.paid(self.requester, self.batch["id"], self.check)

    def labels(self) -> Labels:
        return summary.read(self.requester, self.batch["id"], "label", self.record.truth, key="task")

    def _answer(self, worker: str, left: dict[str, str]) -> int:
        """Pick the tasks of a worker page by page and hand in what was recorded; how many answers it were."""
        client, count, wanted = self.clients[worker], len(left), dict(left)
        while wanted:
            try:
                page = client.post(f"work/projects/{self.project}/claim", {"pick": list(wanted)[:PAGE]})
            except Refused as refusal:
                if refusal.code != "no-task-available":
                    raise
                raise Failed(f"worker {worker} finds no seat at these tasks: {', '.join(wanted)[:200]}") from None
            answers = []
            for task in page["tasks"]:
                name = task["payload"]["task"]
                answers.append({"position": task["position"], "value": {"label": self.record.answers[worker][name]}})
                wanted.pop(name, None)
            client.post(f"assignments/{page['id']}/submit", {"answers": answers})
        return count

    def _given(self) -> dict[str, set[str]]:
        """What each worker has answered here already."""
        workers = {user.pk: worker for worker, user in self.users.items()}
        names = {name: workers[pk] for name, pk in cast.pseudonyms(self.project, self.users.values()).items()}
        given: dict[str, set[str]] = defaultdict(set)
        for line in self.requester.lines(f"batches/{self.batch['id']}/labels.jsonl"):
            row = json.loads(line)
            for answer in row["answers"]:
                given[names[answer["worker"]]].add(row["payload"]["task"])
        return given

    def _seen(self) -> dict[str, int]:
        """How many answers consensus rests on so far."""
        rows = [json.loads(line) for line in self.requester.lines(f"batches/{self.batch['id']}/labels.jsonl")]
        return {"counted": sum(row["support"].get("label", 0) for row in rows)}
