"""What a request may say, by the client library's own types; what it does not understand is refused, as Stripe does."""

import re
import sys
import types
import typing
from decimal import Decimal
from functools import cache
from typing import Any
from urllib.parse import parse_qsl

from stripe._request_options import RequestOptions

OPTIONS = set(RequestOptions.__annotations__)  # said in headers, never in a body


class Problem(Exception):
    """An answer that is no success."""

    def __init__(self, status: int, kind: str, message: str, code: str = "", param: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.kind = kind
        self.said = {"type": kind, "message": message}
        if code:
            self.said["code"] = code
        if param:
            self.said["param"] = param


def invalid(message: str, code: str = "", param: str = "", status: int = 400) -> Problem:
    return Problem(status, "invalid_request_error", message, code, param)


def from_form(text: str) -> dict[str, Any]:
    """`a[b][0]=c` as {"a": {"b": {"0": "c"}}}."""
    read: dict[str, Any] = {}
    for name, value in parse_qsl(text, keep_blank_values=True):
        first, rest = re.fullmatch(r"([^\[\]]+)((?:\[[^\[\]]*\])*)", name).groups()
        at, *path = [first, *re.findall(r"\[([^\[\]]*)\]", rest)]
        into = read
        for key in path:
            into = into.setdefault(at, {})
            at = key
        into[at] = value
    return read


def checked(said: Any, shape: Any, *, form: bool) -> dict[str, Any]:
    """The parameters as the type reads them; raises Problem for one that is unknown, missing or of another type."""
    return _typed_dict(said, shape, "", form)


@cache
def _fields(shape: Any) -> dict[str, Any]:
    said = {name: hint for name, hint in shape.__annotations__.items() if name not in OPTIONS}
    return typing.get_type_hints(type("Said", (), {"__annotations__": said}), vars(sys.modules[shape.__module__]))


def _typed_dict(said: Any, shape: Any, path: str, form: bool) -> dict[str, Any]:
    if not isinstance(said, dict):
        raise invalid(f"Invalid object: {path}", "parameter_invalid", path)
    fields = _fields(shape)
    for name in said:
        if name not in fields:
            raise invalid(f"Received unknown parameter: {_at(path, name)}", "parameter_unknown", _at(path, name))
    for name in shape.__required_keys__ - said.keys():
        raise invalid(f"Missing required param: {_at(path, name)}.", "parameter_missing", _at(path, name))
    return {name: _value(value, fields[name], _at(path, name), form) for name, value in said.items()}


def _value(said: Any, hint: Any, path: str, form: bool) -> Any:
    origin = typing.get_origin(hint)
    if origin in (typing.Union, types.UnionType):
        return _one_of(said, typing.get_args(hint), path, form)
    if origin is typing.Literal:
        if said in typing.get_args(hint):
            return said
        choices = ", ".join(map(str, typing.get_args(hint)))
        raise invalid(f"Invalid {path}: must be one of {choices}", "parameter_invalid", path)
    if origin is list:
        return _list(said, typing.get_args(hint)[0], path, form)
    if origin is dict:
        if not isinstance(said, dict):
            raise invalid(f"Invalid object: {path}", "parameter_invalid", path)
        return {key: _value(value, typing.get_args(hint)[1], _at(path, key), form) for key, value in said.items()}
    if typing.is_typeddict(hint) or hasattr(hint, "__required_keys__"):
        return _typed_dict(said, hint, path, form)
    return _scalar(said, hint, path, form)


def _one_of(said: Any, hints: tuple[Any, ...], path: str, form: bool) -> Any:
    refused: Problem | None = None
    for hint in hints:
        if hint is type(None) or getattr(typing.get_origin(hint), "__name__", "") == "UntypedStripeObject":
            continue
        try:
            return _value(said, hint, path, form)
        except Problem as problem:
            refused = refused or problem
    raise refused or invalid(f"Invalid {path}", "parameter_invalid", path)


def _list(said: Any, hint: Any, path: str, form: bool) -> list[Any]:
    if form and isinstance(said, dict):
        said = [said[key] for key in sorted(said, key=lambda key: int(key) if key.isdigit() else 0)]
    if not isinstance(said, list):
        raise invalid(f"Invalid array: {path}", "parameter_invalid", path)
    return [_value(value, hint, f"{path}[{place}]", form) for place, value in enumerate(said)]


def _scalar(said: Any, hint: Any, path: str, form: bool) -> Any:
    if hint is bool:
        if form and said in ("true", "false"):
            return said == "true"
        if not form and isinstance(said, bool):
            return said
        raise invalid(f"Invalid boolean: {said}", "parameter_invalid_boolean", path)
    if hint is int:
        if form and isinstance(said, str) and re.fullmatch(r"-?\d{1,18}", said):
            return int(said)
        if not form and isinstance(said, int) and not isinstance(said, bool):
            return said
        raise invalid(f"Invalid integer: {said}", "parameter_invalid_integer", path)
    if hint in (float, Decimal):
        if isinstance(said, str) and re.fullmatch(r"-?\d+(\.\d+)?", said):
            return said
        raise invalid(f"Invalid decimal: {said}", "parameter_invalid_decimal", path)
    if hint is str:
        if isinstance(said, str):
            if len(said) > 5000:
                raise invalid(f"Invalid string: {path}: too long", "parameter_invalid_string", path)
            return said
        raise invalid(f"Invalid string: {path}", "parameter_invalid_string", path)
    if hint is Any:
        return said
    raise invalid(f"{path}: the stand-in cannot read {hint}", "parameter_invalid", path)


def _at(path: str, name: str) -> str:
    return f"{path}[{name}]" if path else name
