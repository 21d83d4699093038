"""Rules of a project: writing them, trying them on past data, switching them on and off, and what they have done."""

from typing import Any

from django.contrib import messages
from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils.dateparse import parse_datetime

from marketplace.web.edge import action, page_of, person, refusals_in
from marketplace.web.views.projects import visible
from tasks import rules as verbs
from tasks.models import Decision, Rule
from tasks.rules import applying, wording
from tasks.web import chart
from tasks.web.rule_forms import RuleForm

NAME_SHOWN = 10  # of a pseudonym
DECISIONS_SHOWN, VERSIONS_SHOWN = 25, 20


def _rule(request: HttpRequest, rule: str) -> Rule:
    seen = Rule.objects.visible_to(person(request)).select_related("project__organisation", "replaced_by", "created_by")
    return get_object_or_404(seen, public_id=rule)


@login_required
def rules(request: HttpRequest, project: str) -> HttpResponse:
    """The rules of a project, each in a sentence with what it has done."""
    found = visible(request, project)
    page = page_of(request, Rule.objects.filter(project=found).newest())
    did = applying.done_by(page["rows"])
    for rule in page["rows"]:
        rule.sentence = wording.describe(rule)
        rule.done = did.get(rule.family, {})
    return render(request, "tasks/rules.html", {"project": found, "page": page})


@login_required
def new_rule(request: HttpRequest, project: str) -> HttpResponse:
    found, form = visible(request, project), RuleForm(request.POST or None)
    if request.method == "POST" and form.is_valid():
        with refusals_in(form, form.places):
            made = verbs.draft(found, person(request), **form.values)
            messages.success(request, "The rule is written. Next: try it on past data.")
            return redirect("rule", made.public_id)
    return render(request, "tasks/rule_edit.html", {"project": found, "form": form})


@login_required
def revise_rule(request: HttpRequest, rule: str) -> HttpResponse:
    found = _rule(request, rule)
    form = RuleForm(request.POST or None, rule=found)
    if request.method == "POST" and form.is_valid():
        with refusals_in(form, form.places):
            made = verbs.revise(found, person(request), **form.values)
            messages.success(request, "The new version is written and is off. Next: try it on past data.")
            return redirect("rule", made.public_id)
    return render(request, "tasks/rule_edit.html", {"project": found.project, "rule": found, "form": form})


@login_required
def rule(request: HttpRequest, rule: str) -> HttpResponse:
    """One rule: what it says, whom it would have hit, and what it has done."""
    found = _rule(request, rule)
    decided = Decision.objects.filter(applying.family(found)).select_related("worker").order_by("-pk")
    decisions = list(decided[:DECISIONS_SHOWN])
    for decision in decisions:
        decision.pseudonym = found.project.organisation.pseudonym(decision.worker.public_id)[:NAME_SHOWN]  # type: ignore[attr-defined]
    versions = Rule.objects.filter(project=found.project).exclude(pk=found.pk)
    return render(
        request,
        "tasks/rule.html",
        {
            "rule": found,
            "project": found.project,
            "sentence": wording.describe(found),
            "newer": getattr(found, "replaced_by", None),
            "done": applying.done_by([found]).get(found.family, {}),
            "decisions": decisions,
            "versions": versions.filter(applying.versions(found)).order_by("-version")[:VERSIONS_SHOWN],
            **_trial(found),
        },
    )


def _trial(rule: Rule) -> dict[str, Any]:
    """What the last trial showed, for the table and the picture."""
    if not rule.tried:
        return {}
    hit = [
        {
            **one,
            "name": one["worker"][:NAME_SHOWN],
            "first": parse_datetime(one["first"]),
            "shown": wording.figures(rule, one["figures"]),
        }
        for one in rule.tried["hit"]
    ]
    measured = [(one["accuracy"], bool(one["first"])) for one in [*rule.tried["hit"], *rule.tried["others"]]]
    return {
        "trial": rule.tried,
        "hit": hit,
        "picture": chart.dots([(share, is_hit) for share, is_hit in measured if share is not None]),
    }


@action
def try_rule(request: HttpRequest, rule: str) -> HttpResponse:
    trial = verbs.try_on_past(_rule(request, rule), person(request))
    messages.success(request, f"Tried: it would have hit {trial.would_have} of {trial.workers} workers.")
    return redirect("rule", rule)


@action
def rule_on(request: HttpRequest, rule: str) -> HttpResponse:
    verbs.switch_on(_rule(request, rule), person(request))
    messages.success(request, "The rule is on. Workers can read it on the page of the project.")
    return redirect("rule", rule)


@action
def rule_off(request: HttpRequest, rule: str) -> HttpResponse:
    verbs.switch_off(_rule(request, rule), person(request))
    messages.success(request, "The rule is off. What it has decided stands until it ends or is withdrawn.")
    return redirect("rule", rule)
