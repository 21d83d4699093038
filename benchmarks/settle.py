"""How many workers a second does a settlement pay, and how near is that to writing the bare rows?

    python benchmarks/settle.py

In a database of its own, made and dropped here. One line for each number of workers: transfers a second by
`ledger.post_settlement` (entry, locks, checks, totals), by COPY of the same rows into a table with the same indexes and
nothing else, and the first over the second, each pair run back to back, the median of the rounds.
"""

import os
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "marketplace.settings")

import django

django.setup()

from django.db import connection, transaction  # noqa: E402

from marketplace.models import Organisation, User  # noqa: E402
from payments import ledger  # noqa: E402
from payments.models import Account, Transfer  # noqa: E402

ROUNDS = 7
COLUMNS = ["entry_id", "debit_id", "credit_id", "amount_micros", "currency", "mode", "created_at"]
REWARD, FEE = 1_000, 100
MONEY = {"currency": "USD", "mode": "sandbox"}


def funded() -> Account:
    """A reserve with more in it than this run can spend."""
    outside = Account.objects.create(kind="outside", **MONEY)
    home = Organisation.objects.create(name="benchmark")
    reserve = Account.objects.create(kind="reserve", organisation=home, subject="benchmark", **MONEY)
    ledger.post("prepayment", "benchmark", (outside, reserve, 10**15))
    return reserve


def workers(number: int) -> list[int]:
    """So many users who have earned before."""
    rows = [User(email=f"{n}of{number}@example.org") for n in range(number)]
    people = [user.pk for user in User.objects.bulk_create(rows)]
    Account.objects.bulk_create(Account(kind="earnings", user_id=user, **MONEY) for user in people)
    return people


def copy(rows: list[tuple[object, ...]]) -> None:
    """Write these rows by COPY, where nothing checks them."""
    command = f"COPY bare_transfer ({', '.join(COLUMNS)}) FROM STDIN"
    with transaction.atomic(), connection.cursor() as cursor, cursor.copy(command) as sink:
        for row in rows:
            sink.write_row(row)


def seconds(function: Callable[..., object], *arguments: object) -> float:
    start = time.perf_counter()
    function(*arguments)
    return time.perf_counter() - start


def line(reserve: Account, number: int) -> str:
    """One row of the table."""
    rewards = dict.fromkeys(workers(number), REWARD)
    pairs = []
    for n in range(ROUNDS):
        key = f"settle:{number}:{n}"
        ours = seconds(ledger.post_settlement, key, reserve, rewards, FEE)
        rows = list(Transfer.objects.filter(entry__key=key).values_list(*COLUMNS))
        pairs.append((ours, seconds(copy, rows)))
    settle, bare = (statistics.median(column) for column in zip(*pairs, strict=True))
    ratio = statistics.median(bare / settle for settle, bare in pairs)
    return f"{number:8,} {number / settle:12,.0f} {number / bare:12,.0f} {ratio:7.2f}"


def main() -> None:
    """Print the table."""
    name = connection.creation.create_test_db(verbosity=0, autoclobber=True, serialize=False)
    try:
        with connection.cursor() as cursor:
            cursor.execute("CREATE TABLE bare_transfer (LIKE payments_transfer INCLUDING ALL)")
        reserve = funded()
        print(f"{'workers':>8} {'settled/s':>12} {'copied/s':>12} {'ratio':>7}")
        for number in (10, 100, 1_000, 10_000):
            print(line(reserve, number), flush=True)
        assert ledger.audit() == []
    finally:
        connection.creation.destroy_test_db(name, verbosity=0)


if __name__ == "__main__":
    main()
