"""Lists of workers as files: the pseudonym of one on each line, and a score where one is asked for."""

import csv
import io
import math
import re

from django.conf import settings

from marketplace.core.errors import Invalid
from workers.models import Worker

PSEUDONYM = re.compile(r"w_[0-9a-f]{16}", re.ASCII)
HEADERS = ("worker", "pseudonym")


def read(text: str, *, scored: bool = False, default: float | None = None) -> list[tuple[str, float]]:
    """Pseudonyms and scores of CSV: `worker` or `worker,score` a line, a header if there is one.

    default  the score where none stands
    raises   Invalid with each line that cannot be taken; then none is
    """
    rows: list[tuple[str, float]] = []
    errors: list[dict[str, str]] = []
    for line, row in enumerate(csv.reader(io.StringIO(text)), start=1):
        cells = [cell.strip() for cell in row]
        if not any(cells) or (line == 1 and cells[0].lower() in HEADERS):
            continue
        if len(rows) >= settings.LIST_MOST_ROWS:
            errors.append(_error(line, f"there are more than {settings.LIST_MOST_ROWS:,} rows"))
            break
        score = _score(cells, default) if scored else 0.0
        if not PSEUDONYM.fullmatch(cells[0]):
            errors.append(_error(line, "must begin with a worker's pseudonym, as w_0123456789abcdef"))
        elif score is None:
            errors.append(_error(line, "must have a number as score"))
        else:
            rows.append((cells[0], score))
    if errors:
        raise Invalid("the list cannot be taken", errors=errors[: settings.ERRORS_SHOWN])
    return rows


def known(names: list[str], found: dict[str, Worker]) -> None:
    """Raise Invalid with every name that is nobody's."""
    errors = [
        {"path": f"workers[{place}]", "code": "not-found", "message": f"{name[:40]} is no worker you know"}
        for place, name in enumerate(names)
        if name not in found
    ]
    if errors:
        raise Invalid("some are not known to you", errors=errors[: settings.ERRORS_SHOWN])


def _score(cells: list[str], default: float | None) -> float | None:
    if len(cells) < 2 or not cells[1]:
        return default
    try:
        score = float(cells[1])
    except ValueError:
        return None
    return score if math.isfinite(score) and abs(score) <= 1e9 else None


def _error(line: int, message: str) -> dict[str, str]:
    return {"path": f"line {line}", "code": "row", "message": message}
