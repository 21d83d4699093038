"""What a person is told, how they want to be told, and what they say of themselves."""

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render

from marketplace.web.edge import action, page_of, person, refusals_in
from workers import notices as verbs
from workers import profiles, self_descriptions
from workers.models import Notice
from workers.web.forms import AboutMeForm, ChoicesForm

READ_STEPS = 10


@login_required
def notices(request: HttpRequest) -> HttpResponse:
    page = page_of(request, Notice.objects.filter(user=person(request), shown=True))
    return render(request, "workers/notices.html", {"page": page, "confirmed": person(request).is_confirmed})


@action
def open_notice(request: HttpRequest, notice: str) -> HttpResponse:
    """Where the notice leads; it is read with that."""
    mine = Notice.objects.filter(user=person(request))
    found = verbs.read(get_object_or_404(mine, public_id=notice))
    return redirect(found.link or "notices")


@action
def read_all(request: HttpRequest) -> HttpResponse:
    more = all(verbs.read_all(person(request)) for _ in range(READ_STEPS))
    messages.success(request, "The oldest are marked as read; there are more." if more else "All are marked as read.")
    return redirect("notices")


@login_required
def choices(request: HttpRequest) -> HttpResponse:
    form = ChoicesForm(request.POST or None, choices=verbs.choices(person(request)))
    if request.method == "POST" and form.is_valid():
        with refusals_in(form):
            for choice in form.changed:
                verbs.choose(person(request), **choice)
            messages.success(request, "Your choices are saved.")
            return redirect("notice-choices")
    return render(request, "workers/choices.html", {"form": form, "confirmed": person(request).is_confirmed})


@login_required
def about_me(request: HttpRequest) -> HttpResponse:
    """What I say of myself for reports over groups; nobody else is shown it."""
    worker = profiles.of(person(request))
    said = self_descriptions.of(worker)
    form = AboutMeForm(request.POST or None, said=said)
    if request.method == "POST" and form.is_valid():
        with refusals_in(form):
            self_descriptions.say(worker, form.said, consents=form.cleaned_data["consents"])
            messages.success(request, "It is saved.")
            return redirect("about-me")
    context = {"form": form, "least": settings.GROUP_LEAST, "has_said": bool(said)}
    return render(request, "workers/about_me.html", context)


@action
def withdraw_about_me(request: HttpRequest) -> HttpResponse:
    self_descriptions.withdraw(profiles.of(person(request)))
    messages.success(request, "All of it is deleted.")
    return redirect("about-me")
