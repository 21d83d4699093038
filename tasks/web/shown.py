"""A payload as the label schema says it is shown."""

import json
from collections.abc import Iterable
from typing import Any

from marketplace import guidelines
from marketplace.labels import words
from marketplace.models import Guideline, GuidelineExample
from tasks.training import Marked

IMAGE = "data:image/"


def parts(schema: dict[str, Any], payload: dict[str, Any]) -> list[dict[str, str]]:
    """What to show of a payload, in order: kind (text, image, link or markdown), title, content.

    A schema that names no column shows all of them.
    """
    columns = schema.get("display") or [{"column": name, "kind": "text", "title": name} for name in payload]
    found = ((column, payload[column["column"]]) for column in columns if column["column"] in payload)
    return [_part(column, content) for column, content in found]


def _part(column: dict[str, Any], content: Any) -> dict[str, str]:
    text = content if isinstance(content, str) else json.dumps(content, ensure_ascii=False)
    kind = column["kind"]
    if kind == "image" and not text.startswith(IMAGE):  # the pages load nothing from other sites
        kind = "link" if text.startswith("https://") else "text"
    return {"kind": kind, "title": column.get("title", ""), "content": text}


def marked(schema: dict[str, Any], mark: Marked) -> dict[str, Any]:
    """What a practice says of one answer."""
    known = {**schema, "fields": [field for field in schema["fields"] if field["name"] in mark.truth]}
    return {
        "right": mark.is_right,
        "truth": answer(known, mark.truth),
        "differs": mark.differs,
        "explanation": mark.explanation,
    }


def answer(schema: dict[str, Any], value: dict[str, Any] | None) -> list[tuple[str, str]]:
    """An answer as pairs of question and words."""
    return [(field["title"], words.said((value or {}).get(field["name"]), field)) for field in schema["fields"]]


def examples(schema: dict[str, Any], rows: Iterable[Any]) -> list[dict[str, Any]]:
    """The examples of a guideline as items with their answers and why."""
    return [
        {
            "number": number,
            "is_wrong": row.kind == GuidelineExample.Kind.COUNTEREXAMPLE,
            "parts": parts(schema, row.payload),
            "answers": [pair for pair in answer(schema, row.value) if pair[1] != words.NOTHING],
            "explanation": row.explanation,
        }
        for number, row in enumerate(rows, 1)
    ]


def difference(schema: dict[str, Any], before: Guideline, after: Guideline) -> dict[str, Any]:
    """What is new in a version against another, as `_difference.html` wants it."""
    found = guidelines.difference(before, after)
    return {
        "difference": found,
        "removed": examples(schema, found.removed),
        "added": examples(schema, found.added),
    }
