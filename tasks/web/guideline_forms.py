"""A guideline with its examples as people type it."""

import json
import re
from dataclasses import asdict
from typing import Any

from django import forms
from django.http import QueryDict

from marketplace import guidelines
from marketplace.core.errors import DomainError
from marketplace.labels import schema as label_schema
from marketplace.models import Dataset, GuidelineExample, Project
from marketplace.web.edge import sentence
from marketplace.web.forms import Form
from marketplace.web.project_forms import Rows
from tasks.web.forms import BUILDERS, is_answer

PLACE = re.compile(r"examples\[(\d+)\]\.?(.*)", re.DOTALL)


class TextForm(Form):
    text = forms.CharField(
        label="Guideline",
        strip=False,
        widget=forms.Textarea(attrs={"rows": 16}),
        help_text="What to do, with the hard cases. Markdown.",
    )


class ExampleForm(Form):
    """One example: what is shown, typed or taken from a row of the data, its answer, and why."""

    kind = forms.ChoiceField(
        choices=[
            (GuidelineExample.Kind.EXAMPLE, "An example: the answer is right"),
            (GuidelineExample.Kind.COUNTEREXAMPLE, "A counterexample: the answer is a mistake people make"),
        ],
        initial=GuidelineExample.Kind.EXAMPLE,
        label="What it is",
    )

    def __init__(self, *args: Any, project: Project, **options: Any) -> None:
        super().__init__(*args, **options)
        self.specs = {spec["name"]: spec for spec in project.schema.get("fields", [])}
        self.columns = {f"column_{n}": column for n, column in enumerate(project.schema.get("display", []))}
        datasets = project.organisation.datasets.filter(version__gt=0).order_by("-pk")
        self.fields["dataset"] = forms.ModelChoiceField(
            datasets,
            to_field_name="public_id",
            required=False,
            empty_label="Typed below",
            label="What is shown comes from",
        )
        self.fields["key"] = forms.CharField(
            max_length=200, required=False, label="Your own key of the row", help_text="If it comes from your data."
        )
        for name, column in self.columns.items():
            widget = forms.Textarea(attrs={"rows": 2})
            label = column["title"] or column["column"]
            self.fields[name] = forms.CharField(required=False, strip=False, widget=widget, label=f"Shown: {label}")
        if not self.columns:
            widget = forms.Textarea(attrs={"rows": 3, "class": "code"})
            self.fields["payload"] = forms.JSONField(required=False, widget=widget, label="Shown, as JSON by column")
        for name, spec in self.specs.items():
            field = BUILDERS.get(spec["type"], BUILDERS["json"])(spec)
            field.required, field.label = False, f"Answer: {spec['title']}"
            self.fields[f"answer_{name}"] = field
        self.fields["explanation"] = forms.CharField(
            required=False, widget=forms.Textarea(attrs={"rows": 3}), label="Why"
        )

    @property
    def example(self) -> dict[str, Any]:
        """As `guidelines.write` takes it."""
        typed = self.cleaned_data
        answers = {name: (typed.get(f"answer_{name}"), spec) for name, spec in self.specs.items()}
        said: dict[str, Any] = {
            "kind": typed.get("kind"),
            "value": {name: value for name, (value, spec) in answers.items() if is_answer(value, spec)},
            "explanation": typed.get("explanation") or "",
        }
        if typed.get("dataset") or typed.get("key"):
            dataset: Dataset | None = typed.get("dataset")
            return {**said, "item": {"dataset": dataset.public_id if dataset else "", "key": typed.get("key") or ""}}
        if not self.columns:
            return {**said, "payload": typed.get("payload")}
        return {**said, "payload": {c["column"]: typed[name] for name, c in self.columns.items() if typed.get(name)}}

    def place(self, path: str, message: str) -> None:
        """Put an error of `guidelines.write` beside what it is about."""
        part, _, rest = path.partition(".")
        field = {"value": f"answer_{rest.partition('.')[0].partition('[')[0]}", "item": rest}.get(part, part)
        if part == "payload" and rest:
            field = next((name for name, column in self.columns.items() if column["column"] == rest), part)
        elif field not in self.fields and self.columns:
            field = next(iter(self.columns)) if part == "payload" else field
        self.add_error(field if field in self.fields else None, message)


Examples = forms.formset_factory(
    ExampleForm, formset=Rows, extra=0, max_num=guidelines.EXAMPLES_MOST, validate_max=True, can_delete=True
)


class GuidelineEditor:
    """The forms of the next version, filled from what was typed or from the latest one."""

    def __init__(self, project: Project, typed: QueryDict | None = None) -> None:
        latest = project.guidelines.first()
        rows = [_row(project, example) for example in latest.examples.all()] if latest and typed is None else []
        self.project = project
        self.form = TextForm(typed, initial={"text": latest.text if latest else ""})
        self.examples = Examples(typed, prefix="examples", initial=rows, form_kwargs={"project": project})

    @classmethod
    def with_another(cls, project: Project, typed: QueryDict) -> "GuidelineEditor":
        """The same as typed so far, with one more empty example."""
        more = typed.copy()
        count = more.get("examples-TOTAL_FORMS", "0")
        most = guidelines.EXAMPLES_MOST
        is_number = count.isascii() and count.isdigit() and len(count) < 5
        more["examples-TOTAL_FORMS"] = str(min(int(count) + 1, most) if is_number else 1)
        more[f"examples-{count}-kind"] = GuidelineExample.Kind.EXAMPLE
        editor = cls(project, more)
        for form in (editor.form, *editor.examples.forms):
            form.leave_unchecked()
        return editor

    def is_valid(self) -> bool:
        return self.form.is_valid() & self.examples.is_valid()

    @property
    def text(self) -> str:
        return str(self.form.cleaned_data["text"])

    @property
    def given(self) -> list[dict[str, Any]]:
        return [form.example for form in self._kept()]

    def preview(self) -> list[GuidelineExample]:
        """The examples that are right so far; what is wrong with the others stands beside them."""
        checked, errors = guidelines.check(self.project, self.text, self.given)
        self._place([asdict(error) for error in errors])
        wrong = {int(found[1]) for error in errors if (found := PLACE.match(error.path))}
        return [GuidelineExample(**example) for number, example in enumerate(checked) if number not in wrong]

    def refuse(self, refusal: DomainError) -> None:
        """Show why it was not published."""
        if errors := refusal.facts.get("errors"):
            self._place(errors)
        else:
            self.form.add_error(None, sentence(refusal))

    def _kept(self) -> list[ExampleForm]:
        return [form for form in self.examples.forms if form.cleaned_data and not form.cleaned_data.get("DELETE")]

    def _place(self, errors: list[dict[str, str]]) -> None:
        kept = self._kept()
        for error in errors:
            if (found := PLACE.match(error["path"])) and int(found[1]) < len(kept):
                kept[int(found[1])].place(found[2], error["message"])
            else:
                self.form.add_error("text" if error["path"] == "text" else None, error["message"])


def _row(project: Project, example: GuidelineExample) -> dict[str, Any]:
    """The reverse of `ExampleForm.example`."""
    row: dict[str, Any] = {"kind": example.kind, "explanation": example.explanation, "payload": example.payload}
    for number, column in enumerate(project.schema.get("display", [])):
        content = example.payload.get(column["column"], "")
        row[f"column_{number}"] = content if isinstance(content, str) else json.dumps(content, ensure_ascii=False)
    return row | {f"answer_{name}": value for name, value in example.value.items()}


class ReopenForm(Form):
    """Which label, and answers under which version."""

    label = forms.ChoiceField(label="What is labelled")

    def __init__(self, *args: Any, project: Project, newest: int, **options: Any) -> None:
        super().__init__(*args, **options)
        specs = {spec["name"]: spec for spec in project.schema.get("fields", [])}
        classes = label_schema.categorical(project.schema) if specs else []
        self.fields["label"].choices = [  # type: ignore[attr-defined]
            (specs[name]["title"], [(f"{name}:{value}", value) for value in listed]) for name, listed in classes
        ]
        last = max(0, newest - 1)
        self.fields["version"] = forms.IntegerField(
            min_value=0, max_value=last, initial=last, label="Answered under version … or older"
        )

    @property
    def chosen(self) -> tuple[str, str, int]:
        """Field, label and version."""
        name, _, label = self.cleaned_data["label"].partition(":")
        return name, label, self.cleaned_data["version"]
