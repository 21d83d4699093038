"""Payouts to people."""

from django.conf import settings
from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

from marketplace.core import limits
from marketplace.core.errors import Invalid
from marketplace.core.money import show
from marketplace.web.edge import action, person
from payments import payouts
from payments.models import Payout
from payments.web.forms import PayoutForm


@action
def request_payout(request: HttpRequest) -> HttpResponse:
    form = PayoutForm(request.POST)
    if not form.is_valid():
        raise Invalid(" ".join(str(error) for errors in form.errors.values() for error in errors))
    limits.spend("payout", person(request).pk)
    payout = payouts.request(person(request), form.cleaned_data["amount_micros"], form.cleaned_data["currency"])
    amount = show(payout.amount_micros, payout.currency)
    if payout.state == Payout.State.REVIEW:
        days = settings.PAYOUT_REVIEWED_WITHIN_DAYS
        messages.info(request, f"{amount} are requested. An admin looks at it first, within {days} days.")
    else:
        messages.success(request, f"{amount} are on their way to you.")
    return redirect("earnings")
