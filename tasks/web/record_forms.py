"""What people type about their own record, as plain values."""

from typing import Any

from django import forms

from marketplace.core.signing import MOST_BYTES
from marketplace.models import Organisation
from marketplace.web.forms import Form
from workers.documents import HOLDER_MOST


class SignForm(Form):
    """Which organisations a signed record names, and for whom elsewhere it is."""

    organisations = forms.MultipleChoiceField(
        choices=[],
        required=False,
        widget=forms.CheckboxSelectMultiple,
        label="Organisations it may name",
        help_text="None, unless you tick them.",
    )
    holder = forms.CharField(
        max_length=HOLDER_MOST,
        required=False,
        label="Your id at the site it is for",
        help_text="That site can then keep the record with your account there. Without it, it can only be looked at.",
    )

    def __init__(self, *args: Any, among: list[Organisation], **options: Any) -> None:
        super().__init__(*args, **options)
        if among:
            self.fields["organisations"].choices = [(one.name, one.name) for one in among]  # type: ignore[attr-defined]
        else:
            del self.fields["organisations"]


class VerifyForm(Form):
    document = forms.CharField(
        max_length=MOST_BYTES,
        label="The signed record",
        help_text="All of the file, as text.",
        widget=forms.Textarea(attrs={"rows": 6, "class": "code", "spellcheck": "false"}),
    )


class EraseForm(Form):
    password = forms.CharField(
        required=False,
        strip=False,
        label="Your password",
        help_text="So that nobody else deletes your account.",
        widget=forms.PasswordInput(attrs={"autocomplete": "current-password"}),
    )
    leave_rest = forms.BooleanField(required=False, label="I give up earnings that are too small to be paid out")
