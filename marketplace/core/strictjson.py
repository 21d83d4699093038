"""JSON that PostgreSQL keeps exactly: what the standard leaves to taste is refused."""

import json
import math
from typing import Any

import msgspec

DEEPEST = 50
PLAIN = {str, int, bool, type(None)}  # what msgspec writes to the letter as Python does, ten times as fast; no float


def loads(raw: bytes | str) -> Any:
    """The value that this JSON stands for.

    raises  ValueError  what is wrong, in words: no UTF-8, no JSON, NaN or Infinity, a number too large,
                        a key twice in one object, nested too deep, a NUL or half a surrogate pair
    """
    try:
        text = raw.decode() if isinstance(raw, bytes) else raw
        value = READ.decode(text)
    except UnicodeDecodeError as exc:
        raise ValueError(f"byte {exc.start + 1} is not UTF-8") from exc
    except json.JSONDecodeError as exc:
        raise ValueError(f"not JSON: {exc.msg} at character {exc.pos + 1}") from exc
    except RecursionError as exc:
        raise ValueError(f"nested deeper than {DEEPEST}") from exc
    if not isinstance(raw, bytes) or "\\u" in text or text.count("{") + text.count("[") > DEEPEST:
        _check(value, DEEPEST)  # elsewhere there is nothing to find
    return value


def dumps(value: Any) -> str:
    """The one way to write this value: keys sorted, no spaces; equal values give equal texts."""
    if isinstance(value, dict) and PLAIN.issuperset(map(type, value.values())):
        return WRITE.encode(value).decode()
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)


def text_error(text: str) -> str:
    """Why the database cannot keep this text; empty if it can."""
    if "\0" in text:
        return "holds a NUL character"
    if not text.isascii() and any("\ud800" <= letter <= "\udfff" for letter in text):
        return "holds half a surrogate pair"
    return ""


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        keys = [key for key, _ in pairs]
        twice = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"the key {twice[:40]!r} stands twice in one object")
    return found


def _constant(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


def _float(digits: str) -> float:
    value = float(digits)
    if not math.isfinite(value):
        raise ValueError(f"the number {digits[:40]} is too large")
    return value


def _int(digits: str) -> int:
    try:
        return int(digits)
    except ValueError as exc:  # Python reads no more than some thousand digits
        raise ValueError(f"the number {digits[:40]} is too large") from exc


def _check(value: Any, levels: int) -> None:
    """Refuse texts the database cannot keep and nesting beyond so many levels."""
    if isinstance(value, str):
        if problem := text_error(value):
            raise ValueError(f"a text {problem}")
    elif isinstance(value, dict | list):
        if not levels:
            raise ValueError(f"nested deeper than {DEEPEST}")
        for part in value:
            _check(part, levels - 1)
        for part in value.values() if isinstance(value, dict) else ():
            _check(part, levels - 1)


READ = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_constant, parse_float=_float, parse_int=_int)
WRITE = msgspec.json.Encoder(order="sorted")
