"""What people type about gold, as plain values."""

from typing import Any

from django import forms

from marketplace.web.forms import Form
from tasks.gold_disputes import STATEMENT_MOST
from tasks.gold_pool import EXPLANATION_MOST
from tasks.models import Gold
from tasks.web.forms import TaskForm

EXPLANATION = forms.CharField(
    max_length=EXPLANATION_MOST,
    required=False,
    widget=forms.Textarea(attrs={"rows": 3}),
    label="Explanation",
    help_text="Practice shows it beside the right answer.",
)


class TruthForm(TaskForm):
    """What is right: a value for at least one field."""

    def __init__(self, data: Any, *, schema: dict[str, Any], truth: Any = None) -> None:
        super().__init__(data, position=0, schema=schema, draft=truth)
        for field in self.fields.values():
            field.required = False


class NewGoldForm(Form):
    key = forms.CharField(
        max_length=200, label="Key of the item", help_text="As in your data. Nobody may have begun it."
    )
    purpose = forms.ChoiceField(
        choices=[(Gold.Purpose.HIDDEN, "Hidden in work"), (Gold.Purpose.PRACTICE, "For practice")], label="Use"
    )
    explanation = EXPLANATION


class ExplainForm(Form):
    explanation = EXPLANATION


class ReasonForm(Form):
    reason = forms.CharField(
        max_length=STATEMENT_MOST,
        widget=forms.Textarea(attrs={"rows": 3}),
        label="Why",
        help_text="It stays in the history of this item.",
    )


class ContestGoldForm(Form):
    statement = forms.CharField(
        max_length=STATEMENT_MOST,
        widget=forms.Textarea(attrs={"rows": 5}),
        label="Why is the known answer wrong?",
        help_text="Those who asked read this. If you are right, nobody is held to it.",
    )
