"""How far people agree in a project, in figures and pictures."""

from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from marketplace.web.views.projects import visible
from tasks import agreement as reports
from tasks.agreement import OfField, Pair, UnderVersion
from tasks.agreement.alphas import Alpha
from tasks.agreement.labels import Label
from tasks.web import agreement_chart, chart
from tasks.web.views.review import NAME_SHOWN

VERSIONS_SHOWN, LABELS_SHOWN = 5, 30


@login_required
def agreement(request: HttpRequest, project: str) -> HttpResponse:
    found = visible(request, project)
    report = reports.report(found)
    alphas = [
        (one.title, _figure(one.alpha), one.truth == "perspective")
        for one in report.by_field
        if one.alpha.value is not None
    ]
    fields = [_shown(one) for one in report.by_field] if report.answers else []
    picture = agreement_chart.dots(alphas) if alphas else None
    hollow = any(is_perspective for *_, is_perspective in alphas)
    context = {"project": found, "report": report, "picture": picture, "hollow": hollow, "fields": fields}
    return render(request, "tasks/agreement.html", context)


@login_required
def moved(request: HttpRequest, project: str) -> HttpResponse:
    """Where the page was."""
    return redirect("agreement", visible(request, project).public_id, permanent=True)


def _shown(one: OfField) -> dict[str, Any]:
    periods = [_figure(period.alpha) for period in one.periods]
    return {
        "field": one,
        "course": agreement_chart.course(periods, is_marked=one.truth != "perspective"),
        "pairs": [("least", _named(one.pairs.least)), ("most", _named(one.pairs.most))] if one.pairs else [],
        "versions": [
            {"under": under, "picture": chart.heat(one.labels, under.pairs), "rows": _rows(one, under)}
            for under in one.versions[:VERSIONS_SHOWN]
        ],
    }


def _figure(alpha: Alpha) -> agreement_chart.Figure:
    return alpha.low, alpha.value, alpha.high


def _named(pairs: list[Pair]) -> list[tuple[list[tuple[str, str]], Pair]]:
    """Each pair with the names of its workers, whole and as much of them as tells people apart."""
    return [([(name, name[:NAME_SHOWN]) for name in pair.workers], pair) for pair in pairs]


def _rows(one: OfField, under: UnderVersion) -> list[tuple[Label, Any]]:
    """The labels that were given, those people agree on least first, each with the passages that name it."""
    given = [label for label in under.labels if label.agreement is not None]
    worst = sorted(given, key=lambda label: (label.agreement, -label.differing))[:LABELS_SHOWN]
    return [(label, one.named[label.value]) for label in worst]
