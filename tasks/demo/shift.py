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
    """Claim a page and hand it in, or read or practise first where that is asked; False: no work for this person."""
    try:
        page = hand.client.post(f"work/projects/{project}/claim")
    except Refused as refusal:
        if refusal.code == "guideline-unread":
            hand.client.post(f"work/projects/{project}/acknowledge", {"version": refusal.facts["version"]})
            return True
        if refusal.code == "practice-needed":
            return practise(hand, project, shown)
        if refusal.code == "no-task-available":
            return False
        raise
    fill_in(hand, page, shown)
    return True


def practise(hand: Hand, project: str, shown: Shown) -> bool:
    """One try at the practice; False: it was the last, and it did not help."""
    try:
        page = hand.client.post(f"work/projects/{project}/practice")
    except Refused as refusal:
        if refusal.code not in TURNED_AWAY:
            raise
        hand.is_turned_away = True
        return False
    fill_in(hand, page, shown)
    feedback = hand.client.get(f"assignments/{page['id']}/feedback")
    hand.is_turned_away = not feedback["passed"] and not feedback["attempts_left"]
    return not hand.is_turned_away


def fill_in(hand: Hand, page: dict[str, Any], shown: Shown) -> None:
    """Hand in an answer for every task of a page."""
    in_practice = page["purpose"] == "practice"
    answers = []
    for task in page["tasks"]:
        if task["state"] != "leased":
            continue
        key, truth = shown[task["payload"]["image"]]
        label = crowd.answer(hand.person, key, truth, len(digits.CLASSES), in_practice=in_practice)
        answers.append({"position": task["position"], "value": {"digit": digits.CLASSES[label]}})
    hand.client.post(f"assignments/{page['id']}/submit", {"answers": answers})
