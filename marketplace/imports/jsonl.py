"""JSON Lines: one object a line."""

from collections.abc import Iterator
from typing import IO, Any

from marketplace.core import strictjson
from marketplace.imports.rows import NAME_LONGEST, Problem, Row, Start, long_problem, skip_bom


def start(file: IO[bytes], most_bytes: int) -> Start:
    """Where the first row begins; there is no header."""
    return Start(skip_bom(file), 1, None)


def rows(file: IO[bytes], at: Start, most_bytes: int) -> Iterator[Row]:
    """Each line from here to the end of the file."""
    file.seek(at.offset)
    offset, line = at.offset, at.line
    readline = file.readline  # found once: behind it are three objects of Django's
    while raw := readline(most_bytes + 2):  # a line break more than a row may have
        begun = offset
        offset += len(raw)
        text = raw.rstrip(b"\r\n")
        value = long_problem(most_bytes) if len(text) > most_bytes else _value(text)
        while raw and not raw.endswith(b"\n"):
            raw = readline(65_536)
            offset += len(raw)
        yield Row(line, value, offset, line + 1, offset - begun)
        line += 1


def _value(text: bytes) -> dict[str, Any] | Problem | None:
    if not text.strip():
        return None
    try:
        value = strictjson.loads(text)
    except ValueError as exc:
        return Problem("", "json", str(exc))
    if not isinstance(value, dict):
        return Problem("", "object", "the line must be a JSON object")
    if any(not name or len(name) > NAME_LONGEST for name in value):
        return Problem("", "name", f"names must have 1 to {NAME_LONGEST} characters")
    return value
