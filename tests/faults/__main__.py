"""`make faults`: break the site in every way we know, and see that its promises hold; exits with 1 if one does not."""

import argparse
import os
import secrets
import sys
import tempfile
from pathlib import Path

import django

from tests.faults.ground import Ground

LIMITS = {"API_A_SECOND": "0", "HOT_A_SECOND": "0", "PREPAYMENTS_AN_HOUR": "1000000", "PUBLISHED_AN_HOUR": "1000000"}
LIMITS |= {"PAY_FLOORS": "*=0USD"}  # top-ups are not what is struck here


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.faults", description=__doc__)
    parser.add_argument("--seed", type=int, default=0, help="draws what is struck and when; 0: another one each time")
    parser.add_argument("--only", action="append", default=[], metavar="F11", help="this one (may be repeated)")
    parser.add_argument("--short", action="store_true", help="each fault a few times only; without --only, a selection")
    options = parser.parse_args()
    seed = options.seed or secrets.randbelow(10**6) + 1
    with tempfile.TemporaryDirectory(prefix="manyhands-faults-") as folder, Ground(Path(folder)) as ground:
        own = {"DATABASE_URL": ground.url(), "MEDIA_ROOT": f"{folder}/media", "SECRET_KEY": secrets.token_urlsafe(50)}
        os.environ |= {**own, **LIMITS, "DJANGO_SETTINGS_MODULE": "marketplace.settings", "LOG_LEVEL": "ERROR"}
        sys.exit(faults(ground, seed, options))


def faults(ground: Ground, seed: int, options: argparse.Namespace) -> int:
    """Print the table as it grows; 1 where a promise was broken or a control was not caught."""
    django.setup()
    from django.core.management import call_command
    from django.db import connection

    call_command("migrate", interactive=False, verbosity=0)
    connection.close()
    from tests.faults import run

    codes = [fault.code for fault in run.FAULTS]
    wanted = options.only or (run.SHORT if options.short else codes)
    if unknown := set(wanted) - set(codes):
        print(f"unknown: {', '.join(unknown)}; there are {', '.join(codes)}", file=sys.stderr)
        return 2
    for fault in run.FAULTS:
        if why := fault.cannot():
            print(f"{fault.code} is left out: {why}")
    chosen = [fault for fault in run.FAULTS if fault.code in wanted and not fault.cannot()]
    print(f"seed {seed}\n{run.HEAD}", flush=True)
    done = []
    for row in run.rows(ground, chosen, seed, short=options.short):
        print(run.line(row), flush=True)
        done.append(row)
    print(run.last_line(done), flush=True)
    return int(any(row.has_failed for row in done))


if __name__ == "__main__":
    main()
