"""A label schema: what of an item is shown, and which fields an answer fills."""

import re
from collections.abc import Callable
from itertools import islice
from typing import Any

from marketplace.labels import TYPES, Spec
from marketplace.labels.errors import Error, shown
from marketplace.labels.reading import Reader

FIELDS_MOST, DISPLAY_MOST, ERRORS_MOST = 50, 50, 100
NAME = re.compile(r"[a-z][a-z0-9_]{0,39}")
TRUTHS = ("factual", "ordinal", "perspective")
KINDS = ("text", "image", "markdown")

Check = Callable[[dict[str, Any]], tuple[dict[str, Any], list[Error]]]


def check(raw: Any) -> tuple[dict[str, Any], list[Error]]:
    """The schema with every key filled in, and everything wrong with it; with errors the schema is empty.

    Checking a checked schema changes nothing.
    """
    if not isinstance(raw, dict):
        return {}, [Error("", "type", "expected an object with fields")]
    read = Reader(raw)
    checked = {
        "display": _each(read, "display", 0, DISPLAY_MOST, "column", _display),
        "fields": _each(read, "fields", 1, FIELDS_MOST, "name", _field),
    }
    read.refuse_others(checked)
    return ({} if read.errors else checked), read.errors[:ERRORS_MOST]


def json_schema(schema: dict[str, Any]) -> dict[str, Any]:
    """The JSON Schema, draft 2020-12, of one answer: an object of field name -> value."""
    fields = schema["fields"]
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "properties": {
            field["name"]: {"title": field["title"], **TYPES[field["type"]].json_schema(field)} for field in fields
        },
        "required": [field["name"] for field in fields if field["required"]],
        "additionalProperties": False,
    }


def validate(schema: dict[str, Any], value: Any) -> list[Error]:
    """What is wrong with an answer, whatever JSON it is; at most ERRORS_MOST problems, each of bounded length."""
    if not isinstance(value, dict):
        return [Error("", "type", "expected an object of field name and value")]
    fields = {field["name"]: field for field in schema["fields"]}
    errors: list[Error] = []
    for name, field in fields.items():
        if name in value:
            errors += [error.under(name) for error in TYPES[field["type"]].validate(value[name], field)]
        elif field["required"]:
            errors.append(Error(name, "missing", "required"))
    unknown = islice((name for name in value if name not in fields), ERRORS_MOST)
    errors += [Error(shown(str(name)), "unknown", "no such field") for name in unknown]
    return errors[:ERRORS_MOST]


def categorical(schema: dict[str, Any]) -> list[tuple[str, list[str]]]:
    """The fields whose answers are classes: each one's name and its classes, in the order of `codes`."""
    listed = ((field["name"], TYPES[field["type"]].categories(field)) for field in schema["fields"])
    return [(name, values) for name, values in listed if values]


def codes(schema: dict[str, Any], value: dict[str, Any]) -> list[int]:
    """For each categorical field the index of the class that a valid answer gives, -1 = none."""
    fields = {field["name"]: field for field in schema["fields"]}
    found = []
    for name, classes in categorical(schema):
        field = fields[name]
        found.append(classes.index(TYPES[field["type"]].to_text(value[name], field)) if name in value else -1)
    return found


def _each(read: Reader, key: str, fewest: int, most: int, unique: str, one: Check) -> list[dict[str, Any]]:
    """The list at this key, each entry checked by `one`, no two with the same `unique`."""
    raw = read.raw.get(key, [])
    if not isinstance(raw, list) or not fewest <= len(raw) <= most:
        read.wrong(key, "length" if isinstance(raw, list) else "type", f"expected a list of {fewest} to {most} entries")
        return []
    entries: list[dict[str, Any]] = []
    for index, item in enumerate(raw):
        entry, errors = one(item) if isinstance(item, dict) else ({}, [Error("", "type", "expected an object")])
        if not errors and any(entry[unique] == other.get(unique) for other in entries):
            errors = [Error(unique, "duplicate", f"another entry has this {unique}")]
        read.errors += [error.under(f"{key}[{index}]") for error in errors]
        entries.append(entry)
    return entries


def _display(raw: dict[str, Any]) -> tuple[dict[str, Any], list[Error]]:
    read = Reader(raw)
    shown_as = {
        "column": read.text("column", None, 200),
        "kind": read.one_of("kind", KINDS, "text"),
        "title": read.text("title", "", 200),
    }
    read.refuse_others(shown_as)
    return shown_as, read.errors


def _field(raw: dict[str, Any]) -> tuple[Spec, list[Error]]:
    read = Reader(raw)
    kind, name = read.one_of("type", TYPES, None), read.text("name", None, 40)
    if name and not NAME.fullmatch(name):
        read.wrong("name", "name", "small letters, digits and _, a letter first, at most 40")
    common = {
        "name": name,
        "type": kind,
        "title": read.text("title", name, 500),
        "required": read.flag("required", True),
        "truth": read.one_of("truth", TRUTHS, "ordinal" if kind == "rating" else "factual"),
    }
    if not kind:
        return common, read.errors
    own, errors = TYPES[kind].check(raw)
    read.refuse_others({**common, **own})
    return {**common, **own}, read.errors + errors
