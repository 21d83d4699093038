"""How people want to be told, as plain values."""

from typing import Any

from django import forms

from marketplace.web.forms import Form
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
