"""What a person is told, and how they want to be told."""

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render

from marketplace.web.edge import action, page_of, person, refusals_in
from workers import notices as verbs
from workers.models import Notice
from workers.web.forms import ChoicesForm

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
