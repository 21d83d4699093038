"""`python -m tests.machine --seed 7`: a walk in the database of DATABASE_URL; exits with 1 if it went wrong."""

import argparse
import os
import secrets
import sys

import django


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.machine", description=__doc__)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10**9), help="draws every step")
    parser.add_argument("--steps", type=int, default=1_000)
    options = parser.parse_args()
    os.environ |= {"PAYOUT_LEAST_MICROS": "10000", "PAY_FLOORS": "*=0USD"}  # its books know no top-ups
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "marketplace.settings")
    django.setup()
    from tests.machine.walk import walk

    print(f"seed {options.seed}", flush=True)
    try:
        print(f"{walk(options.seed, options.steps)} steps")
    except Exception as error:  # or hypothesis, which says more about the first one
        print("\n".join([*getattr(error, "__notes__", []), str(error)]))
        sys.exit(1)


if __name__ == "__main__":
    main()
