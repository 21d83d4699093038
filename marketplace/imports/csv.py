"""Comma-separated values as RFC 4180 has them: a header, quotes doubled inside quotes, line breaks inside quotes.

A row that cannot be read is a problem on its first line, and reading goes on at the line after: nothing is passed
over without being reported, and one stray quote does not cost the rest of the file.
"""

import csv
from collections.abc import Iterator
from typing import IO

from marketplace.imports.rows import NAME_LONGEST, Problem, Row, Start, Unreadable, cell_problem, long_problem, skip_bom


class Lines:
    """Feeds `csv.reader` one line at a time, so that after a record the offset is exactly where it ended."""

    def __init__(self, file: IO[bytes], start: Start, most_bytes: int) -> None:
        self.file, self.most_bytes = file, most_bytes
        self.readline = file.readline  # found once: behind it are three objects of Django's
        self.go_to(start.offset, start.line)

    def go_to(self, offset: int, line: int) -> None:
        """Begin a record here."""
        self.file.seek(offset)
        self.offset, self.line = offset, line
        self.begin()

    def begin(self) -> None:
        self.begun_at = self.first_end = self.offset
        self.begun_line = self.line
        self.is_too_long = self.is_odd = False

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        raw = self.readline(self.most_bytes + 2)  # a line break more than a row may have
        self.offset += len(raw)
        beyond = self.offset - self.begun_at - self.most_bytes
        if beyond > 0 and beyond > len(raw) - len(raw.rstrip(b"\r\n")):
            self.is_too_long = True
            raise StopIteration
        if not raw:
            raise StopIteration
        self.line += 1
        if self.first_end == self.begun_at:
            self.first_end = self.offset
        try:
            text = raw.decode()
        except UnicodeDecodeError:
            text, self.is_odd = raw.decode("utf-8", "surrogateescape"), True
        self.is_odd = self.is_odd or "\0" in text
        return text

    def pass_first_line(self) -> None:
        """Go to the line after the one on which the record began."""
        if self.first_end == self.begun_at:
            self.file.seek(self.begun_at)
            while (raw := self.file.readline(65_536)) and not raw.endswith(b"\n"):
                pass
            self.first_end = self.file.tell()
        self.go_to(self.first_end, self.begun_line + 1)


def start(file: IO[bytes], most_bytes: int) -> Start:
    """Where the first row begins, and the columns; Unreadable where they cannot serve as names."""
    lines = Lines(file, Start(skip_bom(file), 1, None), most_bytes)
    try:
        names = next(_reader(lines), [])
    except csv.Error as exc:
        raise Unreadable(f"the header cannot be read: {_said(exc)}") from exc
    if lines.is_too_long:
        raise Unreadable(f"the header has more than {most_bytes:,} bytes; lines must end in LF or CRLF")
    columns = [name.strip() for name in names]
    _check(columns)
    return Start(lines.offset, lines.line, columns)


def rows(file: IO[bytes], at: Start, most_bytes: int) -> Iterator[Row]:
    """Each row from here to the end of the file."""
    columns = at.columns or []
    lines = Lines(file, at, most_bytes)
    reader = _reader(lines)
    while True:
        lines.begin()
        begun, line = lines.offset, lines.line
        cells, problem = _record(reader, lines)
        looked_to = lines.offset
        if problem:
            lines.pass_first_line()
            reader = _reader(lines)
        elif cells is None:
            return
        value = problem or (_value(cells, columns, lines.is_odd) if cells else None)
        yield Row(line, value, lines.offset, lines.line, max(looked_to, lines.offset) - begun)


def _record(reader: Iterator[list[str]], lines: Lines) -> tuple[list[str] | None, Problem | None]:
    """The cells of the next record, or what is wrong with it; neither at the end of the file."""
    cells, problem = None, None
    try:
        cells = next(reader, None)
    except csv.Error as exc:
        problem = Problem("", "csv", _said(exc))
    return (cells, problem) if not lines.is_too_long else (None, long_problem(lines.most_bytes))


def _reader(lines: Lines) -> Iterator[list[str]]:
    csv.field_size_limit(max(csv.field_size_limit(), lines.most_bytes))
    return csv.reader(lines, strict=True)


def _value(cells: list[str], columns: list[str], is_odd: bool) -> dict[str, str] | Problem:
    """The cells under their names; only those of an odd record can be such that the database cannot keep them."""
    if len(cells) != len(columns):
        return Problem("", "cells", f"{len(cells)} cells where the header has {len(columns)}")
    for column, cell in zip(columns, cells, strict=True) if is_odd else ():
        if problem := cell_problem(column, cell):
            return problem
    return dict(zip(columns, cells, strict=True))


def _check(columns: list[str]) -> None:
    if not columns:
        raise Unreadable("the first line is blank; it must name the columns")
    for number, name in enumerate(columns, 1):
        if problem := cell_problem(name, name):
            raise Unreadable(f"column {number} of the header: {problem.message}")
        if not name or len(name) > NAME_LONGEST:
            raise Unreadable(f"column {number} of the header must have a name of 1 to {NAME_LONGEST} characters")
        if columns.index(name) < number - 1:
            raise Unreadable(f"the header names the column {name!r} twice")


def _said(exc: csv.Error) -> str:
    """What the reader complains of, as a person would say it."""
    text = str(exc)
    if "unexpected end of data" in text:
        return "a quote that opens here is never closed"
    if "expected after" in text:
        return "after a closing quote there must be a comma or the end of the row; write a quote inside quotes twice"
    if "new-line character" in text:
        return "a carriage return stands by itself; lines must end in LF or CRLF"
    return text
