"""A payload as the label schema says it is shown."""

import json
from collections.abc import Iterable
from typing import Any

from marketplace import guidelines
from marketplace.models import Guideline, GuidelineExample

IMAGE = "data:image/"
NOTHING = "no answer"


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


def answer(schema: dict[str, Any], value: dict[str, Any] | None) -> list[tuple[str, str]]:
    """An answer as pairs of question and words."""
    return [(field["title"], _words(field, (value or {}).get(field["name"]))) for field in schema["fields"]]


def examples(schema: dict[str, Any], rows: Iterable[Any]) -> list[dict[str, Any]]:
    """The examples of a guideline as items with their answers and why."""
    return [
        {
            "number": number,
            "is_wrong": row.kind == GuidelineExample.Kind.COUNTEREXAMPLE,
            "parts": parts(schema, row.payload),
            "answers": [pair for pair in answer(schema, row.value) if pair[1] != NOTHING],
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


def _words(field: dict[str, Any], value: Any) -> str:
    if value is None:
        return NOTHING
    titles = {option["value"]: option["title"] for option in field.get("options", [])}
    if isinstance(value, list):
        return ", ".join(titles.get(one, str(one)) for one in value) or "none"
    if isinstance(value, str):
        return titles.get(value, value)
    return json.dumps(value, ensure_ascii=False)
