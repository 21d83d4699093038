"""Being paid: what a person states once, before the first work for real money."""

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from marketplace.web.edge import onward, person, refusals_in
from tasks import earning
from tasks.web.earning_forms import EarningForm
from workers import codes, profiles


@login_required
def payable(request: HttpRequest) -> HttpResponse:
    """Whether we can pay this person, and the form that says so."""
    worker = profiles.of(person(request))
    form = EarningForm(worker, request.POST or None)
    if request.method == "POST" and form.is_valid():
        with refusals_in(form):
            stated = form.cleaned_data
            earning.state(worker, country=stated["country"], of_age=stated.get("of_age"))
            messages.success(request, "It is noted.")
            return onward(request, request.path)
    wanting = {currency: earning.wanting(worker, settings.MODE, currency) for currency in settings.CURRENCIES}
    paid = sorted((codes.COUNTRIES.get(code, code), sorted(of)) for code, of in settings.PAYOUT_COUNTRIES.items())
    facts = {"form": form, "worker": worker, "wanting": wanting, "paid": paid}
    return render(request, "tasks/payable.html", facts)
