"""What people type about their aggregator, as plain values."""

from django import forms

from marketplace.core.outgoing import URL_MOST
from marketplace.web.forms import Form


class AggregatorForm(Form):
    url = forms.CharField(
        max_length=URL_MOST,
        label="Address of your aggregator",
        help_text="Public and encrypted, as https://labels.example.org/consolidate.",
        widget=forms.TextInput(attrs={"inputmode": "url", "autocomplete": "off", "spellcheck": "false"}),
    )
