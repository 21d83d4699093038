"""The list of options of a choice."""

from typing import Any

from marketplace.labels.errors import Error, shown
from marketplace.labels.reading import Reader

MOST = 100  # more belong in a taxonomy; consensus keeps a square of this for each worker
VALUE_LONGEST, TITLE_LONGEST = 100, 200


def check(raw: Any, fewest: int) -> tuple[list[dict[str, str]], list[Error]]:
    """Options as `{"value", "title"}`, from such objects or plain strings, and what is wrong with them."""
    if not isinstance(raw, list):
        return [], [Error("options", "missing" if raw is None else "type", "expected a list of options")]
    if not fewest <= len(raw) <= MOST:
        return [], [Error("options", "length", f"there must be {fewest} to {MOST} options")]
    options: list[dict[str, str]] = []
    errors: list[Error] = []
    for index, entry in enumerate(raw):
        option, wrong = _option(entry)
        if not wrong and option["value"] in values({"options": options}):
            wrong = [Error("value", "duplicate", "another option has this value")]
        errors += [error.under(f"options[{index}]") for error in wrong]
        options.append(option)
    return options, errors


def _option(entry: Any) -> tuple[dict[str, str], list[Error]]:
    if isinstance(entry, str):
        entry = {"value": entry}
    if not isinstance(entry, dict):
        return {"value": "", "title": ""}, [Error("", "type", "expected text or an object with a value")]
    read = Reader(entry)
    value = read.text("value", None, VALUE_LONGEST)
    if value != value.strip():
        read.wrong("value", "text", "must not begin or end with a space")
    option = {"value": value, "title": read.text("title", value, TITLE_LONGEST)}
    read.refuse_others(option)
    return option, read.errors


def values(spec: dict[str, Any]) -> list[str]:
    """The values of a field's options, in order."""
    return [option["value"] for option in spec["options"]]


def named(cell: str, spec: dict[str, Any]) -> str:
    """The value of the option whose value, or else title, this is; case matters only for values.

    raises  ValueError  no option is called so, or several are
    """
    wanted = cell.strip()
    if wanted in values(spec):
        return wanted
    titled = [option["value"] for option in spec["options"] if option["title"].casefold() == wanted.casefold()]
    if len(titled) != 1:
        raise ValueError(f"must be one of {shown(', '.join(values(spec)))}")
    return titled[0]
