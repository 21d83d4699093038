"""Strict reading of JSON that strangers sent: every problem is kept, none is raised."""

import re
from collections.abc import Collection
from typing import Any

from marketplace.labels.errors import Error, shown

LARGEST = 10**15  # a float still tells neighbouring whole numbers apart there
NOT_TEXT = re.compile("[\x00\ud800-\udfff]")  # NUL, and halves of a character


def is_number(value: Any) -> bool:
    """Whether this is a finite number of at most LARGEST, and not a truth value."""
    return isinstance(value, int | float) and not isinstance(value, bool) and abs(value) <= LARGEST


def is_whole(value: Any) -> bool:
    """Whether this is a whole number; as in JSON Schema, 3.0 is one."""
    return is_number(value) and value == int(value)


def text_errors(value: Any, shortest: int, longest: int, path: str = "") -> list[Error]:
    """What is wrong with this as text that a database can keep; lengths in Unicode code points."""
    if not isinstance(value, str):
        return [Error(path, "type", "expected text")]
    if len(value) < shortest or (shortest and not value.strip()):
        return [Error(path, "length", "must not be blank" if shortest == 1 else f"at least {shortest} characters")]
    if len(value) > longest:
        return [Error(path, "length", f"at most {longest} characters")]
    if NOT_TEXT.search(value):
        return [Error(path, "text", "holds characters that are not text")]
    return []


class Reader:
    """Takes the keys of one JSON object; `errors` holds what was wrong. An absent key or null means the default."""

    def __init__(self, raw: dict[str, Any]) -> None:
        self.raw = raw
        self.errors: list[Error] = []

    def wrong(self, path: str, code: str, message: str) -> None:
        self.errors.append(Error(path, code, message))

    def text(self, key: str, default: str | None, longest: int) -> str:
        """Text that is not blank; without a default the key is required."""
        value = self.raw.get(key)
        if value is None or (value == "" == default):
            if default is None:
                self.wrong(key, "missing", "required")
            return default or ""
        problems = text_errors(value, 1, longest, key)
        self.errors += problems
        return "" if problems else value

    def number(self, key: str, default: float | None, low: float = -LARGEST, high: float = LARGEST) -> float | None:
        """A number within these bounds."""
        value = self.raw.get(key)
        if value is None:
            return default
        if not is_number(value):
            self.wrong(key, "type", "expected a number")
        elif not low <= value <= high:
            self.wrong(key, "range", f"must lie between {low} and {high}")
        else:
            return value
        return default

    def whole(self, key: str, default: int, low: int, high: int) -> int:
        """A whole number within these bounds."""
        value = self.number(key, default, low, high)
        if value is None or not is_whole(value):
            self.wrong(key, "type", "expected a whole number")
            return default
        return int(value)

    def flag(self, key: str, default: bool) -> bool:
        """True or false."""
        value = self.raw.get(key)
        if value is None or isinstance(value, bool):
            return default if value is None else value
        self.wrong(key, "type", "expected true or false")
        return default

    def one_of(self, key: str, words: Collection[str], default: str | None) -> str:
        """One of these words; without a default the key is required."""
        value = self.raw.get(key)
        if value is None and default is not None:
            return default
        if isinstance(value, str) and value in words:
            return value
        self.wrong(key, "missing" if value is None else "option", f"must be one of {', '.join(words)}")
        return default or ""

    def refuse_others(self, known: Collection[str]) -> None:
        """Any other key is a problem: a misspelt one would be lost without a word."""
        for key in self.raw:
            if key not in known:
                self.wrong(shown(str(key)), "unknown", "no such key here")
