"""The job of `manage.py demo`: digits labelled by a simulated crowd, begun or gone on with."""

import json
import time
from collections.abc import Callable
from typing import Any

import httpx
from tqdm import tqdm

from marketplace.models import ApiKey
from tasks.demo import cast, crowd, digits, dispute, fixed, offer, shift, summary
from tasks.demo.client import Client
from tasks.demo.crowd import Kind, Person
from tasks.demo.fixed import Comparison
from tasks.demo.offer import Failed, Plan
from tasks.demo.shift import Hand, Shift
from tasks.demo.summary import Labels

ORGANISATION = "Handwriting Lab"
TITLE = "Which digit is this?"
STALLED_S = 90.0
LOOK_S = 0.5
LEFT = 60  # pictures of the project that is left for visitors
PAYOUTS_OF = 3  # one person in so many asks to be paid
TERMS = {
    "description": "Handwritten digits, one a picture.",
    "schema": digits.SCHEMA,
    "guideline": digits.GUIDELINE,
    "price_micros": 20_000,
    "redundancy_min": 3,
    "redundancy_max": 5,
    "target_confidence": 0.999,
    "page_size": 12,
    "lease_s": 900,
    "accept_after_s": 10,
    "gold_share": 0.1,
    "practice_size": 4,
    "exam_size": 8,
    "exam_pass_mark": 0.75,
    "exam_attempts": 3,
    "exam_cooldown_s": 0,
    "expected_s": 5,
}
# Said by the requester, tried first on what has happened: in 100 looks a worker of 90 % is stopped once in 10,000 times
RULE = {
    "name": "Guessing",
    "collector": "gold",
    "measure": {"threshold": 0.6},
    "conditions": [
        {"figure": "total", "is": "GreaterThanOrEqualTo", "to": 6},
        {"figure": "p_below", "is": "GreaterThan", "to": 0.95},
    ],
    "action": {"kind": "stop", "hours": 24},
}
HONEST = {Kind.CAREFUL, Kind.AVERAGE}

Check = Callable[[], None]


class Labelling:
    """Who takes part, what is asked, and the batch it became; `check` raises when the site is gone."""

    def __init__(self, connections: httpx.Client, seed: int, items: int, people: int, check: Check) -> None:
        self.seed, self.items, self.check = seed, items, check
        self.digits = digits.load(seed, items)
        persons = crowd.people(seed, people)
        users = [cast.person(f"Simulated worker {p.number + 1}", f"crowd-{seed}-{p.number + 1:03d}") for p in persons]
        self.kind_of = dict(zip(users, (person.kind for person in persons), strict=True))
        self.hands = [
            Hand(person, Client(connections, cast.key(user, ApiKey.Scope.WORK)))
            for person, user in zip(persons, users, strict=True)
        ]
        self.requester, self.wes, self.admin = (
            Client(connections, cast.key(user, *scopes)) for user, scopes in cast.principals()
        )
        self.as_wes = Person(-1, Kind.CAREFUL, 0.99, True, 1.0, seed)
        self.batch = offer.batch(self.requester, self.plan(people), check)
        self.project: str = self.batch["project"]
        self._switch_on_rule()

    def _switch_on_rule(self) -> None:
        """Have the requester's rule on, once."""
        rule = next(self.requester.every(f"projects/{self.project}/rules"), None)
        rule = rule or self.requester.post(f"projects/{self.project}/rules", RULE)
        if rule["state"] == "draft":
            self.requester.post(f"rules/{rule['id']}/try")
            self.requester.post(f"rules/{rule['id']}/on")

    def plan(self, people: int) -> Plan:
        """The same offer for the same seed and size, found again by its title."""
        size = f"{self.items:,} pictures, {people} people, seed {self.seed}"
        return Plan(
            organisation=ORGANISATION,
            title=f"{TITLE} ({size})",
            dataset=f"Digits ({size})",
            terms=TERMS,
            file=lambda: b"".join(self.digits.rows()),
            format="jsonl",
            spare_micros=1_000_000,  # for the answer bought in place of a rejected one
            read_as={"key_column": "key", "truth_columns": json.dumps({"truth": "digit"})},
        )

    def leave_some(self) -> None:
        """A small project that nobody has worked on, for whoever visits the site."""
        few = digits.load(self.seed, LEFT)
        terms = {"redundancy_min": 1, "redundancy_max": 2, "page_size": 6, "practice_size": 2, "exam_size": 4}
        left = Plan(
            organisation=ORGANISATION,
            title=f"Try it yourself: {TITLE.lower()}",
            dataset="Digits to try",
            terms={**TERMS, **terms, "price_micros": 100_000},
            file=lambda: b"".join(few.rows()),
            format="jsonl",
            read_as={"key_column": "key", "truth_columns": json.dumps({"truth": "digit"})},
        )
        offer.batch(self.requester, left, self.check)

    @property
    def is_closed(self) -> bool:
        return bool(self.batch["state"] == "closed")

    def dispute(self) -> str | None:
        """Wes does a page; one of its answers is wrongly rejected, contested and restored."""
        hand = Hand(self.as_wes, self.wes)
        shown = self.digits.shown()
        if not any(answer["project"] == self.project for answer in self.wes.every("work/answers")):
            for _ in range(4):  # the guideline, the practice, the exam, then a page
                shift.do_page(hand, self.project, shown)
        return dispute.settle_one(self.requester, self.wes, self.admin, self.project)

    def work(self) -> None:
        """Have the crowd work until every task is closed, under a progress bar."""
        seen, moved_at = self._look(), time.monotonic()
        with (
            tqdm(total=seen["tasks"], initial=seen["closed"], unit="task", smoothing=0.05) as bar,
            Shift(self.project, self.hands, self.digits.shown()) as crew,
        ):
            while seen["closed"] < seen["tasks"]:
                time.sleep(LOOK_S)
                crew.check()
                self.check()
                before, seen = seen, self._look()
                moved_at = time.monotonic() if seen != before else moved_at
                if time.monotonic() - moved_at > STALLED_S:
                    raise Failed(f"nothing has moved for {STALLED_S:.0f} s: {seen}")
                bar.set_postfix_str(f"{seen['answers_in']:,} answers, {seen['leased']} out", refresh=False)
                bar.update(seen["closed"] - before["closed"])

    def settle(self) -> int:
        """Wait until every answer is decided and paid and the rest returned, and have some people ask for their pay."""
        offer.paid(self.requester, self.batch["id"], self.check)
        return dispute.ask_for_payouts([hand.client for hand in self.hands[::PAYOUTS_OF]], self.check)

    def labels(self) -> Labels:
        return summary.read(self.requester, self.batch["id"], "digit", self.digits.held_back())

    def beside_fixed(self, labels: Labels) -> Comparison:
        """What was bought, beside what the same number of answers for every picture would have needed."""
        people = self._people()
        places = {key: place for place, key in enumerate(self.digits.held_back())}
        names = {name: code for code, name in enumerate(dict.fromkeys([*people, *(who for _, who, _ in labels.given)]))}
        persons, classes = [people.get(name, self.as_wes) for name in names], digits.CLASSES

        def ask(task: int, worker: int) -> int:
            return crowd.answer(persons[worker], digits.key(task), int(self.digits.truth[task]), len(classes))

        given = [(places[key], names[worker], classes.index(value)) for key, worker, value in labels.given]
        return fixed.compare(given, self.digits.truth[: self.items], len(names), len(classes), ask)

    def worker_table(self, labels: Labels) -> list[str]:
        """Estimated against real accuracy, kind by kind."""
        known = {name: person.kind for name, person in self._people().items()}
        return summary.worker_table(self.requester, self.batch["id"], labels, known, others="Wes")

    def stopped(self) -> dict[str, list[Kind]]:
        """The kinds of those whom the exam turned away before any paid answer, and of those whom the rule stopped."""
        path = f"work/projects/{self.project}"
        failed = [hand.person.kind for hand in self.hands if hand.client.get(path)["next"] == "failed"]
        known = {name: person.kind for name, person in self._people().items()}
        organisation = self.requester.get(f"projects/{self.project}")["organisation"]
        decided = self.requester.every(f"organisations/{organisation}/decisions", kind="stop")
        by_rule = [known[row["worker"]] for row in decided if row["project"] == self.project]
        return {"exam": failed, "rule": by_rule}

    def _people(self) -> dict[str, Person]:
        """The crowd by the names under which the requester knows them."""
        persons = {user.pk: hand.person for user, hand in zip(self.kind_of, self.hands, strict=True)}
        return {name: persons[pk] for name, pk in cast.pseudonyms(self.project, self.kind_of).items()}

    def _look(self) -> dict[str, Any]:
        progress: dict[str, Any] = self.requester.get(f"batches/{self.batch['id']}")["progress"]
        return progress
