"""A project as people type it: its words and terms, what workers see, what they answer."""

import json
import re
from typing import Any

from django import forms
from django.conf import settings
from django.http import QueryDict

from marketplace.labels import TYPES, schema
from marketplace.labels.errors import Error
from marketplace.models import Project, RedundancyBy
from marketplace.web.forms import AmountField, Form

HOUR_S, DAY_S, MINUTE_S = 3600, 24 * 3600, 60
ROWS_MOST = 20
TYPE_NAMES = {
    "choice": "One of several options",
    "choices": "Any of several options",
    "text": "Free text",
    "number": "A number",
    "rating": "A rating",
}
SEVERAL = ("choice", "choices")
NEEDED = ("title", "price_micros", "currency", "redundancy_min", "redundancy_max")
TERMS = {  # of ProjectForm, in its units: the project's own unit in seconds or shares
    "lease_min": ("lease_s", MINUTE_S),
    "accept_after_h": ("accept_after_s", HOUR_S),
    "appeal_window_days": ("appeal_window_s", DAY_S),
    "target_confidence_pct": ("target_confidence", 0.01),
    "gold_share_pct": ("gold_share", 0.01),
    "pass_mark_pct": ("pass_mark", 0.01),
    "exam_pass_mark_pct": ("exam_pass_mark", 0.01),
    "exam_min": ("exam_s", MINUTE_S),
    "exam_cooldown_h": ("exam_cooldown_s", HOUR_S),
    "pilot_agreement_pct": ("pilot_agreement", 0.01),
    "grant_accuracy_pct": ("grant_accuracy", 0.01),
    "review_share_pct": ("review_share", 0.01),
    "review_unsure_pct": ("review_unsure", 0.01),
}
PLACES = {own: name for name, (own, _) in TERMS.items()} | {"text": "guideline"}
PLAIN_TERMS = (
    *("redundancy_min", "redundancy_max", "page_size", "practice_size", "pick_column", "expected_s", "pilot_size"),
    *("exam_size", "exam_attempts", "exam_price_micros", "exam_paid_most", "grant_days"),
    *("pay_floor_micros", "top_up_most_percent", "redundancy_by", "ask_experts", "review_verdicts"),
)


def _initial(name: str) -> Any:
    """What a new project has."""
    return getattr(Project(), name)


def _scaled(name: str) -> float:
    own, unit = TERMS[name]
    return round(_initial(own) / unit, 6)


class ProjectForm(Form):
    title = forms.CharField(max_length=200, help_text="What workers see in the list, for example “Which digit is it?”")
    description = forms.CharField(
        required=False, widget=forms.Textarea(attrs={"rows": 2}), help_text="One or two sentences for the list."
    )
    guideline = forms.CharField(
        required=False,
        widget=forms.Textarea(attrs={"rows": 10}),
        help_text="What to do, with examples and the hard cases. Markdown.",
    )
    price_micros = AmountField(label="Price of one answer", initial="0.05")
    currency = forms.ChoiceField(choices=lambda: [(code, code) for code in settings.CURRENCIES])
    redundancy_min = forms.IntegerField(
        min_value=1, label="Answers for each item, at least", initial=_initial("redundancy_min")
    )
    redundancy_max = forms.IntegerField(
        min_value=1,
        label="Answers for each item, at most",
        initial=_initial("redundancy_max"),
        help_text="More than the least are bought only while the answers leave doubt.",
    )
    redundancy_by = forms.ChoiceField(
        choices=[
            (RedundancyBy.CONFIDENCE, "Each item gets more answers until its label is sure enough"),
            (RedundancyBy.BUDGET, "I set a budget: it goes where one more answer is worth most"),
        ],
        initial=RedundancyBy.CONFIDENCE,
        label="How answers beyond the least are bought",
    )
    ask_experts = forms.BooleanField(
        required=False,
        initial=True,
        label="Ask for people who are good at what an item may be",
        help_text="An unsure item goes first to workers who tell its likely answers apart better than most; "
        "after a while to anybody.",
    )
    target_confidence_pct = forms.FloatField(
        min_value=50,
        max_value=99.99,
        initial=_scaled("target_confidence_pct"),
        label="Sure enough at (%)",
        help_text="An item is done early when its label is this sure.",
    )
    page_size = forms.IntegerField(min_value=1, initial=_initial("page_size"), label="Tasks on one page")
    lease_min = forms.FloatField(
        min_value=1, initial=_scaled("lease_min"), label="Minutes for one page", help_text="Then others may do it."
    )
    practice_size = forms.IntegerField(
        min_value=0,
        initial=_initial("practice_size"),
        label="Practice tasks",
        help_text="Workers try this many rows with known answers first, with feedback. 0: no practice.",
    )
    expected_s = forms.IntegerField(
        min_value=1,
        initial=_initial("expected_s"),
        label="Seconds a task takes, as you expect",
        help_text="Workers see how long practice and exam take. Measured once there are answers.",
    )
    pay_floor_micros = AmountField(
        label="Pay an hour at least",
        initial=0,
        least_micros=0,
        help_text="Where the operator asks for more in a worker's country, that holds. 0: no floor of your own.",
    )
    top_up_most_percent = forms.IntegerField(
        min_value=0,
        max_value=100,
        initial=_initial("top_up_most_percent"),
        label="Top-ups at most (% of the price)",
        help_text="Added by itself where work takes longer than it pays for. It is set aside; beyond it you are asked.",
    )
    exam_size = forms.IntegerField(
        min_value=0,
        initial=_initial("exam_size"),
        label="Exam tasks",
        help_text="Rows with known answers, without feedback, against the clock. 0: no exam, the practice decides.",
    )
    exam_pass_mark_pct = forms.FloatField(
        min_value=0, max_value=100, initial=_scaled("exam_pass_mark_pct"), label="Right answers to pass the exam (%)"
    )
    exam_min = forms.FloatField(min_value=0.5, initial=_scaled("exam_min"), label="Minutes for the exam")
    exam_attempts = forms.IntegerField(min_value=1, initial=_initial("exam_attempts"), label="Tries at the exam")
    exam_cooldown_h = forms.FloatField(min_value=0, initial=_scaled("exam_cooldown_h"), label="Hours between two tries")
    exam_price_micros = AmountField(
        label="Pay for the whole exam", initial=0, least_micros=0, help_text="0: it is not paid, and must be short."
    )
    exam_paid_most = forms.IntegerField(
        min_value=0,
        initial=_initial("exam_paid_most"),
        label="Paid exams at most",
        help_text="In each batch; their price is set aside.",
    )
    pilot_size = forms.IntegerField(
        min_value=0,
        initial=_initial("pilot_size"),
        label="Items of a pilot",
        help_text="The first batch is no larger than this; then you see whether people agree. 0: no pilot.",
    )
    pilot_agreement_pct = forms.FloatField(
        min_value=0,
        max_value=100,
        initial=_scaled("pilot_agreement_pct"),
        label="Agreement that the pilot must reach (%)",
    )
    pass_mark_pct = forms.FloatField(
        min_value=0, max_value=100, initial=_scaled("pass_mark_pct"), label="Right answers to pass the practice (%)"
    )
    grant_days = forms.IntegerField(
        min_value=0,
        initial=_initial("grant_days"),
        label="Days that a passed practice counts",
        help_text="0: for good.",
    )
    grant_accuracy_pct = forms.FloatField(
        min_value=0,
        max_value=100,
        initial=_scaled("grant_accuracy_pct"),
        label="Accuracy that it lives by (%)",
        help_text="Workers who are surely less accurate must pass again; for the others it is renewed. 0: neither.",
    )
    gold_share_pct = forms.FloatField(
        min_value=0,
        max_value=50,
        initial=_scaled("gold_share_pct"),
        label="Known answers among the work (%)",
        help_text="They measure how accurate workers are.",
    )
    review_share_pct = forms.FloatField(
        min_value=0,
        max_value=100,
        initial=_scaled("review_share_pct"),
        label="Labels to look at, drawn at random (%)",
        help_text="By your own reviewers. More where little is known of who answered, fewer where much is.",
    )
    review_unsure_pct = forms.FloatField(
        min_value=0,
        max_value=100,
        initial=_scaled("review_unsure_pct"),
        label="Look at labels less sure than (%)",
        help_text="Once all answers that may be bought are in. 0: none are sent to your reviewers for that.",
    )
    review_verdicts = forms.IntegerField(
        min_value=1,
        max_value=2,
        initial=_initial("review_verdicts"),
        label="People who look at each of these",
        help_text="1 or 2. Where two disagree, a manager has the last word.",
    )
    accept_after_h = forms.FloatField(
        min_value=0,
        initial=_scaled("accept_after_h"),
        label="Hours until answers are accepted by themselves",
        help_text="Until then you can reject an answer, with a reason.",
    )
    appeal_window_days = forms.FloatField(
        min_value=1, initial=_scaled("appeal_window_days"), label="Days in which a worker can contest"
    )
    pick_column = forms.CharField(
        max_length=80,
        required=False,
        label="Workers may pick tasks by this column",
        help_text="Empty: tasks come in order. Picked answers are marked as such.",
    )
    schema_json = forms.CharField(
        required=False,
        widget=forms.Textarea(attrs={"rows": 12, "class": "code", "spellcheck": "false"}),
        label="The label schema as JSON",
        help_text="If something stands here, it is used in place of the fields above.",
    )

    def clean_schema_json(self) -> dict[str, Any] | None:
        text = self.cleaned_data["schema_json"].strip()
        if not text:
            return None
        try:
            raw = json.loads(text)
        except ValueError as broken:
            raise forms.ValidationError(f"This is not JSON: {broken}") from broken
        checked, errors = schema.check(raw)
        if errors:
            raise forms.ValidationError([f"{error.path}: {error.message}" for error in errors])
        return checked


class DisplayForm(Form):
    column = forms.CharField(max_length=200, label="Column of your data")
    kind = forms.ChoiceField(choices=[("text", "Text"), ("image", "Image"), ("markdown", "Markdown")], label="Show as")
    title = forms.CharField(max_length=200, required=False, label="Heading above it")


class FieldForm(Form):
    type = forms.ChoiceField(choices=[(kind, TYPE_NAMES.get(kind, kind)) for kind in TYPES], label="Kind of answer")
    name = forms.CharField(
        max_length=40, label="Short name", help_text="Small letters, digits and _; the column in your download."
    )
    title = forms.CharField(max_length=500, label="Question", help_text="As workers read it.")
    options = forms.CharField(
        required=False,
        widget=forms.Textarea(attrs={"rows": 4}),
        help_text="One a line, for the kinds with options. “cat | A cat” keeps cat and shows A cat.",
    )
    points = forms.IntegerField(min_value=2, max_value=11, required=False, label="Points of the scale (ratings)")
    min = forms.FloatField(required=False, label="Smallest (numbers)")
    max = forms.FloatField(required=False, label="Largest (numbers)")
    integer = forms.BooleanField(required=False, label="Whole numbers only (numbers)")
    truth = forms.ChoiceField(
        choices=[
            ("factual", "There is one right answer"),
            ("ordinal", "Right answers on a scale: near is better than far"),
            ("perspective", "A matter of opinion: nobody is measured by it"),
        ],
        label="What counts as right",
    )
    required = forms.BooleanField(required=False, initial=True, label="Must be answered")


class Rows(forms.BaseFormSet):
    """Several of these forms, each of which may be removed."""

    def add_fields(self, form: Any, index: int | None) -> None:
        super().add_fields(form, index)
        form.fields["DELETE"].label = "Remove this"


Displays = forms.formset_factory(DisplayForm, formset=Rows, extra=0, min_num=1, max_num=ROWS_MOST, can_delete=True)
Fields = forms.formset_factory(FieldForm, formset=Rows, extra=0, min_num=1, max_num=ROWS_MOST, can_delete=True)


def options_of(text: str) -> list[dict[str, str]]:
    """Options from lines of `value` or `value | title`."""
    listed = []
    for line in filter(None, map(str.strip, text.splitlines())):
        value, _, title = (part.strip() for part in line.partition("|"))
        listed.append({"value": value, "title": title or value})
    return listed


def _field(row: dict[str, Any]) -> dict[str, Any]:
    """One field of a schema from one row of the form."""
    kind = row["type"]
    spec = {key: row[key] for key in ("name", "type", "title", "required", "truth")}
    if kind in SEVERAL:
        spec["options"] = options_of(row.get("options") or "")
    if kind == "rating" and row.get("points"):
        spec["points"] = row["points"]
    if kind == "number":
        spec |= {key: row.get(key) for key in ("min", "max")} | {"integer": bool(row.get("integer"))}
    return spec


def _row(field: dict[str, Any]) -> dict[str, Any]:
    """The reverse of `_field`."""
    lines = [
        one["value"] if one["value"] == one["title"] else f"{one['value']} | {one['title']}"
        for one in field.get("options", [])
    ]
    return {**field, "options": "\n".join(lines)}


def built(displays: list[dict[str, Any]], fields: list[dict[str, Any]]) -> tuple[dict[str, Any], list[Error]]:
    """The checked schema these rows stand for, and what is wrong with it."""
    shown = [{key: row[key] for key in ("column", "kind", "title") if row.get(key)} for row in displays]
    return schema.check({"display": shown, "fields": [_field(row) for row in fields]})


class ProjectEditor:
    """The forms of one project, filled from what was typed or from the project."""

    def __init__(self, typed: QueryDict | None = None, project: Project | None = None) -> None:
        words, displays, fields = _filled(project)
        self.form = ProjectForm(typed, initial=words)
        self.displays = Displays(typed, prefix="display", initial=displays)
        self.fields = Fields(typed, prefix="fields", initial=fields)
        self.schema: dict[str, Any] = {}

    @classmethod
    def with_another(cls, typed: QueryDict, prefix: str, project: Project | None = None) -> "ProjectEditor":
        """The same as typed so far, with one more empty row."""
        more = typed.copy()
        count = more.get(f"{prefix}-TOTAL_FORMS", "0")
        more[f"{prefix}-TOTAL_FORMS"] = str(
            min(int(count) + 1, ROWS_MOST) if count.isascii() and count.isdigit() else 1
        )
        more[f"{prefix}-{count}-required"] = "on"
        editor = cls(more, project)
        for form in (editor.form, *editor.displays.forms, *editor.fields.forms):
            form.leave_unchecked()
        return editor

    def is_valid(self) -> bool:
        if not self.form.is_valid():
            return False
        if self.form.cleaned_data["schema_json"]:
            self.schema = self.form.cleaned_data["schema_json"]
            return True
        if not (self.displays.is_valid() & self.fields.is_valid()):
            return False
        displays, fields = _kept(self.displays), _kept(self.fields)
        self.schema, errors = built([form.cleaned_data for form in displays], [form.cleaned_data for form in fields])
        for error in errors:
            self._place(error, {"display": displays, "fields": fields})
        return not errors

    def values(self) -> dict[str, Any]:
        """What `projects.draft` and `projects.revise` take, without the guideline."""
        typed = self.form.cleaned_data
        terms: dict[str, Any] = {name: typed[name] for name in PLAIN_TERMS}
        for name, (own, unit) in TERMS.items():
            terms[own] = round(typed[name] * unit) if unit >= 1 else round(typed[name] * unit, 6)
        offered = {name: typed[name] for name in ("title", "description", "price_micros", "currency")}
        return {**offered, **terms, "schema": self.schema}

    def _place(self, error: Error, rows: dict[str, list[Form]]) -> None:
        """Put an error of the schema beside what it is about."""
        found = re.match(r"(display|fields)\[(\d+)\]\.?(\w*)", error.path)
        if not found:
            self.form.add_error(None, f"{error.path}: {error.message}" if error.path else error.message)
            return
        group, index, key = found.groups()
        form = rows[group][int(index)]
        form.add_error(key if key in form.fields else None, error.message)


def _kept(formset: forms.BaseFormSet) -> list[Form]:
    return [form for form in formset.forms if form.cleaned_data and not form.cleaned_data.get("DELETE")]


def _filled(project: Project | None) -> tuple[dict[str, Any], list[dict[str, Any]], list[dict[str, Any]]]:
    """What the forms show first: a project's own words, or what most begin with."""
    if project is None:
        return {}, [], []
    latest = project.guidelines.first()
    words = {name: getattr(project, name) for name in ("description", *NEEDED, *PLAIN_TERMS)}
    words |= {name: round(getattr(project, own) / unit, 6) for name, (own, unit) in TERMS.items()}
    words["guideline"] = latest.text if latest else ""
    displays, fields = project.schema.get("display", []), [_row(field) for field in project.schema.get("fields", [])]
    if built(displays, fields)[0] != project.schema:  # it says more than these forms can
        words["schema_json"] = json.dumps(project.schema, indent=2, ensure_ascii=False)
    return words, displays, fields
