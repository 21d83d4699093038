"""How much of its rate does the claim keep while somebody holds an old snapshot, as a dump or a report does?

    python benchmarks/snapshot.py [--full]

The statements of claim and submit, pages of one, by 8 processes with prepared psycopg: before anybody holds a snapshot;
under one that has been held while they went on for half a minute (with --full: ten); and when it is let go and the dead
rows are swept. One line: cycles a second of each, and that under the old snapshot over the mean of the others.
"""

import sys
from argparse import ArgumentParser
from pathlib import Path

import psycopg

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from benchmarks.crowd import raw, stage

TASKS, CLIENTS, SECONDS = 500_000, 8, 6.0


def main() -> None:
    """Print the line."""
    options = ArgumentParser()
    options.add_argument("--full", action="store_true")
    held_s = 600.0 if options.parse_args().full else 30.0
    with stage.site(3 * TASKS if held_s > 60 else TASKS) as here:
        workers = [person.worker for person in here.people(2_000)]

        def rate(seconds: float) -> float:
            return raw.cycles(here, workers, CLIENTS, seconds, 1) / seconds

        rate(SECONDS)
        before = rate(SECONDS)
        with psycopg.connect(here.url) as old:
            old.isolation_level = psycopg.IsolationLevel.REPEATABLE_READ
            old.execute("SELECT count(*) FROM tasks_batch")
            rate(held_s)
            under = rate(SECONDS)
        with psycopg.connect(here.url, autocommit=True) as database:
            database.execute("VACUUM ANALYZE")
        after = rate(SECONDS)
    print(f"{'held s':>7} {'before/s':>9} {'under/s':>9} {'after/s':>9} {'ratio':>7}")
    print(f"{held_s:7.0f} {before:9.0f} {under:9.0f} {after:9.0f} {2 * under / (before + after):7.2f}")


if __name__ == "__main__":
    main()
