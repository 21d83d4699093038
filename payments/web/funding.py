"""Pages about what an organisation pays in and gets back."""

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.db.models import F
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render

from marketplace.core import clock, limits
from marketplace.core.errors import Invalid
from marketplace.core.money import show
from marketplace.models import Organisation, Role
from marketplace.web.edge import action, onward, page_of, person, refusals_in
from payments import balances, prepayments, refunds
from payments.models import Account, Dispute, Prepayment, Refund
from payments.web.forms import PrepaymentForm, RefundForm

LAST, RESERVES = 10, 100  # refunds and disputes, and reserves with something in them, that are shown


@login_required
def money(request: HttpRequest, organisation: str) -> HttpResponse:
    """What an organisation has prepaid and reserved, and forms to prepay more and to have the rest back."""
    found = get_object_or_404(Organisation.objects.visible_to(person(request)), public_id=organisation)
    wanted = {name: request.GET[name] for name in ("amount_micros", "currency") if name in request.GET}
    form = PrepaymentForm(request.POST or None, initial=wanted)
    if request.method == "POST" and form.is_valid():
        with refusals_in(form):
            limits.spend("prepayment", person(request).pk)
            asked = form.cleaned_data
            begun = prepayments.request(found, person(request), asked["amount_micros"], asked["currency"])
            return _after(request, begun)
    return render(request, "payments/money.html", {"form": form, **_standing(request, found)})


@login_required
def prepayment(request: HttpRequest, organisation: str, prepayment: str) -> HttpResponse:
    """One prepayment: the way to pay it, and whether it is credited; asked for by htmx, only the part that changes."""
    home = get_object_or_404(Organisation.objects.visible_to(person(request)), public_id=organisation)
    seen = Prepayment.objects.visible_to(person(request)).filter(organisation=home)
    found = get_object_or_404(seen, public_id=prepayment)
    template = "payments/_prepayment.html" if "hx-request" in request.headers else "payments/prepayment.html"
    waits = found.state == Prepayment.State.REQUESTED and found.mode == settings.MODE
    refunds_of = found.refunds.order_by("-pk")[:LAST]
    return render(request, template, {"organisation": home, "prepayment": found, "waits": waits, "refunds": refunds_of})


@action
def request_refund(request: HttpRequest, organisation: str) -> HttpResponse:
    found = get_object_or_404(Organisation.objects.visible_to(person(request)), public_id=organisation)
    form = RefundForm(request.POST)
    if not form.is_valid():
        raise Invalid(" ".join(str(error) for errors in form.errors.values() for error in errors))
    limits.spend("refund", person(request).pk)
    asked = form.cleaned_data
    begun = refunds.request(found, person(request), asked["amount_micros"], asked["currency"])
    sums = {way: sum(refund.amount_micros for refund in begun if refund.way == way) for way in Refund.Way}
    if micros := sums[Refund.Way.ORIGINAL]:
        messages.success(request, f"{show(micros, asked['currency'])} are on their way back to you.")
    if micros := sums[Refund.Way.BY_HAND]:
        shown = show(micros, asked["currency"])
        messages.success(request, f"{shown} cannot go back the way they came: an admin sees to how you get them.")
    return redirect("money", found.public_id)


def _after(request: HttpRequest, begun: Prepayment) -> HttpResponse:
    """Where somebody goes who asked to prepay: to the page that leads on to the provider, unless it is over."""
    if begun.state == Prepayment.State.REQUESTED:
        return redirect("prepayment", begun.organisation.public_id, begun.public_id)
    if begun.state == Prepayment.State.FAILED:
        messages.error(request, f"The prepayment failed: {begun.failure}")
    else:
        messages.success(request, f"{show(begun.amount_micros, begun.currency)} are prepaid.")
    return onward(request, request.path)


def _standing(request: HttpRequest, organisation: Organisation) -> dict[str, Any]:
    """How an organisation's money stands, and what may be done with it."""
    own = Prepayment.objects.visible_to(person(request)).filter(organisation=organisation)
    full = organisation.accounts.filter(kind=Account.Kind.RESERVE, credits_micros__gt=F("debits_micros"))
    waiting = own.filter(state=Prepayment.State.PAID, mode=settings.MODE, payable_from__gt=clock.now())
    standing = [one for one in balances.of_organisation(organisation) if one.mode == settings.MODE]
    free = [one.currency for one in standing if one.prepaid_micros > 0]
    back = Refund.objects.visible_to(person(request)).filter(prepayment__organisation=organisation)
    disputes = Dispute.objects.filter(prepayment__organisation=organisation).select_related("prepayment")
    return {
        "organisation": organisation,
        "balances": standing,
        "reserves": full.select_related("reserve__project").order_by("-pk")[:RESERVES],
        "prepayments": page_of(request, own),
        "confirmed": person(request).is_confirmed,
        "fee_percent": f"{settings.FEE_BP / 100:g}",
        "payable_from": waiting.order_by("-payable_from").values_list("payable_from", flat=True).first(),
        "hold_days": settings.FUNDING_HOLD_DAYS,
        "refund_days": settings.REFUND_WITHIN_DAYS,
        "refund_form": RefundForm(initial={"currency": free[0]}) if free else None,
        "may_refund": organisation.memberships.filter(user=person(request), role=Role.OWNER).exists(),
        "refunds": back.select_related("prepayment").order_by("-pk")[:LAST],
        "disputes": disputes.order_by("-pk")[:LAST],
    }
