"""Amounts that people ask to move."""

from django import forms
from django.conf import settings

from marketplace.web.forms import AmountField, Form


def currencies() -> list[tuple[str, str]]:
    return [(code, code) for code in settings.CURRENCIES]


class PrepaymentForm(Form):
    amount_micros = AmountField(label="Amount", help_text="For example 20 or 12.50.")
    currency = forms.ChoiceField(choices=currencies)


class RefundForm(Form):
    """All that is free, unless an amount is named."""

    prefix = "refund"
    amount_micros = AmountField(required=False, label="Amount", help_text="Empty: all that is free.")
    currency = forms.ChoiceField(choices=currencies)


class PayoutForm(Form):
    """All of it, unless an amount is named."""

    currency = forms.ChoiceField(choices=currencies, widget=forms.HiddenInput)
    amount_micros = AmountField(required=False, label="Amount", help_text="Empty: all that can be paid out.")
