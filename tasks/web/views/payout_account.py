"""Where a person is paid, how often without asking, and the way to the provider and back."""

from collections.abc import Callable
from typing import Any

from django import forms
from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render
from django.views.decorators.http import require_safe

from marketplace.core import limits
from marketplace.core.errors import DomainError, NotFound
from marketplace.core.money import show
from marketplace.models import Mode, User
from marketplace.web.edge import action, person, refusals_in, sentence
from marketplace.web.edge import back as came_from
from marketplace.web.forms import Form
from payments import holds, payout_accounts, schedules
from payments.models import PayoutAccount, PayoutSchedule
from payments.payouts import available_micros
from workers import codes, profiles

STEPS = ["Opened", "Your details", "Checked", "Ready"]
States = PayoutAccount.State


def countries() -> list[tuple[str, str]]:
    named = [(code, codes.COUNTRIES.get(code, code)) for code in settings.PAYOUT_COUNTRIES]
    return [("", "Choose"), *sorted(named, key=lambda pair: pair[1])]


class OpenForm(Form):
    country = forms.ChoiceField(choices=countries, label="The country you are paid in")


class ScheduleForm(Form):
    every = forms.ChoiceField(
        choices=PayoutSchedule.Every.choices, label="Pay me", widget=forms.RadioSelect, required=False
    )


@login_required
def payout_account(request: HttpRequest) -> HttpResponse:
    """How this person is paid; a country opens an account."""
    user = person(request)
    form = OpenForm(request.POST or None, initial={"country": profiles.of(user).country})
    if request.method == "POST" and form.is_valid():
        with refusals_in(form):
            payout_accounts.open(user, form.cleaned_data["country"])
            messages.success(request, "Your payout account is being opened.")
            return redirect("payout-account")
    return render(request, "tasks/payout_account.html", {"form": form, **standing(user), **_choices(user)})


@require_safe
@login_required
def onward(request: HttpRequest) -> HttpResponse:
    """To the provider, by a link that works once; the provider sends people here for the next one."""
    return _asked(request, payout_accounts.onboarding_url)


@require_safe
@login_required
def back(request: HttpRequest) -> HttpResponse:
    """Back from the provider, which is asked how the account stands now."""

    def seen(account: PayoutAccount) -> str:
        messages.info(request, f"Where you are paid: {payout_accounts.look_now(account).words}.")
        return "payout-account"

    return _asked(request, seen)


@action
def close(request: HttpRequest) -> HttpResponse:
    paid = payout_accounts.close(person(request))
    sums = " and ".join(show(payout.amount_micros, payout.currency) for payout in paid)
    messages.success(request, f"It is closed. {f'{sums} are on their way to you.' if sums else ''}".strip())
    return came_from(request)


@action
def choose_schedule(request: HttpRequest) -> HttpResponse:
    schedules.choose(person(request), request.POST.get("every", ""))
    messages.success(request, "Saved.")
    return redirect("payout-account")


def standing(user: User) -> dict[str, Any]:
    """How a person is paid, for pages: the account, what holds it up, and whether one is missing."""
    account = payout_accounts.of(user)
    is_ready = account is not None and account.state == States.READY
    return {
        "account": account,
        "hold": holds.in_force(user),
        "needs_account": settings.MODE != Mode.SANDBOX and not is_ready,
        "review_days": settings.PAYOUT_REVIEWED_WITHIN_DAYS,
        "least_micros": settings.PAYOUT_LEAST_MICROS,
    }


def _choices(user: User) -> dict[str, Any]:
    account = payout_accounts.of(user)
    closed = user.payout_accounts.filter(mode=settings.MODE, state=States.CLOSED).order_by("-pk").first()
    left = [(currency, available_micros(user, currency, settings.MODE)) for currency in settings.CURRENCIES]
    return {
        "schedule": ScheduleForm(initial={"every": schedules.of(user)}),
        "refusal": closed.refusal if closed else "",
        "left": [(currency, micros) for currency, micros in left if micros],
        "steps": _steps(account),
        "country": codes.COUNTRIES.get(account.country, account.country) if account else "",
    }


def _steps(account: PayoutAccount | None) -> list[dict[str, Any]]:
    """How far somebody has come, as a picture: circles in a row."""
    done = 0
    if account and account.state != States.NEW:
        done = {States.READY: 4, States.RESTRICTED: 2}.get(States(account.state), 1 if account.missing else 2)
    places = [(40 + 80 * place, name) for place, name in enumerate(STEPS)]
    return [{"x": x, "name": name, "is_done": place < done} for place, (x, name) in enumerate(places)]


def _asked(request: HttpRequest, way: Callable[[PayoutAccount], str]) -> HttpResponse:
    """To where the provider's answer leads; back to the page with a refusal in words."""
    try:
        limits.spend("payout-account", person(request).pk)
        account = payout_accounts.of(person(request))
        if account is None:
            raise NotFound("say first in which country you are paid")
        return redirect(way(account))
    except DomainError as refusal:
        messages.error(request, sentence(refusal))
        return redirect("payout-account")
