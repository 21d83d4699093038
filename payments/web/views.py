"""Money of organisations, and payouts to people."""

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render

from marketplace.core import limits
from marketplace.core.errors import Invalid
from marketplace.core.money import show
from marketplace.models import Organisation
from marketplace.web.edge import action, onward, page_of, person, refusals_in
from payments import payouts, prepayments
from payments.models import Account, Payout, Prepayment
from payments.web.forms import PayoutForm, PrepaymentForm

KINDS = (Account.Kind.PREPAID, Account.Kind.RESERVE)


@login_required
def money(request: HttpRequest, organisation: str) -> HttpResponse:
    """What an organisation has prepaid and reserved, and a form to prepay more."""
    found = get_object_or_404(Organisation.objects.visible_to(person(request)), public_id=organisation)
    wanted = {name: request.GET[name] for name in ("amount_micros", "currency") if name in request.GET}
    form = PrepaymentForm(request.POST or None, initial=wanted)
    if request.method == "POST" and form.is_valid():
        with refusals_in(form):
            limits.spend("prepayment", person(request).pk)
            paid = prepayments.request(
                found, person(request), form.cleaned_data["amount_micros"], form.cleaned_data["currency"]
            )
            if paid.state == Prepayment.State.FAILED:
                messages.error(request, f"The prepayment failed: {paid.failure}")
            else:
                messages.success(request, f"{show(paid.amount_micros, paid.currency)} are prepaid.")
            return onward(request, request.path)
    accounts = found.accounts.filter(kind__in=KINDS).order_by("currency", "kind", "pk")
    return render(
        request,
        "payments/money.html",
        {
            "organisation": found,
            "form": form,
            "prepaid": [one for one in accounts if one.kind == Account.Kind.PREPAID],
            "reserves": [one for one in accounts if one.kind == Account.Kind.RESERVE and one.balance_micros],
            "prepayments": page_of(request, Prepayment.objects.visible_to(person(request)).filter(organisation=found)),
            "confirmed": person(request).is_confirmed,
        },
    )


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
