"""What people write to each other and to the admins, as plain values."""

import re
from typing import Any

from django import forms

from marketplace.web.forms import Form
from tasks import conversations, reports
from tasks.models import Report

ADDRESS = re.compile(r"[\w.+-]+@[\w-]+(\.[\w-]+)+")
TELEPHONE = re.compile(r"(\+|\b0)\d([ ()/.-]{0,2}\d){6,}")
CONTACT = "This looks like an e-mail address or a telephone number, and the other side will read it. Send it again to "
NO_NAMES = "Please write no names, e-mail addresses or telephone numbers."


class WritingForm(Form):
    """A text for the other side; one that seems to tell an address is asked about once, and then taken."""

    text = forms.CharField(
        max_length=conversations.TEXT_MOST, widget=forms.Textarea(attrs={"rows": 5}), help_text=NO_NAMES
    )
    sure = forms.BooleanField(required=False, widget=forms.HiddenInput)

    def clean(self) -> dict[str, Any]:
        text = self.cleaned_data.get("text", "")
        if (ADDRESS.search(text) or TELEPHONE.search(text)) and not self.cleaned_data.get("sure"):
            self.data = {**{name: self.data.get(name) for name in self.data}, "sure": "on"}
            self.add_error("text", f"{CONTACT}leave it as it is.")
        return self.cleaned_data


class AskForm(WritingForm):
    passage = forms.ChoiceField(required=False, label="Which part of the guideline is it about?")
    field_order = ["passage", "text", "sure"]

    def __init__(self, *args: Any, passages: list[str], **options: Any) -> None:
        super().__init__(*args, **options)
        self.fields["passage"].choices = [("", "None, or I do not know"), *((one, one) for one in passages)]  # type: ignore[attr-defined]
        self.fields["text"].label = "Your question"
        if not passages:
            del self.fields["passage"]


class ReplyForm(WritingForm):
    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self.fields["text"].label = "Your message"


class PromoteForm(Form):
    """A question with its answer, as workers will read them."""

    question = forms.CharField(
        max_length=conversations.TEXT_MOST,
        help_text="One line; as a heading of the guideline. Keep out what is private.",
    )
    answer = forms.CharField(
        max_length=conversations.TEXT_MOST, widget=forms.Textarea(attrs={"rows": 6}), help_text="Markdown."
    )


class ReportForm(Form):
    reason_code = forms.ChoiceField(choices=Report.Reason.choices, label="What is wrong with it?")
    text = forms.CharField(
        max_length=reports.TEXT_MOST,
        required=False,
        widget=forms.Textarea(attrs={"rows": 4}),
        label="What should the admin know?",
    )
