"""File formats: one module each, reading rows one after the other from any place between two rows."""

from collections.abc import Iterator
from typing import IO, Protocol

from marketplace.imports import csv, jsonl
from marketplace.imports.rows import Row, Start


class Format(Protocol):
    """What a module of a format offers; `most_bytes` is what a row may have, its line break not counted."""

    def start(self, file: IO[bytes], most_bytes: int) -> Start:
        """Where the first row begins, and the columns; raises Unreadable where no row can be read."""

    def rows(self, file: IO[bytes], at: Start, most_bytes: int) -> Iterator[Row]:
        """Each row from here to the end of the file."""


FORMATS: dict[str, Format] = {"csv": csv, "jsonl": jsonl}
