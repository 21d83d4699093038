"""What a person types about being paid."""

from django import forms
from django.conf import settings
from django.http import QueryDict

from marketplace.web.forms import Form
from workers import codes
from workers.models import Worker


class EarningForm(Form):
    country = forms.ChoiceField(
        label="The country you live in",
        choices=[("", "Choose"), *sorted(codes.COUNTRIES.items(), key=lambda pair: pair[1])],
    )
    of_age = forms.BooleanField()

    def __init__(self, worker: Worker, sent: QueryDict | None = None) -> None:
        super().__init__(sent, initial={"country": worker.country})
        age = self.fields["of_age"]
        age.label = f"I am {settings.LEAST_AGE} years old or older"
        if worker.of_age_at:
            del self.fields["of_age"]  # it is said once
