"""Does a claim stay as quick as tables grow, for those who did much, and with a thousand people at work?

    python benchmarks/claim.py [--full]

Sites of 10,000 and 1,000,000 tasks (with --full: 10,000,000, too), each a database and a server of its own, take turns:
one client claims pages of one and hands them in. One line a size: the 50th and 95th percentile of a claim over HTTP in
milliseconds, and the 95th over that of 10,000 tasks. Then, on 1,000,000 tasks, of which a veteran has answered 50,000:
the veteran beside people who come for the first time; how many buffers of the database a claim touches, by its plan for
any values; and 1,000 people at once who take 5 to 30 s a task, while two server processes answer them.
"""

import statistics
import sys
from argparse import ArgumentParser
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from itertools import count
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.crowd import clients, stage
from marketplace.models import Project
from tasks import assignments
from tasks.models import Cursor
from tests.plans import load, plans
from workers.models import Worker

SMALL, MILLION, TEN_MILLION = 10_000, 1_000_000, 10_000_000
TURNS, TURN_S = 12, 1.0
CROWD, CROWD_S, TASK_S = 1_000, 50.0, (5.0, 30.0)
CLAIMS = 200  # explained
HEAD = f"{'':>24} {'claims':>8} {'p50 ms':>8} {'p95 ms':>8} {'ratio':>7}"


def line(title: str, claims: Sequence[float], anchor: float | None = None) -> str:
    """One row of a table."""
    middle, late = (1000 * clients.percentile(claims, share) for share in (0.5, 0.95))
    ratio = "" if anchor is None else f"{late / anchor:7.2f}"
    return f"{title:>24} {len(claims):8,} {middle:8.1f} {late:8.1f} {ratio:>7}"


def in_turns(groups: Sequence[tuple[stage.Stage, Sequence[stage.Person]]]) -> list[list[float]]:
    """What claims took in each group, measured in short turns."""
    for here, people in groups:
        clients.closed_loop(here, people, 1, TURN_S, 1)
    claims: list[list[float]] = [[] for _ in groups]
    for _ in range(TURNS):
        for (here, people), mine in zip(groups, claims, strict=True):
            mine += clients.closed_loop(here, people, 1, TURN_S, 1).claims
    return claims


def sizes(wanted: Sequence[int]) -> None:
    """The first table; it takes less than the minute that a token lasts for two sizes, and not for three."""
    with ExitStack() as running:
        here = [running.enter_context(stage.site(size, people=500, processes=1)) for size in wanted]
        every: list[list[float]] = [[] for _ in wanted]
        for _ in range(len(wanted)):
            for site, claims in zip(every, in_turns([(site, site.people(500)) for site in here]), strict=True):
                site += claims
        anchor = 1000 * clients.percentile(every[0], 0.95)
        for size, claims in zip(wanted, every, strict=True):
            print(line(f"{size:,} tasks", claims, anchor), flush=True)


def crowd(here: stage.Stage) -> None:
    """The second: who asks, what it touches, and how many ask."""
    veteran, newcomers = [here.person(here.veteran)], here.people(500)
    of_veteran, of_newcomers = in_turns([(here, veteran), (here, newcomers)])
    anchor = 1000 * clients.percentile(of_newcomers, 0.95)
    print(line("a newcomer", of_newcomers, anchor))
    print(line("a veteran of 50,000", of_veteran, anchor), flush=True)
    project = Project.objects.get(public_id=here.project)
    places = count(MILLION // 2, 500)
    for size in (1, 10):
        print(buffers(project, size, places), flush=True)
    seen = clients.at_their_pace(here, here.people(CROWD), CROWD_S, TASK_S)
    print(line(f"{CROWD:,} people", seen.claims))
    print(
        f"{'':>24} {sum(seen.statuses.values()) / CROWD_S:.0f} requests a second, {seen.cpu_s / CROWD_S:.2f} cores busy"
    )
    assert set(seen.statuses) == {200, 201}, seen.statuses
    assert not seen.doubles


def buffers(project: Project, size: int, places: Iterator[int]) -> str:
    """What claims touch, a task: each of somebody else, in a part of the queue that nobody has come to."""

    def touched(worker: Worker) -> float:
        Cursor.objects.filter(worker=worker).update(pos=next(places))
        return plans.of(lambda: assignments.claim(worker, project, tasks=size), "generic").buffers / size

    found = [touched(worker) for worker in Worker.objects.order_by("-pk")[: CLAIMS + 1]][1:]  # the first fills caches
    late = clients.percentile(found, 0.95)
    return f"{f'buffers a task, page of {size}':>24} {len(found):7,} {statistics.median(found):8.0f} {late:8.0f}"


def main() -> None:
    """Print both tables."""
    options = ArgumentParser()
    options.add_argument("--full", action="store_true")
    asked = options.parse_args()
    print(HEAD)
    sizes([SMALL, MILLION, TEN_MILLION] if asked.full else [SMALL, MILLION])
    with stage.site(MILLION, people=CROWD, history=load.HISTORY) as here:
        crowd(here)


if __name__ == "__main__":
    main()
