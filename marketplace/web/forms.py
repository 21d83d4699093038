"""What people type, as plain values."""

from typing import Any

from django import forms
from django.conf import settings
from django.forms.utils import ErrorDict

from marketplace import lessons
from marketplace.core import money
from marketplace.core.errors import Invalid
from marketplace.models import ApiKey, Dataset, Import, Organisation, Role

FORMATS = {
    ".csv": Import.Format.CSV,
    ".jsonl": Import.Format.JSONL,
    ".ndjson": Import.Format.JSONL,
}


class Form(forms.Form):
    """A form in the look of the site."""

    template_name = "parts/form.html"

    def leave_unchecked(self) -> None:
        """Show what was typed without saying what is wrong with it: the person is not done."""
        self._errors = ErrorDict()
        self.cleaned_data = {}


class AmountField(forms.CharField):
    """An amount of money, typed as `0.05`, kept in micros."""

    def __init__(self, *, least_micros: int = 1, **options: Any) -> None:
        self.least_micros = least_micros
        widget = forms.TextInput(attrs={"inputmode": "decimal", "autocomplete": "off"})
        super().__init__(**{"max_length": 24, "widget": widget, **options})

    def prepare_value(self, value: Any) -> Any:
        return money.show(value, "").replace(",", "").strip() if isinstance(value, int) else value

    def clean(self, value: Any) -> int | None:
        text = super().clean(value)
        if not text:
            return None
        try:
            amount_micros = money.parse(text)
        except Invalid as refusal:
            raise forms.ValidationError(refusal.detail) from refusal
        if amount_micros < self.least_micros:
            raise forms.ValidationError("This must be more than nothing.")
        return amount_micros


class LessonForm(Form):
    title = forms.CharField(max_length=lessons.TITLE_MOST)
    text = forms.CharField(
        max_length=lessons.TEXT_MOST,
        strip=False,
        widget=forms.Textarea(attrs={"rows": 10}),
        help_text="One idea, short. Markdown.",
    )


class OrganisationForm(Form):
    name = forms.CharField(
        max_length=120, label="Name of the organisation", help_text="Workers see it beside your projects."
    )


class MemberForm(Form):
    email = forms.EmailField(label="E-mail address", help_text="Of somebody who already has an account here.")
    role = forms.ChoiceField(
        choices=[
            (Role.MANAGER, "Manager: projects and data"),
            (Role.REVIEWER, "Reviewer: sees the work and decides on answers"),
            (Role.OWNER, "Owner: money and members too"),
        ]
    )


class RoleForm(Form):
    role = forms.ChoiceField(choices=Role.choices)


class NameForm(Form):
    name = forms.CharField(
        max_length=120, required=False, label="Your name", help_text="Members of your organisations see it."
    )


class ApiKeyForm(Form):
    name = forms.CharField(max_length=80, label="What the key is for")
    scopes = forms.MultipleChoiceField(
        choices=[(ApiKey.Scope.OFFER, "Offer: projects, data and their money"), (ApiKey.Scope.WORK, "Work: do tasks")],
        widget=forms.CheckboxSelectMultiple,
        label="What it may do",
    )
    expires_in_days = forms.IntegerField(min_value=1, max_value=365, initial=90, label="Days until it expires")


class ImportForm(Form):
    """A file for a dataset; the columns that hold known answers follow from the project's fields."""

    file = forms.FileField(help_text="CSV with a header line, or JSON Lines (.jsonl): one object a line.")
    dataset = forms.ModelChoiceField(
        Dataset.objects.none(),
        to_field_name="public_id",
        required=False,
        empty_label="A new dataset",
        help_text="A file for a dataset that is here already makes its next version.",
    )
    key_column = forms.CharField(
        max_length=80,
        required=False,
        label="Column with your own key",
        help_text="Comes back with every label. Empty: lines are numbered.",
    )

    def __init__(self, *args: Any, organisation: Organisation, schema: dict[str, Any], **options: Any) -> None:
        super().__init__(*args, **options)
        self.fields["dataset"].queryset = organisation.datasets.order_by("-pk")  # type: ignore[attr-defined]
        self.truths = {f"truth_{field['name']}": field["name"] for field in schema.get("fields", [])}
        for key, name in self.truths.items():
            self.fields[key] = forms.CharField(
                max_length=80,
                required=False,
                label=f"Column with known right answers to “{name}”",
                help_text="Such rows teach and measure workers, who cannot tell them from the others.",
            )

    def clean_file(self) -> Any:
        file = self.cleaned_data["file"]
        if file.size > settings.IMPORT_MOST_BYTES:
            raise forms.ValidationError(f"At most {settings.IMPORT_MOST_BYTES // 1_000_000:,} MB.")
        if not self._format_of(file.name):
            raise forms.ValidationError(f"The name must end in {', '.join(FORMATS)}.")
        return file

    @staticmethod
    def _format_of(name: str) -> str | None:
        return next((kind for ending, kind in FORMATS.items() if name.lower().endswith(ending)), None)

    @property
    def format(self) -> str:
        return self._format_of(self.cleaned_data["file"].name) or ""

    @property
    def truth_columns(self) -> dict[str, str]:
        """Column -> field."""
        given = ((self.cleaned_data[key].strip(), field) for key, field in self.truths.items())
        return {column: field for column, field in given if column}
