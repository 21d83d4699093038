"""Deleting one's account."""

from django.conf import settings
from django.contrib import messages
from django.contrib.auth import logout
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from marketplace.core.errors import Invalid
from marketplace.sign_in import is_themself
from marketplace.web.edge import action, person, refusals_in
from payments import balances
from tasks import erasure
from tasks.web.record_forms import EraseForm
from tasks.web.views.payout_account import standing


@login_required
def erase(request: HttpRequest) -> HttpResponse:
    """What goes, what stays and what stands in the way; with the password, it is done."""
    user = person(request)
    form = EraseForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        with refusals_in(form):
            if not is_themself(request, form.cleaned_data["password"]):
                wrong = {"path": "password", "code": "wrong", "message": "This is not your password."}
                raise Invalid("this is not your password", errors=[wrong])
            erasure.erase(user, leave_rest=form.cleaned_data["leave_rest"])
            logout(request)
            messages.success(request, "Your account is deleted. Thank you for your work.")
            return redirect("home")
    found = erasure.obstacles(user)
    facts = {
        "form": form,
        "obstacles": found,
        "blocked": [one for one in found if one.code != "rest"],
        "codes": {one.code for one in found},
        "leases": erasure.open_leases(user).select_related("project")[: erasure.LISTED],
        "earnings": [one for one in balances.of_user(user) if one.mode == settings.MODE and one.available_micros],
        "needs_account": standing(user)["needs_account"],
        "years": settings.PAY_RECORDS_YEARS,
    }
    return render(request, "tasks/erase.html", facts)


@action
def give_back_all(request: HttpRequest) -> HttpResponse:
    count = erasure.give_back_all(person(request))
    messages.success(request, f"{count} given back." if count else "You hold no page.")
    return redirect("erase")
