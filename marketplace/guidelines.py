"""What workers are told: versions with examples, what changed between two of them, and where a label is named."""

import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from django.db import transaction
from markdown_it import MarkdownIt

from marketplace import accounts, audit, diffs
from marketplace.core import strictjson
from marketplace.core.errors import Invalid
from marketplace.core.strictjson import text_error
from marketplace.labels import schema as label_schema
from marketplace.labels.errors import Error, shown
from marketplace.models import Guideline, GuidelineExample, ItemAlias, Project, Role, User

LONGEST = 100_000
EXAMPLES_MOST = 20
EXAMPLE_MOST_BYTES = 100_000  # of a payload, as JSON
EXAMPLES_MOST_BYTES = 500_000  # of all payloads of a version
EXPLANATION_LONGEST = 2_000
KEYS = {"kind", "payload", "item", "value", "explanation"}
NEWLINE = re.compile(r"\r\n?|\n")  # as Markdown counts lines

_parser = MarkdownIt("commonmark")


@dataclass(frozen=True)
class Difference:
    """What is new in one version against another; examples that stand in both are left out."""

    before: int
    after: int
    lines: list[diffs.Line]
    removed: list[GuidelineExample]
    added: list[GuidelineExample]

    @property
    def is_empty(self) -> bool:
        return not (self.removed or self.added or any(line.kind not in ("same", "fold") for line in self.lines))


@dataclass(frozen=True)
class Passage:
    """A part of a guideline under one heading; number 0 is what stands before the first."""

    number: int
    title: str
    text: str


@transaction.atomic
def write(project: Project, by: User, text: str, examples: Sequence[Any] | None = None) -> Guideline:
    """Publish the next version; everybody who works reads and acknowledges it before their next page.

    examples  each {"kind", "value", "explanation"} and what is shown: "payload", by column, or "item", a row of the
              organisation's data {"dataset": public id, "key": the requester's own}; None: those of the last version
    raises    Invalid, with the number of each example that is not right and what of it
    """
    accounts.require(by, project.organisation, Role.MANAGER)
    project.lock_unless_closed()
    last = project.guidelines.first()
    given = [_as_given(row) for row in last.examples.all()] if examples is None and last else examples or []
    checked, errors = check(project, text, given)
    if errors:
        raise Invalid("the guideline is not valid", errors=[asdict(error) for error in errors])
    version = last.version + 1 if last else 1
    guideline = Guideline.objects.create(project=project, version=version, text=text, created_by=by)
    GuidelineExample.objects.bulk_create(
        GuidelineExample(guideline=guideline, position=position, **example) for position, example in enumerate(checked)
    )
    audit.record(by, "write_guideline", project, version=version, examples=len(checked))
    return guideline


def check(project: Project, text: Any, examples: Sequence[Any]) -> tuple[list[dict[str, Any]], list[Error]]:
    """The examples as they would be kept, and everything that is wrong with them or the text."""
    errors = list(filter(None, [_length_error("text", text, LONGEST)]))
    if len(examples) > EXAMPLES_MOST:
        return [], [*errors, Error("examples", "length", f"at most {EXAMPLES_MOST} examples")]
    checked, size = [], 0
    for number, raw in enumerate(examples):
        example, wrong = _example(project, raw)
        errors += [error.under(f"examples[{number}]") for error in wrong]
        checked.append(example)
        size += 0 if wrong else len(strictjson.dumps(example["payload"]).encode())
    if size > EXAMPLES_MOST_BYTES:
        errors.append(Error("examples", "length", f"what they show is longer than {EXAMPLES_MOST_BYTES:,} bytes"))
    return checked, errors


def difference(before: Guideline, after: Guideline) -> Difference:
    """What changed from one version to the other."""
    old, new = list(before.examples.all()), list(after.examples.all())
    old_words, new_words = [_as_given(row) for row in old], [_as_given(row) for row in new]
    return Difference(
        before=before.version,
        after=after.version,
        lines=diffs.lines(before.text, after.text),
        removed=[row for row, words in zip(old, old_words, strict=True) if words not in new_words],
        added=[row for row, words in zip(new, new_words, strict=True) if words not in old_words],
    )


def passages(text: str) -> list[Passage]:
    """The text cut at its headings, in order; the number of each is that of its heading on the page."""
    lines = NEWLINE.split(text)
    tokens = _parser.parse(text)
    heads = [
        (token.map[0], tokens[place + 1].content)
        for place, token in enumerate(tokens)
        if token.type == "heading_open" and token.map
    ]
    starts = [(0, ""), *heads]
    ends = [line for line, _ in heads] + [len(lines)]
    return [
        Passage(number, title, "\n".join(lines[start:end]))
        for number, ((start, title), end) in enumerate(zip(starts, ends, strict=True))
    ]


def naming(found: Iterable[Passage], words: Iterable[str]) -> list[Passage]:
    """The passages in which one of these words stands by itself, in whatever case."""
    wanted = "|".join(re.escape(word) for word in sorted(set(words), key=len, reverse=True) if word.strip())
    pattern = re.compile(rf"(?<!\w)(?:{wanted})(?!\w)", re.IGNORECASE)
    return [passage for passage in found if wanted and pattern.search(passage.text)]


def _as_given(row: GuidelineExample) -> dict[str, Any]:
    """An example as `write` takes it."""
    return {"kind": row.kind, "payload": row.payload, "value": row.value, "explanation": row.explanation}


def _example(project: Project, raw: Any) -> tuple[dict[str, Any], list[Error]]:
    if not isinstance(raw, dict):
        return {}, [Error("", "type", "expected an object")]
    errors = [Error(shown(str(key)), "unknown", "an example has no such part") for key in raw if key not in KEYS]
    if raw.get("kind") not in GuidelineExample.Kind.values:
        errors.append(Error("kind", "option", f"must be one of {', '.join(GuidelineExample.Kind.values)}"))
    if raw.get("item") is None:
        payload, wrong = _payload(project, raw.get("payload"))
    elif raw.get("payload") is not None:
        payload, wrong = {}, [Error("item", "unknown", "give a payload or an item, not both")]
    else:
        payload, wrong = _payload_of(project, raw["item"])
    errors += wrong
    errors += [error.under("value") for error in label_schema.validate(project.schema, raw.get("value"))]
    if problem := _length_error("explanation", raw.get("explanation"), EXPLANATION_LONGEST):
        errors.append(problem)
    return {**{key: raw.get(key) for key in ("kind", "value", "explanation")}, "payload": payload}, errors


def _payload(project: Project, raw: Any) -> tuple[dict[str, Any], list[Error]]:
    """What is shown of an example: some of the columns that the label schema displays, or any where it names none."""
    if not isinstance(raw, dict) or not raw:
        return {}, [Error("payload", "missing", "say what is shown, by column")]
    columns = [column["column"] for column in project.schema.get("display", [])]
    errors = [
        Error(f"payload.{shown(str(name))}", "unknown", "the label schema shows no such column")
        for name in raw
        if columns and name not in columns
    ]
    try:
        text = strictjson.dumps(raw)
        strictjson.loads(text)
    except ValueError as broken:
        return {}, [*errors, Error("payload", "text", str(broken))]
    if len(text.encode()) > EXAMPLE_MOST_BYTES:
        errors.append(Error("payload", "length", f"must have at most {EXAMPLE_MOST_BYTES:,} bytes"))
    return raw, errors


def _payload_of(project: Project, named: Any) -> tuple[dict[str, Any], list[Error]]:
    """What the project shows of a row of its organisation's data, as the latest import has it."""
    if not isinstance(named, dict) or {*named} != {"dataset", "key"} or not all(map(_is_text, named.values())):
        return {}, [Error("item", "type", "name the dataset and your own key of the row")]
    dataset = project.organisation.datasets.filter(public_id=named["dataset"]).first()
    if dataset is None:
        return {}, [Error("item.dataset", "unknown", "the organisation has no such dataset")]
    rows = ItemAlias.objects.filter(dataset=dataset, key=named["key"], version__in=dataset.imports.values("version"))
    alias = rows.order_by("-version").select_related("item").first()
    if alias is None:
        return {}, [Error("item.key", "unknown", "no row of this dataset has this key")]
    columns = [column["column"] for column in project.schema.get("display", [])]
    payload, errors = _payload(
        project, {name: content for name, content in alias.item.payload.items() if not columns or name in columns}
    )
    return payload, [Error("item.key", error.code, f"of this row, the payload {error.message}") for error in errors]


def _is_text(value: Any) -> bool:
    return isinstance(value, str) and not text_error(value)


def _length_error(name: str, value: Any, most: int) -> Error | None:
    if not _is_text(value):
        return Error(name, "type", "must be a text")
    if not value.strip() or len(value) > most:
        return Error(name, "length", f"must have 1 to {most} characters")
    return None
