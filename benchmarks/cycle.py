"""How near does the site come to the database alone? Claims and submits over HTTP, and the same statements without it.

    python benchmarks/cycle.py [--full] [--seconds 6] [--rounds 3]

One line for a page of one and one for a page of ten: cycles (claim and submit) a second over HTTP with 8 clients and 2
server processes, with everything that stands before a view, access tokens, validation, qualification and a tenth of
hidden gold; the same by 8 processes with prepared psycopg that send the same statements and nothing else; the first
over the second, each pair run back to back, the median of the rounds; and the processor time of the server a cycle.
"""

import statistics
import sys
from argparse import ArgumentParser
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.crowd import clients, raw, stage

CLIENTS = 8


def line(here: stage.Stage, size: int, rounds: int, seconds: float) -> str:
    """One row of the table."""
    pairs, cpu, waits = [], [], []
    for _ in range(rounds):
        people = here.people(2_000)
        seen = clients.closed_loop(here, people, CLIENTS, seconds, size)
        assert set(seen.statuses) == {200, 201}, seen.statuses
        assert not seen.doubles
        done = len(seen.submits)
        alone = raw.cycles(here, [person.worker for person in people], CLIENTS, seconds, size)
        pairs.append((done / seconds, alone / seconds))
        cpu.append(1000 * seen.cpu_s / done)
        waits.append([1000 * clients.percentile(times, 0.95) for times in (seen.claims, seen.submits)])
    site, alone = (statistics.median(column) for column in zip(*pairs, strict=True))
    ratio = statistics.median(site / alone for site, alone in pairs)
    claim, submit = (statistics.median(column) for column in zip(*waits, strict=True))
    return f"{size:5} {site:9.0f} {alone:9.0f} {ratio:7.2f} {statistics.median(cpu):7.2f} {claim:9.1f} {submit:10.1f}"


def main() -> None:
    """Print the table."""
    options = ArgumentParser()
    options.add_argument("--full", action="store_true")
    options.add_argument("--seconds", type=float, default=6)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--tasks", type=int, default=200_000)
    asked = options.parse_args()
    tasks = 1_000_000 if asked.full else asked.tasks
    with stage.site(tasks) as here:
        print(f"{tasks:,} tasks, {CLIENTS} clients, 2 server processes")
        print(
            f"{'page':>5} {'site/s':>9} {'alone/s':>9} {'ratio':>7} {'cpu ms':>7} {'claim p95':>9} {'submit p95':>10}"
        )
        for size in (1, 10):
            print(line(here, size, asked.rounds, asked.seconds), flush=True)


if __name__ == "__main__":
    main()
