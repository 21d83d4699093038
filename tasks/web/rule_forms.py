"""A rule as people write it: a sentence with gaps."""

from typing import Any

from django import forms
from django.conf import settings

from marketplace.web.forms import Form
from tasks.models import Rule
from tasks.rules.checking import CONDITIONS_MOST, TEXT_MOST
from tasks.rules.collectors import COLLECTORS
from tasks.rules.wording import IS

ACTIONS = [
    ("stop", "Offer no more of this project for a while"),
    ("small_pages", "Give smaller pages"),
    ("retrain", "Ask to pass the training again"),
    ("notify", "Tell somebody"),
    ("propose", "Ask a person of ours to do something heavier"),
]
PARTS = {"small_pages": ["page_size", "hours"], "stop": ["hours"], "notify": ["whom", "text"], "propose": ["what"]}
WIDE = {"inputmode": "decimal", "autocomplete": "off"}


def _figures() -> list[Any]:
    """Every figure once, under the collectors that have it."""
    groups: dict[str, list[tuple[str, str]]] = {}
    titles = {name: figure.title for one in COLLECTORS.values() for name, figure in one.figures.items()}
    for name, title in titles.items():
        having = [one.title for one in COLLECTORS.values() if name in one.figures]
        group = "All" if name == "total" else ", ".join(having)
        shown = "how many there are" if name == "total" else title.format(threshold="the mark", fast_s="so many")
        groups.setdefault(group, []).append((name, shown))
    return [("", "choose a figure"), *((group, figures) for group, figures in groups.items())]


class RuleForm(Form):
    """What is counted, up to five conditions, and what is done."""

    name = forms.CharField(max_length=120, help_text="Workers read it in a decision.")
    collector = forms.ChoiceField(
        choices=[(name, f"{one.title}: {one.pieces}") for name, one in COLLECTORS.items()], label="What is counted"
    )
    history = forms.IntegerField(
        required=False,
        min_value=0,
        max_value=settings.RULE_PIECES_MOST,
        label="Of each worker, only the last",
        help_text="Empty: all. A worker who gets better is then judged by what they do now.",
    )
    threshold = forms.FloatField(
        required=False,
        label="The mark, for the probability that the accuracy is below it",
        help_text="From 0 to 1; for known answers and agreement.",
        widget=forms.TextInput(attrs=WIDE),
    )
    fast_s = forms.FloatField(
        required=False,
        label="Seconds a task below which a page is fast",
        help_text="For speed.",
        widget=forms.TextInput(attrs=WIDE),
    )
    kind = forms.ChoiceField(choices=ACTIONS, label="What is done")
    hours = forms.IntegerField(
        required=False,
        min_value=1,
        label="For how many hours",
        help_text=f"At most {settings.PAUSE_MOST_H}. Smaller pages may be for good.",
    )
    page_size = forms.IntegerField(required=False, min_value=1, label="Tasks on a smaller page, at most")
    whom = forms.ChoiceField(
        required=False, choices=[("worker", "The worker"), ("requester", "Us")], label="Who is told"
    )
    text = forms.CharField(
        required=False, max_length=TEXT_MOST, label="What they are told", widget=forms.Textarea(attrs={"rows": 3})
    )
    what = forms.ChoiceField(
        required=False,
        choices=[
            ("deny", "to offer the worker no more work of our organisation"),
            ("reject", "to reject the worker's answers that wait for a decision"),
        ],
        label="What a person is asked",
    )

    def __init__(self, data: Any = None, *, rule: Rule | None = None) -> None:
        super().__init__(data, initial=_typed(rule) if rule else {"hours": 24})
        for index in range(CONDITIONS_MOST):
            number = index + 1
            self.fields[f"figure{index}"] = forms.ChoiceField(
                required=False, choices=_figures(), label=f"Figure {number}"
            )
            self.fields[f"is{index}"] = forms.ChoiceField(
                required=False, choices=list(IS.items()), label=f"Comparison {number}"
            )
            self.fields[f"to{index}"] = forms.FloatField(
                required=False, label=f"Number {number}", widget=forms.TextInput(attrs=WIDE)
            )

    @property
    def conditions(self) -> list[dict[str, Any]]:
        """The rows of conditions for the template, the first of which is needed."""
        return [
            {"number": index + 1, "fields": [self[f"{part}{index}"] for part in ("figure", "is", "to")]}
            for index in range(CONDITIONS_MOST)
        ]

    @property
    def has_more(self) -> bool:
        """Whether a condition behind the first two is written, or wrong."""
        return any(
            self[f"{part}{row}"].value() not in (None, "") or self[f"{part}{row}"].errors
            for row in range(2, CONDITIONS_MOST)
            for part in ("figure", "to")
        )

    @property
    def values(self) -> dict[str, Any]:
        """What was typed, as the verbs take it."""
        typed = self.cleaned_data
        measure = {name: typed[name] for name in COLLECTORS[typed["collector"]].measure if typed[name] is not None}
        action = {name: typed[name] for name in PARTS.get(typed["kind"], []) if typed[name] not in (None, "")}
        return {
            **{name: typed[name] for name in ("name", "collector")},
            "history": typed["history"] or 0,
            "measure": measure,
            "conditions": [
                {"figure": typed[f"figure{row}"], "is": typed[f"is{row}"], "to": typed[f"to{row}"]}
                for row in self._written()
            ],
            "action": {"kind": typed["kind"], **action},
        }

    @property
    def places(self) -> dict[str, str]:
        """The form's names of what the verbs call otherwise."""
        rows = {
            f"conditions[{index}].{part}": f"{part}{row}"
            for index, row in enumerate(self._written())
            for part in ("figure", "is", "to")
        }
        action = {f"action.{name}": name for name in ("kind", "hours", "page_size", "whom", "text", "what")}
        measured = {f"measure.{name}": name for name in ("threshold", "fast_s")}
        return {**rows, **action, **measured, "conditions": "figure0"}

    def _written(self) -> list[int]:
        typed = self.cleaned_data
        return [row for row in range(CONDITIONS_MOST) if typed[f"figure{row}"] or typed[f"to{row}"] is not None]


def _typed(rule: Rule) -> dict[str, Any]:
    rows = {
        f"{part}{index}": wanted[part]
        for index, wanted in enumerate(rule.conditions)
        for part in ("figure", "is", "to")
    }
    written = {"name": rule.name, "collector": rule.collector, "history": rule.history or None}
    return {**written, **rule.measure, **rows, **rule.action}
