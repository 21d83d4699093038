"""Money that moves at the provider: processes die, replies are lost, messages come in any order, keys come again."""

import re
from collections.abc import Callable
from random import Random
from subprocess import CompletedProcess

from marketplace import accounts
from payments.models import Account, Prepayment
from tests import make
from tests.faults.ground import Stage
from tests.faults.load import Person, Reply, Seen, problems
from tests.faults.outcome import HARNESS, Outcome
from tests.race import race

CENT = 10_000


def lives(trouble: str) -> Callable[[Stage, Random, int], Outcome]:
    """F3, F6, F7: so many lives of money with this trouble, each drawn by a seed, until one ends wrong.

    One without any trouble comes first: what cannot live that says nothing of the trouble.
    """

    def strike(stage: Stage, rng: Random, times: int) -> Outcome:
        if wrong := _ended(stage.python("tests.machine", "--trouble=none")):
            return Outcome("a life without trouble", 1, [f"{HARNESS}{wrong[0]}"])
        drawn = [f"--trouble={trouble}", f"--seed={rng.randrange(10**9)}", f"--lives={times}"]
        run = stage.python("tests.machine", *drawn)
        wrong = _ended(run)
        begun = len(set(re.findall(r"^seed (\d+)", run.stdout, re.MULTILINE)))
        return Outcome(f"{begun} prepayments, payouts, refunds", begun, wrong)

    return strike


def _ended(run: CompletedProcess[str]) -> list[str]:
    """What it said last, where it ended wrong."""
    return [(run.stdout or run.stderr).strip().splitlines()[-1]] if run.returncode else []


def same_key_for_two(stage: Stage, rng: Random, times: int) -> Outcome:
    """F8: two different prepayments are asked for under one key, eight times each, all at once."""
    home, seen, found = make.organisation(), Seen(is_calm=True), []
    rita = make.owner(home)
    stage.web()
    key = accounts.issue_key(rita, "faults", ("offer",))[1]
    tabs = [Person(stage.ports(), seen, key=key) for _ in range(16)]
    paid = 0
    for number in range(times):
        sums = rng.sample(range(100, 10_000), 2)
        bodies = [{"amount_micros": sums[place % 2] * CENT, "currency": "USD"} for place in range(len(tabs))]
        replies: list[Reply] = race(
            *[
                lambda tab=tab, body=body: tab.post(f"organisations/{home.public_id}/prepayments", body, f"k{number}")  # noqa: B023
                for tab, body in zip(tabs, bodies, strict=True)
            ]
        )
        told = {str(reply.body) for reply in replies if reply.is_done}
        done, refused = (sum(reply.is_done for reply in replies), sum(reply.code == "key-reused" for reply in replies))
        paid += next((reply.body["amount_micros"] for reply in replies if reply.is_done), 0)
        if (len(told), done, refused) != (1, 8, 8):
            found.append(f"one key, two sums: {len(told)} different receipts, {refused} of 8 refused")
    moved = Account.objects.get(kind="prepaid", organisation=home).balance_micros
    if (Prepayment.objects.count(), moved) != (times, paid):
        found.append(f"{times} keys made {Prepayment.objects.count()} prepayments")
    return Outcome(f"{len(tabs) * times} requests under {times} keys", times, [*found[:3], *problems(seen)])
