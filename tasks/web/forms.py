"""What workers and reviewers type, as plain values."""

from collections.abc import Callable
from typing import Any

from django import forms
from django.conf import settings

from marketplace.models import Dataset, Project
from marketplace.web.forms import AmountField, Form
from tasks.appeals import STATEMENT_MOST
from tasks.cohorts import ITEMS_MOST, REMARK_MOST
from tasks.models import Decision

Spec = dict[str, Any]


def _choice(spec: Spec) -> forms.Field:
    return forms.ChoiceField(choices=_options(spec), widget=forms.RadioSelect)


def _choices(spec: Spec) -> forms.Field:
    """Nothing chosen is an answer too, where the field allows it."""
    widget = forms.CheckboxSelectMultiple
    return forms.MultipleChoiceField(choices=_options(spec), widget=widget, required=spec["min"] > 0)


def _text(spec: Spec) -> forms.Field:
    widget = forms.Textarea(attrs={"rows": 3})
    return forms.CharField(min_length=spec["min_length"], max_length=spec["max_length"], strip=False, widget=widget)


def _number(spec: Spec) -> forms.Field:
    kind = forms.IntegerField if spec["integer"] else forms.FloatField
    return kind(min_value=spec["min"], max_value=spec["max"], help_text=spec["unit"])


def _rating(spec: Spec) -> forms.Field:
    points = [(point, str(point)) for point in range(1, spec["points"] + 1)]
    return forms.TypedChoiceField(choices=points, coerce=int, empty_value=None, widget=forms.RadioSelect)


def _json(spec: Spec) -> forms.Field:
    return forms.JSONField(help_text="JSON", widget=forms.Textarea(attrs={"rows": 4, "class": "code"}))


def _options(spec: Spec) -> list[tuple[str, str]]:
    return [(option["value"], option["title"]) for option in spec["options"]]


BUILDERS: dict[str, Callable[[Spec], forms.Field]] = {
    "choice": _choice,
    "choices": _choices,
    "text": _text,
    "number": _number,
    "rating": _rating,
    "json": _json,  # kinds without a form of their own
}


class TaskForm(Form):
    """The fields of one task of a page."""

    def __init__(self, data: Any, *, position: int, schema: dict[str, Any], draft: Any = None) -> None:
        super().__init__(data, prefix=f"t{position}", initial=draft if isinstance(draft, dict) else None)
        self.position = position
        self.specs: list[Spec] = schema["fields"]
        for spec in self.specs:
            field = BUILDERS.get(spec["type"], BUILDERS["json"])(spec)
            field.label = spec["title"]
            field.error_messages["required"] = "Please answer this."
            field.required = field.required and spec["required"]
            self.fields[spec["name"]] = field

    @property
    def questions(self) -> list[tuple[forms.BoundField, Spec]]:
        return [(self[spec["name"]], spec) for spec in self.specs]

    @property
    def value(self) -> dict[str, Any]:
        """The answer: what was left empty is left out, unless empty is an answer."""
        typed = {spec["name"]: (self.cleaned_data.get(spec["name"]), spec) for spec in self.specs}
        return {name: value for name, (value, spec) in typed.items() if is_answer(value, spec)}

    @property
    def draft(self) -> dict[str, Any]:
        """What was typed so far, right or not, close to how an answer is written."""
        kept = {}
        for spec in self.specs:
            bound = self[spec["name"]]
            raw = bound.data
            try:
                value = bound.field.clean(raw)
            except forms.ValidationError:
                value = raw
            if value not in (None, "", []):
                kept[spec["name"]] = value
        return kept


def is_answer(value: Any, spec: Spec) -> bool:
    """Whether something was answered: nothing chosen is an answer where the field must be answered."""
    if value == []:
        return bool(spec["required"])
    return value not in (None, "")


class ContestForm(Form):
    statement = forms.CharField(
        max_length=STATEMENT_MOST,
        widget=forms.Textarea(attrs={"rows": 5}),
        label="Why is the decision wrong?",
        help_text="A person who did not make the decision reads this beside your answer.",
    )


class ReasonForm(Form):
    """Why something is decided."""

    reason_code = forms.ChoiceField(choices=Decision.Reason.choices, label="Reason")
    reason = forms.CharField(
        max_length=5000,
        widget=forms.Textarea(attrs={"rows": 4}),
        label="Why, in your own words",
        help_text="The worker reads this and may contest it.",
    )


class HoldForm(ReasonForm):
    """Payouts to a worker are to be held."""

    days = forms.IntegerField(min_value=1, max_value=settings.HOLD_MOST_DAYS, label="For how many days")
    rests_on = forms.CharField(
        required=False,
        max_length=5000,
        widget=forms.Textarea(attrs={"rows": 3}),
        label="What it rests on: payments, payouts, answers",
        help_text="The worker reads this too.",
    )

    def __init__(self, sent: Any = None) -> None:
        super().__init__(sent, auto_id="id_hold_%s", initial={"reason_code": Decision.Reason.FRAUD})
        most = settings.HOLD_MOST_DAYS
        self.fields["days"].widget.attrs["max"] = most
        self.fields["days"].help_text = f"{most} at the most; it then ends by itself."


class DecideForm(ReasonForm):
    """A decision about an answer."""

    refill = forms.BooleanField(required=False, initial=True, label="Buy another answer in its place")
    percent = forms.IntegerField(
        required=False, min_value=1, max_value=99, label="Percent of the price", help_text="Only to pay a part."
    )


class DecideAboutForm(ReasonForm):
    """A decision about a worker, of those a person may take in an organisation's name."""

    KINDS = [Decision.Kind.STOP, Decision.Kind.RETRAIN, Decision.Kind.DENY]

    worker = forms.CharField(max_length=20, help_text="Your organisation's name for the worker, as w_0123456789abcdef.")
    kind = forms.ChoiceField(choices=[(kind.value, kind.label) for kind in KINDS], label="What is decided")
    project: forms.ModelChoiceField = forms.ModelChoiceField(
        Project.objects.none(), required=False, to_field_name="public_id", help_text="Not for: no more work of yours."
    )
    until = forms.DateTimeField(
        required=False,
        widget=forms.DateTimeInput(attrs={"type": "datetime-local"}),
        label="Until (UTC)",
        help_text="Empty: until it is undone.",
    )


class WithdrawForm(Form):
    reason = forms.CharField(
        max_length=5000,
        widget=forms.Textarea(attrs={"rows": 3}),
        label="Why it is undone",
        help_text="The worker reads this.",
    )


class CohortForm(Form):
    """A session to plan; times are UTC, as everywhere."""

    title = forms.CharField(max_length=200)
    begins_at = forms.DateTimeField(label="Begins (UTC)", widget=forms.DateTimeInput(attrs={"type": "datetime-local"}))
    ends_at = forms.DateTimeField(label="Ends (UTC)", widget=forms.DateTimeInput(attrs={"type": "datetime-local"}))
    items = forms.IntegerField(
        min_value=1, max_value=ITEMS_MOST, initial=5, label="Items", help_text="Taken from those to practise on."
    )
    is_open = forms.BooleanField(
        required=False, initial=True, label="Open to everybody who may work on the project; otherwise by invitation"
    )


class RemarkForm(Form):
    remark = forms.CharField(
        required=False,
        max_length=REMARK_MOST,
        widget=forms.Textarea(attrs={"rows": 2}),
        label="What you say of it",
    )


class DatasetForm(Form):
    """Which dataset to put to work."""

    dataset: forms.ModelChoiceField = forms.ModelChoiceField(
        Dataset.objects.none(), to_field_name="public_id", empty_label=None
    )


class AnswersBudgetForm(Form):
    """What the answers of a batch may cost, where a budget decides how many there are."""

    budget_micros = AmountField(label="Answers may cost, in all", help_text="With the fee.")
