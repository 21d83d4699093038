"""A worker's own record: seen, taken along, and signed; and how all work is judged."""

from typing import Any

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse, JsonResponse, StreamingHttpResponse
from django.shortcuts import redirect, render

from marketplace.core import replies
from marketplace.models import Project
from marketplace.web.edge import person, refusals_in
from tasks import record
from tasks.exports import person as exports
from tasks.web import chart
from tasks.web.record_forms import SignForm, VerifyForm
from workers import documents, profiles, scoring

DRAWN = 12
FILE = "manyhands-record.jws"


@login_required
def my_record(request: HttpRequest) -> HttpResponse:
    """What they did, how accurate it was, what was decided, and what it paid."""
    found = record.of(profiles.of(person(request)))
    measured = [row for row in found.projects if row.accuracy][:DRAWN]
    bars: list[Any] = [(_short(row.project.title), row.accuracy) for row in measured]
    if found.overall:
        bars.insert(0, ("All projects", found.overall))
    drawn = [(name, a.accuracy_p05, a.accuracy, a.accuracy_p95) for name, a in bars]
    facts = {"record": found, "picture": chart.intervals(drawn), "read": record.READ}
    return render(request, "tasks/record.html", facts)


@login_required
def export(request: HttpRequest) -> StreamingHttpResponse:
    return _download("manyhands-my-data.json", exports.JSON_TYPE, exports.write_json(person(request)))


@login_required
def answers_csv(request: HttpRequest) -> StreamingHttpResponse:
    return _download("manyhands-my-answers.csv", exports.CSV_TYPE, exports.write_answers(person(request)))


@login_required
def pay_csv(request: HttpRequest) -> StreamingHttpResponse:
    return _download("manyhands-my-pay.csv", exports.CSV_TYPE, exports.write_pay(person(request)))


@login_required
def sign(request: HttpRequest) -> HttpResponse:
    """A form whose answer is the signed record, as a file."""
    worker = profiles.of(person(request))
    among = record.organisations(worker)
    form = SignForm(request.POST or None, among=among)
    if request.method == "POST" and form.is_valid():
        with refusals_in(form):
            named = [one for one in among if one.name in form.cleaned_data.get("organisations", [])]
            document = record.portable(worker, named, form.cleaned_data["holder"])
            headers = {"Content-Disposition": f'attachment; filename="{FILE}"'}
            return HttpResponse(document, content_type="application/jose", headers=headers)
    facts = {"form": form, "worker": worker, "valid_days": settings.RECORD_VALID_DAYS, "site": settings.SITE_URL}
    return render(request, "tasks/record_sign.html", facts)


@login_required
def verify(request: HttpRequest) -> HttpResponse:
    """Who signed a record, and what it says; one that names this person as its holder can be kept."""
    worker, claims = profiles.of(person(request)), {}
    form = VerifyForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        document = form.cleaned_data["document"]
        with refusals_in(form):
            claims = documents.verify(document)
            if request.POST.get("verb") == "keep":
                documents.keep(worker, document)
                messages.success(request, f"It is kept with your record, as said by {claims['iss']}.")
                return redirect("record")
    is_ours = claims.get("iss") == settings.SITE_URL
    return render(
        request,
        "tasks/record_verify.html",
        {
            "form": form,
            "worker": worker,
            "claims": claims and documents.told(claims),
            "may_keep": bool(claims) and not is_ours and claims.get("holder") == worker.public_id,
            "issuers": sorted(settings.TRUSTED_RECORD_ISSUERS),
            "site": settings.SITE_URL,
        },
    )


def keys(request: HttpRequest) -> JsonResponse:
    """The public keys with which this site's records can be verified (JWKS)."""
    return JsonResponse({"issuer": settings.SITE_URL, "keys": documents.own_keys()})


def how_judged(request: HttpRequest) -> HttpResponse:
    """What is recorded about workers and how it is used; every figure is the one that the code goes by."""
    offer = Project()  # as it is drafted, before its requester changes anything
    facts = {
        "offer": offer,
        "settings": settings,
        "replies_s": replies.KEPT_FOR.total_seconds(),
        "strength": scoring.STRENGTH,
    }
    return render(request, "tasks/how_judged.html", facts)


def _download(name: str, content_type: str, blocks: Any) -> StreamingHttpResponse:
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return StreamingHttpResponse(blocks, content_type=content_type, headers=headers)


def _short(title: str) -> str:
    """As much of a title as the picture has room for."""
    return title if len(title) <= 12 else f"{title[:11]}…"
