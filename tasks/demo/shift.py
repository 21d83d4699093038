"""The crowd at work: several at a time, each over HTTP as a person would, page after page."""

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from tasks.demo import crowd, digits
from tasks.demo.client import Client, Refused
from tasks.demo.crowd import Person

THREADS = 6
IDLE_S = 0.5  # after a round in which nobody found work
FIRST_ASKED = {"guideline-unread", "practice-needed"}
TURNED_AWAY = {"no-attempt-left", "practice-needed", "worker-suspended", "forbidden"}

Shown = dict[str, tuple[str, int]]  # image -> its key and its class


@dataclass
class Hand:
    """A simulated person with access to the API."""

    person: Person
    client: Client
    is_turned_away: bool = False
    credit: float = 0.0  # pages this person is behind their pace


class Shift:
    """People working in a project until stopped; the first error ends it and is raised by `check`."""

    def __init__(self, project: str, hands: Sequence[Hand], shown: Shown) -> None:
        self.project, self.hands, self.shown = project, hands, shown
        self.is_over = threading.Event()
        self.error: BaseException | None = None
        self.threads = [threading.Thread(target=self._run, args=[hands[n::THREADS]]) for n in range(THREADS)]

    def __enter__(self) -> "Shift":
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.is_over.set()
        for thread in self.threads:
            thread.join()

    def check(self) -> None:
        if self.error:
            raise self.error

    def _run(self, hands: Sequence[Hand]) -> None:
        try:
            while not self.is_over.is_set():
                if not any([self._round(hand) for hand in hands]):
                    self.is_over.wait(IDLE_S)
        except BaseException as error:
            self.error = self.error or error
            self.is_over.set()

    def _round(self, hand: Hand) -> bool:
        """As many pages as this person's pace allows; whether there was work."""
        hand.credit += hand.person.pace
        while hand.credit >= 1 and not hand.is_turned_away and not self.is_over.is_set():
            hand.credit -= 1
            if not do_page(hand, self.project, self.shown):
                hand.credit = 0
                return False
        return not hand.is_turned_away


def do_page(hand: Hand, project: str, shown: Shown) -> bool:
    """Claim a page and hand it in, or do what is asked before that; False: there is no work for this person."""
    try:
        page = hand.client.post(f"work/projects/{project}/claim")
    except Refused as refusal:
        if refusal.code in FIRST_ASKED:
            return do_what_is_asked(hand, project, shown)
        if refusal.code == "no-task-available":
            return False
        if refusal.code == "stopped":
            hand.is_turned_away = True
            return False
        raise
    fill_in(hand, page, shown)
    return True


def do_what_is_asked(hand: Hand, project: str, shown: Shown) -> bool:
    """Read, practise or sit the exam, whichever comes next; False: nothing that this person could do."""
    offer = hand.client.get(f"work/projects/{project}")
    step = offer["next"]
    if step == "read":
        hand.client.post(f"work/projects/{project}/acknowledge", {"version": offer["guideline"]["version"]})
    elif step == "practise":
        practise(hand, project, shown)
    elif step == "exam":
        try:
            fill_in(hand, hand.client.post(f"work/projects/{project}/exam"), shown)
        except Refused as refusal:
            if refusal.code not in TURNED_AWAY:
                raise
            hand.is_turned_away = True
    elif step not in ("begun", "start", "wait"):
        hand.is_turned_away = True
    return not hand.is_turned_away and step != "wait"


def practise(hand: Hand, project: str, shown: Shown) -> None:
    """Go through the practice, task by task, each with its feedback."""
    page = hand.client.post(f"work/projects/{project}/practice")
    for answer in answers(hand, page, shown):
        hand.client.post(f"assignments/{page['id']}/check", answer)
    hand.client.post(f"assignments/{page['id']}/submit", {"answers": []})


def fill_in(hand: Hand, page: dict[str, Any], shown: Shown) -> None:
    """Hand in an answer for every task of a page."""
    hand.client.post(f"assignments/{page['id']}/submit", {"answers": answers(hand, page, shown)})


def answers(hand: Hand, page: dict[str, Any], shown: Shown) -> list[dict[str, Any]]:
    """What this person answers to the tasks of a page that still wait."""
    in_test = page["purpose"] != "work"
    found = []
    for task in page["tasks"]:
        if task["state"] == "leased":
            key, truth = shown[task["payload"]["image"]]
            label = crowd.answer(hand.person, key, truth, len(digits.CLASSES), in_practice=in_test)
            found.append({"position": task["position"], "value": {"digit": digits.CLASSES[label]}})
    return found
