"""How people want to be told, as plain values."""

from typing import Any

from django import forms

from marketplace.web.forms import Form
from workers import self_descriptions
from workers.models import NoticeChoice
from workers.notices import Choice

Mail = NoticeChoice.Mail
MAIL = [(Mail.AT_ONCE, "At once"), (Mail.DAILY, "Once a day"), (Mail.NOT, "No letter")]


class ChoicesForm(Form):
    """Two fields for each kind of notice."""

    def __init__(self, data: Any, *, choices: list[Choice]) -> None:
        super().__init__(data)
        self.choices = choices
        for choice in choices:
            self.fields[f"{choice.kind}-mail"] = forms.ChoiceField(choices=MAIL, initial=choice.mail, label="By e-mail")
            if not choice.is_kept:
                shown = forms.BooleanField(required=False, initial=choice.shown, label="In the site")
                self.fields[f"{choice.kind}-shown"] = shown

    @property
    def rows(self) -> list[tuple[Choice, forms.BoundField, forms.BoundField | None]]:
        return [
            (choice, self[f"{choice.kind}-mail"], None if choice.is_kept else self[f"{choice.kind}-shown"])
            for choice in self.choices
        ]

    @property
    def changed(self) -> list[dict[str, Any]]:
        """What is not as it was, ready for the verb."""
        wanted = [
            (choice, self.cleaned_data[f"{choice.kind}-mail"], self.cleaned_data.get(f"{choice.kind}-shown", True))
            for choice in self.choices
        ]
        return [
            {"kind": choice.kind, "mail": mail, "shown": shown}
            for choice, mail, shown in wanted
            if (mail, shown) != (choice.mail, choice.shown)
        ]


class AboutMeForm(Form):
    """A list for each question, to leave at what says nothing, and whether it may be counted."""

    def __init__(self, data: Any, *, said: dict[str, str]) -> None:
        super().__init__(data)
        for question in self_descriptions.QUESTIONS:
            choices = [(self_descriptions.NOT_SAID, "Rather not say"), *question.choices.items()]
            initial = said.get(question.name, self_descriptions.NOT_SAID)
            self.fields[question.name] = forms.ChoiceField(
                choices=choices, initial=initial, required=False, label=question.words
            )
        words = "I agree that what I say here is counted over groups of people, as written above"
        self.fields["consents"] = forms.BooleanField(required=False, initial=bool(said), label=words)

    @property
    def said(self) -> dict[str, str]:
        return {question.name: self.cleaned_data[question.name] for question in self_descriptions.QUESTIONS}
