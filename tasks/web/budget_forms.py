"""What people type about budgets and bonuses, as plain values."""

from django import forms
from django.conf import settings

from marketplace.web.forms import AmountField, Form
from tasks.bonuses import KEY_MOST, REASON_MOST


class BudgetForm(Form):
    answers_micros = AmountField(
        least_micros=0, label="Answers may cost, in all", help_text="With the fee, and with what is spent already."
    )


class GoldForm(Form):
    gold_answers = forms.IntegerField(min_value=0, max_value=10**9, label="Answers to known items, in all")


class ExamsForm(Form):
    paid_exams = forms.IntegerField(min_value=0, max_value=2**31 - 1, label="Paid exams, in all")


class BonusForm(Form):
    worker = forms.CharField(max_length=40, help_text="Your organisation's name for them, as w_0123456789abcdef.")
    amount_micros = AmountField(label="Amount", help_text="What the worker gets; the fee comes on top.")
    reason = forms.CharField(
        max_length=REASON_MOST,
        widget=forms.Textarea(attrs={"rows": 3}),
        label="What it is for",
        help_text="The worker reads this.",
    )
    key = forms.CharField(max_length=KEY_MOST, widget=forms.HiddenInput)


class BonusesForm(Form):
    rows = forms.CharField(
        max_length=settings.BODY_MOST_BYTES,
        strip=False,
        label="Bonuses as CSV",
        help_text="The first line names the columns: worker,amount,reason,key. Under one key one bonus is paid, once.",
        widget=forms.Textarea(attrs={"rows": 6, "class": "code", "spellcheck": "false"}),
    )
