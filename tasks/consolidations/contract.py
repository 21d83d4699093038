"""What is said to an aggregator and understood of its answer: the consolidation request of SageMaker Ground Truth.

Ground Truth names a file with the rows in `payload.s3Uri`; here they stand in `payload.content`. Free of Django.
"""

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from marketplace import labels
from marketplace.core import strictjson
from marketplace.labels import schema as label_schema
from marketplace.labels.errors import shown

VERSION = "2018-10-16"
METADATA = "-metadata"  # with a field's name before it, as in Ground Truth's output: no field is called so
STRAY_SHOWN = 3
WHY_MOST = 300

Label = tuple[Any, float | None]  # value, confidence
Labels = dict[str, Label]  # field -> label


class NotUnderstood(Exception):
    """The answer as a whole is not one, for the reason said in words."""


@dataclass(frozen=True)
class Row:
    """One thing that was labelled: the key it came in with, what it holds, and (pseudonym, answer) of everybody."""

    key: str
    payload: dict[str, Any]
    answers: Sequence[tuple[str, dict[str, Any]]]


@dataclass(frozen=True)
class Understood:
    """What an answer says of the rows that were sent: every one has a label, or a reason why it has none."""

    labels: dict[str, Labels] = field(default_factory=dict)
    wrong: dict[str, str] = field(default_factory=dict)
    stray: list[str] = field(default_factory=list)  # keys that nobody asked about


def request(batch: str, schema: Mapping[str, Any], rows: Sequence[Row]) -> bytes:
    """The body of a request about these rows of a batch."""
    fields = schema["fields"]
    only = fields[0] if len(fields) == 1 else None
    said = {
        "version": VERSION,
        "labelingJobArn": batch,
        "labelCategories": labels.TYPES[only["type"]].categories(only) if only else [],
        "labelAttributeName": only["name"] if only else "",
        "roleArn": "",
        "fields": fields,
        "payload": {"content": [_row(row) for row in rows]},
    }
    return json.dumps(said, ensure_ascii=False, allow_nan=False).encode()


def understand(schema: Mapping[str, Any], keys: Sequence[str], body: bytes) -> Understood:
    """What this answer says of the rows with these keys; what is wrong with one row costs no other.

    raises  NotUnderstood
    """
    try:
        said = strictjson.loads(body)
    except ValueError as error:
        raise NotUnderstood(f"its answer is {_not_json(error)}") from error
    if not isinstance(said, list):
        raise NotUnderstood("its answer is not a list of rows")
    found, asked = Understood(), set(keys)
    given: dict[str, Any] = {}
    named = Counter(_key(entry) for entry in said)
    for entry in said:
        key = _key(entry)
        if key is not None:
            given[key] = entry
    found.stray.extend(islice((shown(key) for key in given if key not in asked), STRAY_SHOWN))
    for key in keys:
        if key not in given:
            found.wrong[key] = "it gave no row with this datasetObjectId"
        elif named[key] > 1:
            found.wrong[key] = f"it gave {named[key]} rows with this datasetObjectId"
        else:
            label, why = _label(schema, given[key])
            if why:
                found.wrong[key] = why[:WHY_MOST]
            else:
                found.labels[key] = label
    return found


def example(schema: Mapping[str, Any]) -> dict[str, Any]:
    """An answer that this schema takes, with every field for which one is easily found."""
    found = {}
    for spec in schema["fields"]:
        kind = labels.TYPES[spec["type"]]
        listed = [option["value"] for option in spec.get("options", [])]
        sets = [listed[:count] for count in range(1, len(listed) + 1)]
        classes = [kind.from_text(one, spec) for one in kind.categories(spec)[:1]]
        tried = [*classes, *sets, spec.get("min"), spec.get("max"), 0, "example"]
        valid = [value for value in tried if not kind.validate(value, spec)]
        if valid:
            found[spec["name"]] = valid[0]
    return found


def _row(row: Row) -> dict[str, Any]:
    return {
        "datasetObjectId": row.key,
        "dataObject": {"content": strictjson.dumps(row.payload)},
        "annotations": [
            {"workerId": worker, "annotationData": {"content": strictjson.dumps(value)}}
            for worker, value in row.answers
        ],
    }


def _not_json(error: ValueError) -> str:
    text = str(error)
    return text if text.startswith("not ") else f"not JSON that can be kept: {text}"


def _key(entry: Any) -> str | None:
    key = entry.get("datasetObjectId") if isinstance(entry, dict) else None
    return key if isinstance(key, str) else None


def _label(schema: Mapping[str, Any], entry: dict[str, Any]) -> tuple[Labels, str]:
    """The label of each field that a row gives, or why it gives none: a row is taken whole or not at all."""
    consolidated = entry.get("consolidatedAnnotation")
    content = consolidated.get("content") if isinstance(consolidated, dict) else None
    if not isinstance(content, dict):
        return {}, "consolidatedAnnotation.content: expected an object of field name and value"
    names = {spec["name"] for spec in schema["fields"]}
    about = {name + METADATA for name in names}
    values = {name: value for name, value in content.items() if name not in about}
    if errors := label_schema.validate(dict(schema), values):
        first = errors[0]
        at = f" ({shown(json.dumps(values[first.path], ensure_ascii=False))})" if first.path in values else ""
        return {}, f"{first.path or 'content'}{at}: {first.message}"
    found: Labels = {}
    for name, value in values.items():
        metadata = content.get(name + METADATA, {})
        confidence = metadata.get("confidence") if isinstance(metadata, dict) else None
        if confidence is not None and not _is_share(confidence):
            return {}, f"{name}{METADATA}.confidence: expected a number from 0 to 1"
        found[name] = (value, None if confidence is None else float(confidence))
    return found, ""


def _is_share(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= 1
