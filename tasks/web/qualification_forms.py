"""What people type about qualifications, groups, requirements and themselves, as plain values."""

import json
from typing import Any

from django import forms
from django.conf import settings
from django.http import QueryDict

from marketplace.models import Organisation, Project
from marketplace.web.forms import AmountField, Form
from marketplace.web.project_forms import Rows
from workers import codes, lists
from workers.models import Audience, Group, Qualification
from workers.requirements import SUBJECTS

CONDITIONS_SHOWN = 10
LIST_MOST_BYTES = 1_000_000
COMPARATORS = {
    "GreaterThanOrEqualTo": "is at least",
    "GreaterThan": "is more than",
    "LessThanOrEqualTo": "is at most",
    "LessThan": "is less than",
    "EqualTo": "is",
    "NotEqualTo": "is not",
    "In": "is one of",
    "NotIn": "is none of",
    "Exists": "is there",
    "DoesNotExist": "is not there",
}
PLAIN = {
    "language": "Language (as de, or de:B2)",
    "country": "Country (as DE)",
    "answers site": "Answers accepted on the site",
    "answers organisation": "Answers accepted by you",
    "approved_share site": "Share of answers approved on the site (0 to 1)",
    "approved_share organisation": "Share of answers approved by you (0 to 1)",
    "joined_days": "Days since joining",
    "standing": "Days since the worker was last stopped by you",
}


class DefineForm(Form):
    name = forms.CharField(max_length=120, help_text="Workers read it.")
    description = forms.CharField(max_length=2000, required=False, widget=forms.Textarea(attrs={"rows": 2}))


class ListField(forms.FileField):
    """A small file of text."""

    def clean(self, data: Any, initial: Any = None) -> Any:
        file = super().clean(data, initial)
        if not file:
            return ""
        if file.size > LIST_MOST_BYTES:
            raise forms.ValidationError(f"At most {LIST_MOST_BYTES:,} bytes.")
        try:
            text = file.read().decode("utf-8-sig")
        except UnicodeDecodeError as broken:
            raise forms.ValidationError("This is not a text in UTF-8.") from broken
        if "\0" in text:
            raise forms.ValidationError("This is not a text.")
        return text


class GiveForm(Form):
    worker = forms.CharField(max_length=40, required=False, help_text="As w_0123456789abcdef.")
    score = forms.FloatField(initial=1, required=False, min_value=-1e9, max_value=1e9)
    csv = ListField(required=False, label="Or a CSV file", help_text="A line for each: worker,score.")
    days = forms.IntegerField(
        required=False, min_value=1, max_value=3650, label="Days until it expires", help_text="Empty: it does not."
    )

    def listed(self) -> list[tuple[str, float]]:
        """Who is named, with their scores; Invalid where the file cannot be taken."""
        typed = self.cleaned_data
        score = 1.0 if typed["score"] is None else typed["score"]
        named = [(typed["worker"].strip(), score)] if typed["worker"].strip() else []
        return named + lists.read(typed["csv"], scored=True, default=score)


class GroupForm(Form):
    name = forms.CharField(max_length=120, help_text="Its workers read it.")
    kind = forms.ChoiceField(choices=Group.Kind.choices)


class MembersForm(Form):
    worker = forms.CharField(max_length=40, required=False, help_text="As w_0123456789abcdef.")
    csv = ListField(required=False, label="Or a CSV file", help_text="A worker on each line.")

    def listed(self) -> list[str]:
        typed = self.cleaned_data["worker"].strip()
        return ([typed] if typed else []) + [name for name, _ in lists.read(self.cleaned_data["csv"])]


class InviteForm(Form):
    email = forms.EmailField(label="E-mail address", help_text="They need not have an account yet.")


class ConditionForm(Form):
    subject = forms.ChoiceField(label="What")
    comparator = forms.ChoiceField(choices=list(COMPARATORS.items()), label="How")
    value = forms.CharField(max_length=2000, required=False, help_text="Several with commas, for “is one of”.")

    def __init__(self, *args: Any, subjects: list[tuple[str, str]], **options: Any) -> None:
        super().__init__(*args, **options)
        self.fields["subject"].choices = subjects  # type: ignore[attr-defined]

    def leaf(self) -> dict[str, Any]:
        """The condition that was typed, as far as it can be read; the rest is for the check."""
        subject, _, scope = self.cleaned_data["subject"].partition(" ")
        comparator, text = self.cleaned_data["comparator"], self.cleaned_data["value"].strip()
        found: dict[str, Any] = {"of": subject, "is": comparator}
        if text:
            several = [_value(subject, part.strip()) for part in text.split(",")]
            found["to"] = several if comparator in ("In", "NotIn") else _value(subject, text)
        return {**found, "in": scope} if scope else found


Conditions = forms.formset_factory(
    ConditionForm, formset=Rows, extra=0, max_num=CONDITIONS_SHOWN, absolute_max=CONDITIONS_SHOWN, can_delete=True
)


class RequirementForm(Form):
    join = forms.ChoiceField(
        choices=[("all", "All of these must be met"), ("any", "One of these is enough")],
        widget=forms.RadioSelect,
        label="How many of them",
    )
    groups = forms.MultipleChoiceField(
        required=False,
        widget=forms.CheckboxSelectMultiple,
        label="Only for these groups",
        help_text="For everybody else the project does not exist. None: it is for all.",
    )
    raw = forms.CharField(
        required=False,
        widget=forms.Textarea(attrs={"rows": 8, "class": "code", "spellcheck": "false"}),
        label="The requirement as JSON",
        help_text="If something stands here, it is used in place of the conditions above.",
    )

    def clean_raw(self) -> Any:
        text = self.cleaned_data["raw"].strip()
        try:
            return json.loads(text) if text else None
        except (ValueError, RecursionError) as broken:
            raise forms.ValidationError(f"This is not JSON: {broken}") from broken


class RequirementEditor:
    """The forms of one project's requirement, filled from what was typed or from the project."""

    def __init__(self, project: Project, typed: QueryDict | None = None) -> None:
        home = project.organisation
        join, rows, raw = _taken_apart(project.requirement)
        among = Audience.objects.filter(project=project, ended_at=None).values_list("group__public_id", flat=True)
        self.form = RequirementForm(typed, initial={"join": join, "raw": raw, "groups": list(among)})
        groups = Group.objects.of_organisation(home).order_by("name").values_list("public_id", "name")
        self.form.fields["groups"].choices = list(groups)  # type: ignore[attr-defined]
        self.has_groups = bool(groups)
        self.rows = Conditions(typed, prefix="conditions", initial=rows, form_kwargs={"subjects": _subjects(home)})

    @classmethod
    def with_another(cls, project: Project, typed: QueryDict) -> "RequirementEditor":
        """The same as typed so far, with one more empty row."""
        more = typed.copy()
        count = more.get("conditions-TOTAL_FORMS", "0")
        more["conditions-TOTAL_FORMS"] = str(
            min(int(count[:3]) + 1, CONDITIONS_SHOWN) if count.isascii() and count.isdigit() else 1
        )
        editor = cls(project, more)
        for form in (editor.form, *editor.rows.forms):
            form.leave_unchecked()
        return editor

    def is_valid(self) -> bool:
        return self.form.is_valid() and (self.form.cleaned_data["raw"] is not None or self.rows.is_valid())

    def expression(self) -> Any:
        """What was typed; None: everybody."""
        if self.form.cleaned_data["raw"] is not None:
            return self.form.cleaned_data["raw"]
        kept = [form.leaf() for form in self.rows.forms if form.cleaned_data and not form.cleaned_data.get("DELETE")]
        return {self.form.cleaned_data["join"]: kept} if kept else None


class TierForm(Form):
    qualification = forms.ChoiceField(required=False, label="Those who hold")
    price_micros = AmountField(required=False, label="Are paid for an answer")

    def __init__(self, *args: Any, qualifications: list[tuple[str, str]], **options: Any) -> None:
        super().__init__(*args, **options)
        self.fields["qualification"].choices = [("", "Nothing"), *qualifications]  # type: ignore[attr-defined]


def tier_forms(project: Project, typed: QueryDict | None = None) -> list[TierForm]:
    """A form for each tier there may be."""
    seen = Qualification.objects.of_organisation(project.organisation).order_by("name")
    choices = list(seen.values_list("public_id", "name"))
    given = [*project.tiers, *({} for _ in range(settings.TIERS_MOST))][: settings.TIERS_MOST]
    return [TierForm(typed, prefix=f"tier{n}", initial=tier, qualifications=choices) for n, tier in enumerate(given)]


def tiers_of(typed: list[TierForm]) -> list[dict[str, Any]]:
    """The tiers that were typed; a row without a qualification is none."""
    rows = [form.cleaned_data for form in typed]
    names = ("qualification", "price_micros")
    return [{name: row[name] for name in names} for row in rows if row["qualification"]]


class ProfileForm(Form):
    country = forms.ChoiceField(
        required=False,
        label="The country you live in",
        choices=[("", "I do not say"), *sorted(codes.COUNTRIES.items(), key=lambda pair: pair[1])],
    )


class LanguageForm(Form):
    code = forms.ChoiceField(
        required=False,
        label="Language",
        choices=[("", "None"), *sorted(codes.LANGUAGES.items(), key=lambda pair: pair[1])],
    )
    level = forms.ChoiceField(
        required=False,
        label="Level",
        choices=[("", "I do not say"), *((level, level) for level in codes.LEVELS)],
    )


class AskForm(Form):
    statement = forms.CharField(
        max_length=2000,
        widget=forms.Textarea(attrs={"rows": 2}),
        label="What you have, and how it can be checked",
        help_text="For example who issued it, when, and where that can be looked up. Do not send documents.",
    )


def _subjects(organisation: Organisation) -> list[tuple[str, str]]:
    named = [(f"group:{row.public_id}", f"Group “{row}”") for row in Group.objects.of_organisation(organisation)]
    for row in Qualification.objects.of_organisation(organisation).order_by("pk"):
        if row.kind == Qualification.Kind.SITE:
            named.append((f"credential:{row.public_id}", f"Credential “{row}”"))
        else:
            named.append((f"grant:{row.public_id}", f"Score in “{row}”"))
    return [*PLAIN.items(), *named]


def _taken_apart(expression: Any) -> tuple[str, list[dict[str, str]], str]:
    """How the conditions are joined, a row for each, and JSON where that does not say it all."""
    if expression is None:
        return "all", [], ""
    join = next((key for key in ("all", "any") if key in expression), "all")
    leaves = expression.get(join, [expression])
    if len(leaves) > CONDITIONS_SHOWN or any("of" not in leaf for leaf in leaves):
        return join, [], json.dumps(expression, indent=2, ensure_ascii=False)
    return join, [_row(leaf) for leaf in leaves], ""


def _row(leaf: dict[str, Any]) -> dict[str, str]:
    to = leaf.get("to", "")
    scoped = SUBJECTS[leaf["of"].partition(":")[0]].is_scoped
    return {
        "subject": f"{leaf['of']} {leaf.get('in', 'site')}" if scoped else leaf["of"],
        "comparator": leaf["is"],
        "value": ", ".join(map(str, to)) if isinstance(to, list) else str(to),
    }


def _value(subject: str, text: str) -> Any:
    """A number where the subject compares numbers and it is one."""
    if SUBJECTS[subject.partition(":")[0]].kind in ("language", "country"):
        return text
    try:
        return int(text)
    except ValueError:
        pass
    try:
        return float(text)
    except ValueError:
        return text
