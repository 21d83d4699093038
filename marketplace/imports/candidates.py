"""From the cells of a row to what a dataset takes: its key, what workers see, and what is known of it."""

import hashlib
from dataclasses import dataclass
from typing import Any, NamedTuple

from marketplace.core import strictjson
from marketplace.imports.rows import Problem, Unreadable
from marketplace.labels import TYPES, Spec

KEY_LONGEST = 200


class Candidate(NamedTuple):
    """A row that can be taken, if those before it allow."""

    line: int
    key: str
    payload: str  # as JSON, in the one way to write it
    digest: bytes
    truth: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Columns:
    """Which columns are not shown to workers.

    key     holds the requester's own key; empty: a row's key is the number of its line
    truths  column -> field whose right answer it holds
    fields  field -> its spec in the label schema
    """

    key: str
    truths: dict[str, str]
    fields: dict[str, Spec]

    def check(self, header: list[str] | None) -> None:
        """Raise Unreadable where a header leaves no row readable; a format may have none."""
        if header is None:
            return
        apart = [*([self.key] if self.key else []), *self.truths]
        for name in apart:
            if name not in header:
                raise Unreadable(f"the header has no column {name!r}; it has {', '.join(header)[:500]}")
        if len(apart) == len(header):
            raise Unreadable("no column is left to show to workers")

    def candidate(self, line: int, cells: dict[str, Any]) -> Candidate | Problem:
        """What a row brings, or what is wrong with it; the content hash leaves out key and truth."""
        payload = cells.copy()
        key = _key(payload.pop(self.key, None)) if self.key else str(line)
        if isinstance(key, Problem):
            return key._replace(column=self.key)
        truth = self._truth(payload)
        if isinstance(truth, Problem):
            return truth
        if not any(payload.values()) and all(cell in (None, "") for cell in payload.values()):
            return Problem("", "empty", "the row has nothing to show to workers")
        text = strictjson.dumps(payload)
        return Candidate(line, key, text, hashlib.sha256(text.encode()).digest(), truth)

    def _truth(self, cells: dict[str, Any]) -> dict[str, Any] | Problem:
        """Field -> its right answer, for the cells that are not empty; takes them out of the row."""
        found: dict[str, Any] = {}
        for column, name in self.truths.items():
            cell = cells.pop(column, None)
            if cell is None or cell == "":
                continue
            if name not in self.fields:
                return Problem(column, "truth", f"the label schema has no field {name} any more")
            value = _answer(cell, self.fields[name])
            if isinstance(value, Problem):
                return value._replace(column=column)
            found[name] = value
        return found


def _key(cell: Any) -> str | Problem:
    if type(cell) is int:
        cell = str(cell)
    if not isinstance(cell, str):
        return Problem("", "key", "there must be a key here, a text or a whole number")
    key = cell.strip()
    return key if 1 <= len(key) <= KEY_LONGEST else Problem("", "key", f"a key has 1 to {KEY_LONGEST} characters")


def _answer(cell: Any, spec: Spec) -> Any:
    """The right answer that a cell stands for, or what is wrong with it; JSON may hold the answer itself."""
    kind = TYPES[spec["type"]]
    try:
        value = kind.from_text(cell, spec) if isinstance(cell, str) else cell
    except ValueError as exc:
        return Problem("", "truth", str(exc))
    errors = kind.validate(value, spec)
    return Problem("", "truth", errors[0].message) if errors else value
