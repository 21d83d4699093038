"""What every file format speaks of: rows, and what is wrong with them."""

from typing import IO, Any, NamedTuple

from marketplace.core.strictjson import text_error

NAME_LONGEST = 200
BOMS_OF_OTHERS = (b"\xff\xfe", b"\xfe\xff")  # UTF-16, either way round; UTF-32 begins like one of them
BOM = b"\xef\xbb\xbf"


class Unreadable(Exception):
    """Why no row of a file can be read."""


class Problem(NamedTuple):
    """What is wrong with a row, in which column; empty: with all of it."""

    column: str
    code: str
    message: str


class Row(NamedTuple):
    """What stands on a line: an object, a problem, or nothing."""

    line: int
    value: dict[str, Any] | Problem | None
    end: int  # where the next row begins, in bytes
    next_line: int
    read: int  # bytes that were looked at for it, also those that turned out to be of later rows


class Start(NamedTuple):
    """Where the first row begins, and the columns where the format names them ahead."""

    offset: int
    line: int
    columns: list[str] | None


def skip_bom(file: IO[bytes]) -> int:
    """The length of the mark at the begin of a file; raises Unreadable if it is empty or no UTF-8."""
    first = file.read(3)
    if not first:
        raise Unreadable("the file is empty")
    if first.startswith(BOMS_OF_OTHERS):
        raise Unreadable("the file is UTF-16; save it as UTF-8")
    return len(BOM) if first == BOM else 0


def long_problem(most_bytes: int) -> Problem:
    return Problem("", "too-long", f"the row has more than {most_bytes:,} bytes")


def cell_problem(column: str, text: str) -> Problem | None:
    """Why the database cannot keep a cell that was decoded with `surrogateescape`, if it cannot."""
    wrong = text_error(text)
    if "NUL" in wrong:
        return Problem(column, "nul", "the cell holds a NUL character")
    return Problem(column, "encoding", "the cell is not UTF-8") if wrong else None
