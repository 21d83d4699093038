"""What does money cost those who work, and does it stay as quick as it grows?

    python benchmarks/ledger.py [--full] [--seconds 6] [--rounds 3]

Three questions, each answered beside an anchor in the same run:

* Submits a second over HTTP, 32 clients, one requester, while a process beside them accepts and settles what was handed
  in, as the sweeps do, and while it only accepts: with money over without, run in turns, the median of the rounds. The
  goal is 0.95.
* Answers settled a second: that is `benchmarks/settle.py`, run from here.
* Buffers that looks at one account touch, with 1,000, 1,000,000 and (--full) 10,000,000 transfers: the last over the
  first. `tests/plans/test_money_plans.py` asks the same of the first and the last.
"""

import statistics
import sys
from argparse import ArgumentParser
from multiprocessing import get_context
from multiprocessing.synchronize import Event
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from django.conf import settings
from django.db import connection, transaction

from benchmarks import settle
from benchmarks.crowd import clients, stage
from marketplace.core import env
from payments import reserves
from payments.models import Entry
from tasks import decisions
from tasks.models import Batch
from tests.payments import made
from tests.plans import money

CLIENTS, PAGE = 32, 10
TASKS = 200_000
RESERVED = 10**12  # micros: as much as all rounds could earn
SIZES = (1_000, 1_000_000, 10_000_000)


def sweeping(url: str, with_money: bool, stop: Event, ready: Event) -> None:
    """In a process of its own: accept, and settle, whatever was handed in, step after step, until told to stop."""
    stage.use({**connection.settings_dict, **env.database(url)})
    connection.ensure_connection()
    ready.set()
    while not stop.is_set():
        more = decisions.accept_due()
        if with_money:
            more |= settle.settle()
        if not more:
            stop.wait(0.2)


def rate(here: stage.Stage, seconds: float, with_money: bool) -> float:
    """Submits a second."""
    processes = get_context("spawn")
    stop, ready = processes.Event(), processes.Event()
    sweeps = processes.Process(target=sweeping, args=(here.url, with_money, stop, ready))
    sweeps.start()
    ready.wait(60)
    try:
        seen = clients.closed_loop(here, here.people(2_000), CLIENTS, seconds, PAGE)
    finally:
        stop.set()
        sweeps.join()
    assert set(seen.statuses) == {200, 201}, seen.statuses
    return len(seen.submits) / seconds


def submits(seconds: float, rounds: int) -> None:
    """The first table."""
    with stage.site(TASKS) as here:
        Batch.objects.filter(pk=here.batch).update(accept_after_s=0)
        batch = Batch.objects.select_related("project__organisation").get(pk=here.batch)
        made.prepaid(batch.project.organisation, RESERVED)
        reserves.add(batch.subject, "answers", RESERVED)
        clients.closed_loop(here, here.people(100), CLIENTS, 2, PAGE)
        pairs = [(rate(here, seconds, True), rate(here, seconds, False)) for _ in range(rounds)]
        assert Entry.objects.filter(kind="settlement").exists()
    on, off = (statistics.median(column) for column in zip(*pairs, strict=True))
    ratio = statistics.median(one / other for one, other in pairs)
    print(f"{'money on/s':>12} {'money off/s':>12} {'ratio':>7}   {CLIENTS} clients, pages of {PAGE}")
    print(f"{on:12.1f} {off:12.1f} {ratio:7.2f}", flush=True)


def looks(sizes: tuple[int, ...]) -> None:
    """The third: all of it in one transaction, which is taken back."""
    name = connection.creation.create_test_db(verbosity=0, autoclobber=True, serialize=False)
    settings.ALLOWED_HOSTS.append("testserver")  # pages are looked at as a test does
    try:
        with transaction.atomic():
            here, touched = money.begin(), []
            for size in sizes:
                with money.history(here, size):
                    touched.append({look: money.cost(here, look).buffers for look in (*money.LOOKS, money.CONTROL)})
            transaction.set_rollback(True)
    finally:
        connection.creation.destroy_test_db(name, verbosity=0)
    print(f"{'buffers of a look':>28}" + "".join(f"{size:>12,}" for size in sizes) + f"{'ratio':>8}")
    for look in touched[0]:
        found = [row[look] for row in touched]
        print(f"{look:>28}" + "".join(f"{buffers:12,}" for buffers in found) + f"{found[-1] / found[0]:8.2f}")


def main() -> None:
    """Print the three tables."""
    options = ArgumentParser()
    options.add_argument("--full", action="store_true")
    options.add_argument("--seconds", type=float, default=6)
    options.add_argument("--rounds", type=int, default=3)
    asked = options.parse_args()
    submits(asked.seconds, asked.rounds)
    settle.main()
    looks(SIZES if asked.full else SIZES[:2])


if __name__ == "__main__":
    main()
