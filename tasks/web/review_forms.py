"""What reviewers type, as plain values."""

from typing import Any

from django import forms

from marketplace.web.forms import Form
from tasks import reviews
from tasks.models import Review
from tasks.reviews.deciding import NOTE_MOST
from tasks.web.gold_forms import TruthForm


class NoteForm(Form):
    note = forms.CharField(
        max_length=NOTE_MOST,
        required=False,
        widget=forms.Textarea(attrs={"rows": 2}),
        label="Why, if you like",
        help_text="Members of your organisation read it.",
    )


def correction(review: Review, data: Any, label: dict[str, Any]) -> TruthForm:
    """The form of another label, filled with the one that stands."""
    return TruthForm(data, schema=reviews.correctable(review.batch.schema), truth=label)
