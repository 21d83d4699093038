"""CSV for spreadsheets: flat columns, and no cell that a spreadsheet would run as a formula."""

import csv
import io
import json
from collections.abc import Iterable, Iterator
from typing import Any

from marketplace import labels
from tasks.exports.labels import Row
from tasks.models import Batch

CONTENT_TYPE = "text/csv; charset=utf-8"
FORMULA = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")  # what a spreadsheet takes for a formula
BOM = b"\xef\xbb\xbf"  # without it, spreadsheets guess another encoding


def write(batch: Batch, rows: Iterable[Row]) -> Iterator[bytes]:
    """A header, then one line a row; the columns of a label are its field's name, then confidence and support."""
    fields = batch.schema["fields"]
    header = ["key", "version"]
    for spec in fields:
        header += [spec["name"], f"{spec['name']}.confidence", f"{spec['name']}.support"]
    yield BOM + _line([*header, "state", "method", "workers", "payload", "batch", "schema_version", "dataset_version"])
    for row in rows:
        cells: list[Any] = [row["key"], row["version"]]
        for spec in fields:
            name, value = spec["name"], row["labels"].get(spec["name"])
            text = "" if value is None else labels.TYPES[spec["type"]].to_text(value, spec)
            number = spec["type"] in ("number", "rating")
            cells += [Number(text) if number else text, row["confidence"].get(name, ""), row["support"].get(name, "")]
        workers = " ".join(answer["worker"] for answer in row["answers"])
        method = " ".join(sorted(set(row["method"].values())))
        payload = json.dumps(row["payload"], ensure_ascii=False)
        yield _line(
            [
                *cells,
                row["state"],
                method,
                workers,
                payload,
                row["batch"],
                row["schema_version"],
                row["dataset_version"],
            ]
        )


class Number(str):
    """A cell that is a number; its minus sign is no formula."""


def defused(cell: Any) -> Any:
    """A text cell that a spreadsheet shows and does not run."""
    if isinstance(cell, str) and not isinstance(cell, Number) and cell.lstrip(" ").startswith(FORMULA):
        return "'" + cell
    return cell


def _line(cells: Iterable[Any]) -> bytes:
    text = io.StringIO()
    csv.writer(text).writerow([defused(cell) for cell in cells])
    return text.getvalue().encode()
