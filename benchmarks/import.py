"""How many rows a second does an import take, how near is that to writing the finished rows, and in how much memory?

    python benchmarks/import.py [--full]

In a database of its own, made and dropped here. Each line is one file of 100,000 rows (with --full: 1,000,000), read by
`datasets.import_step` in a process that does nothing else: rows a second, the most memory it held beyond what it held
before the first step, and the same for the anchor in the same run. The anchor is COPY of the items and aliases that the
import made, as PostgreSQL itself writes them (binary, ids, hashes and all), into tables of the same columns, indexes,
constraints and foreign keys, each table in one command, both in one transaction: nothing is parsed, checked for
duplicates, hashed or looked up. Imports of one format go into one dataset, one version after the other. The last
column is the median over the rounds of what the anchor took, over what the import took.
"""

import csv
import io
import json
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import IO, Any

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
os.environ.setdefault("DJANGO_SETTINGS_MODULE", "marketplace.settings")

import django

django.setup()

from django.conf import settings  # noqa: E402
from django.core.files.base import File  # noqa: E402
from django.db import connection, transaction  # noqa: E402

from benchmarks.crowd.fresh import apart, memory  # noqa: E402
from marketplace import accounts, datasets  # noqa: E402
from marketplace.models import Dataset, Import, User  # noqa: E402

ROWS, FULL_ROWS = 100_000, 1_000_000
ROUNDS, FULL_ROUNDS = 3, 1
REPEATED = 100  # one row in so many shows what an earlier one showed
WORDS = [
    "a",
    "red",
    "brown",
    "small",
    "old",
    "cat",
    "dog",
    "owl",
    "sits",
    "runs",
    "sleeps",
    "under",
    "the",
    "tall",
    "tree",
]
ITEM = ["id", "dataset_id", "content_hash", "payload", "truth", "version"]
ALIAS = ["id", "dataset_id", "version", "key", "item_id"]
BARE = """
CREATE TABLE bare_item (LIKE marketplace_item INCLUDING ALL);
CREATE TABLE bare_itemalias (LIKE marketplace_itemalias INCLUDING ALL);
ALTER TABLE bare_item
    ADD FOREIGN KEY (dataset_id) REFERENCES marketplace_dataset DEFERRABLE INITIALLY DEFERRED;
ALTER TABLE bare_itemalias
    ADD FOREIGN KEY (dataset_id) REFERENCES marketplace_dataset DEFERRABLE INITIALLY DEFERRED,
    ADD FOREIGN KEY (item_id) REFERENCES bare_item DEFERRABLE INITIALLY DEFERRED;
"""


def drawn(first: int, count: int) -> Iterator[dict[str, Any]]:
    """Rows with a key, a sentence, an address and two numbers, the same for the same arguments."""
    for n in range(first, first + count):
        shown = n - 1 if n % REPEATED == REPEATED - 1 else n
        text = " ".join(WORDS[(shown * step) % len(WORDS)] for step in range(3, 15))
        image = f"https://images.example.org/{shown:09}.jpg"
        yield {"id": f"row-{n}", "text": text, "image": image, "width": 640 + shown % 640, "height": 480}


def write_csv(rows: Iterator[dict[str, Any]], path: Path) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, ["id", "text", "image", "width", "height"])
        writer.writeheader()
        writer.writerows(rows)


def write_jsonl(rows: Iterator[dict[str, Any]], path: Path) -> None:
    with path.open("w", encoding="utf-8") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)


def begun(dataset: Dataset, path: Path, format: str) -> Import:
    """An import of this file, kept and waiting."""
    owner = dataset.organisation.memberships.get().user
    with path.open("rb") as file:
        return datasets.start_import(dataset, owner, File(file, path.name), format=format, key_column="id")


def steps(database: str, media: str, import_pk: int, result: Connection) -> None:
    """All steps of an import, in a process of its own; sends the seconds, and the bytes held beyond those held idle."""
    connection.settings_dict["NAME"] = database
    settings.MEDIA_ROOT = media
    connection.ensure_connection()
    Path("/proc/self/clear_refs").write_text("5")  # forget the peak so far
    idle = memory("VmRSS")
    begin = time.perf_counter()
    while datasets.import_step(import_pk):
        pass
    result.send((time.perf_counter() - begin, memory("VmHWM") - idle))


def copied(run: Import) -> float:
    """Seconds in which COPY writes the items and aliases of this import, where nothing else is done."""
    with tempfile.TemporaryFile() as items, tempfile.TemporaryFile() as aliases:
        _out(items, "item", ITEM, run)
        _out(aliases, "itemalias", ALIAS, run)
        begin = time.perf_counter()
        with transaction.atomic():
            _in(items, "item", ITEM)
            _in(aliases, "itemalias", ALIAS)
        return time.perf_counter() - begin


def _out(file: IO[bytes], table: str, columns: list[str], run: Import) -> None:
    rows = f"SELECT {', '.join(columns)} FROM marketplace_{table} WHERE dataset_id = %s AND version = %s ORDER BY id"
    with (
        connection.cursor() as cursor,
        cursor.copy(f"COPY ({rows}) TO STDOUT (FORMAT binary)", [run.dataset_id, run.version]) as source,
    ):
        for block in source:
            file.write(block)
    file.seek(0)


def _in(file: IO[bytes], table: str, columns: list[str]) -> None:
    with (
        connection.cursor() as cursor,
        cursor.copy(f"COPY bare_{table} ({', '.join(columns)}) FROM STDIN (FORMAT binary)") as sink,
    ):
        while block := file.read(io.DEFAULT_BUFFER_SIZE * 16):
            sink.write(block)


def line(format: str, write: Callable[..., None], dataset: Dataset, count: int, rounds: int) -> str:
    """One row of the table."""
    pairs, peaks = [], []
    for n in range(rounds):
        with tempfile.NamedTemporaryFile() as file:
            write(drawn(n * count, count), Path(file.name))
            run = begun(dataset, Path(file.name), format)
        seconds, peak = apart(steps, connection.settings_dict["NAME"], str(settings.MEDIA_ROOT), run.pk)
        run.refresh_from_db()
        assert (run.state, run.good + run.duplicates) == ("done", count), run.failure
        pairs.append((seconds, copied(run)))
        peaks.append(peak)
    ours, bare = (statistics.median(column) for column in zip(*pairs, strict=True))
    ratio = statistics.median(bare / ours for ours, bare in pairs)
    return f"{format:6} {count:10,} {count / ours:10,.0f} {max(peaks) / 1e6:8.0f} {count / bare:10,.0f} {ratio:7.2f}"


def main(full: bool) -> None:
    """Print the table."""
    connection.settings_dict["TEST"]["NAME"] = "manyhands_benchmark_import"
    name = connection.creation.create_test_db(verbosity=0, autoclobber=True, serialize=False)
    try:
        with tempfile.TemporaryDirectory() as media, connection.cursor() as cursor:
            settings.MEDIA_ROOT = media
            cursor.execute(BARE)
            owner = User.objects.create(email="benchmark@example.org")
            home = accounts.found(owner, "benchmark")
            print(f"{'file':6} {'rows':>10} {'rows/s':>10} {'peak MB':>8} {'copied/s':>10} {'ratio':>7}")
            for format, write in {"csv": write_csv, "jsonl": write_jsonl}.items():
                dataset = datasets.create(home, owner, format)
                size = (FULL_ROWS, FULL_ROUNDS) if full else (ROWS, ROUNDS)
                print(line(format, write, dataset, *size), flush=True)
    finally:
        connection.creation.destroy_test_db(name, verbosity=0)


if __name__ == "__main__":
    main("--full" in sys.argv[1:])
