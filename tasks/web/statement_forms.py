"""Who an organisation is on its invoices."""

from django import forms

from marketplace.web.forms import Form


class BillingForm(Form):
    name = forms.CharField(required=False, max_length=200, help_text="As on invoices; empty: the organisation's name.")
    address = forms.CharField(required=False, max_length=1_000, widget=forms.Textarea(attrs={"rows": 4}))
    country = forms.CharField(required=False, max_length=2, help_text="Two capital letters, as DE. Taxes follow it.")
    tax_id = forms.CharField(required=False, max_length=40, label="Tax id", help_text="For example a VAT number.")
