"""JSON Lines: one object a row."""

import json
from collections.abc import Iterable, Iterator

from tasks.exports.labels import Row

CONTENT_TYPE = "application/x-ndjson"


def write(rows: Iterable[Row]) -> Iterator[bytes]:
    for row in rows:
        yield json.dumps(row, ensure_ascii=False, allow_nan=False).encode() + b"\n"
