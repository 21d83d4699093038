"""CSV for spreadsheets: flat columns, and no cell that a spreadsheet would run as a formula."""

import csv
import io
from collections.abc import Iterable, Iterator
from typing import Any

from marketplace import labels
from marketplace.core.money import MICROS
from tasks.exports.labels import Row
from tasks.models import Batch

CONTENT_TYPE = "text/csv; charset=utf-8"
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")  # what a spreadsheet takes for a formula
BOM = "\ufeff"  # without it, spreadsheets guess another encoding
REST = ["state", "method", "workers", "payload", "batch", "schema_version", "dataset_version"]
BLOCK_LETTERS = 65_536  # sent row by row, a server is busy with sending


def write(batch: Batch, rows: Iterable[Row]) -> Iterator[bytes]:
    """A header, then one line a row, in blocks of many; a label has its field's name, then confidence and support."""
    fields = [(spec["name"], spec, labels.TYPES[spec["type"]].to_text) for spec in batch.schema["fields"]]
    header = ["key", "version"]
    for name, _, _ in fields:
        header += [name, f"{name}.confidence", f"{name}.support"]
    text = io.StringIO(BOM, newline="")
    text.seek(0, io.SEEK_END)
    line = csv.writer(text).writerow
    line(map(defused, [*header, *REST]))
    for row in rows:
        if text.tell() >= BLOCK_LETTERS:
            yield taken(text)
        cells: list[Any] = [row["key"], row["version"]]
        for name, spec, to_text in fields:
            value = row["labels"].get(name)
            cell = "" if value is None else to_text(value, spec)
            number = spec["type"] in ("number", "rating")
            cells += [Number(cell) if number else cell, row["confidence"].get(name, ""), row["support"].get(name, "")]
        method = " ".join(sorted(set(row["method"].values())))
        workers = " ".join([answer["worker"] for answer in row["answers"]])
        cells += [row["state"], method, workers, bytes(row["payload"]).decode()]
        line(map(defused, [*cells, row["batch"], row["schema_version"], row["dataset_version"]]))
    yield taken(text)


class Number(str):
    """A cell that is a number; its minus sign is no formula."""


def defused(cell: Any) -> Any:
    """A text cell that a spreadsheet shows and does not run."""
    if isinstance(cell, str) and not isinstance(cell, Number) and cell.lstrip(" ").startswith(FORMULA):
        return "'" + cell
    return cell


def amount(micros: int) -> Number:
    """An amount of money as spreadsheets read it."""
    sign = "-" if micros < 0 else ""
    return Number(f"{sign}{abs(micros) // MICROS}.{abs(micros) % MICROS:06d}")


def table(header: list[str], rows: Iterable[list[Any]]) -> Iterator[bytes]:
    """A table in blocks of many lines, in which no cell is a formula."""
    text = io.StringIO(BOM, newline="")
    text.seek(0, io.SEEK_END)
    line = csv.writer(text).writerow
    line(header)
    for row in rows:
        if text.tell() >= BLOCK_LETTERS:
            yield taken(text)
        line(map(defused, row))
    yield taken(text)


def taken(text: io.StringIO) -> bytes:
    """What was written so far, which the next block begins without."""
    block = text.getvalue().encode()
    text.seek(0)
    text.truncate()
    return block
