"""`python -m tests.machine --seed 7`: a walk in the database of DATABASE_URL; exits with 1 if it went wrong.

With `--trouble deaths`, `answers` or `messages`: lives of money with this trouble, one after the other.
"""

import argparse
import os
import secrets
import sys

import django


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.machine", description=__doc__)
    parser.add_argument(
        "--seed", type=int, default=secrets.randbelow(10**9), help="draws every step, or the first life"
    )
    parser.add_argument("--steps", type=int, default=1_000)
    parser.add_argument("--trouble", help="live instead of walking")
    parser.add_argument("--lives", type=int, default=1, help="each drawn by the next seed")
    options = parser.parse_args()
    os.environ |= {"PAYOUT_LEAST_MICROS": "10000", "PAY_FLOORS": "*=0USD"}  # the floor is that of its project
    os.environ.setdefault("PGOPTIONS", "-c synchronous_commit=off")  # the database is not killed here
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "marketplace.settings")
    django.setup()
    from django.conf import settings

    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    sys.exit(lives(options) if options.trouble else walks(options))


def lives(options: argparse.Namespace) -> int:
    """Live until one ends wrong; 1: one did."""
    from tests.machine.life import live

    for seed in range(options.seed, options.seed + options.lives):
        print(f"seed {seed}", flush=True)
        try:
            live(options.trouble, seed)
        except Exception as error:
            print(f"seed {seed}: {type(error).__name__}: {error}".partition("\n")[0])
            return 1
    print(f"{options.lives} lives")
    return 0


def walks(options: argparse.Namespace) -> int:
    """Walk; 1: it went wrong."""
    from tests.machine.walk import walk

    print(f"seed {options.seed}", flush=True)
    try:
        print(f"{walk(options.seed, options.steps)} steps")
    except Exception as error:  # or hypothesis, which says more about the first one
        print("\n".join([*getattr(error, "__notes__", []), str(error)]))
        return 1
    return 0


if __name__ == "__main__":
    main()
