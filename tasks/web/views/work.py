"""Finding work, and beginning it."""

from contextlib import suppress
from typing import Any

from django.contrib.auth.decorators import login_required
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render

from marketplace.core.errors import IllegalMove
from marketplace.models import Guideline, Lesson, Project
from marketplace.web.edge import action, page_of, person, seconds
from tasks import assignments, decisions, earning, fair_pay, pace, rules, training, way_in
from tasks.models import Assignment, Batch
from tasks.web import chart, shown
from tasks.web.views.questions import offered_or_worked
from workers import groups, profiles, requirements, tiers


@login_required
def work(request: HttpRequest) -> HttpResponse:
    """What there is to do for this person, and the pages they have begun."""
    worker = profiles.of(person(request))
    batches = Batch.objects.workable().values("project")
    offered = groups.open_to(worker, Project.objects.offered().filter(pk__in=batches)).select_related("organisation")
    page = page_of(request, offered.exclude(organisation__memberships__user__in=[worker.user_id, *worker.kin]))
    medians = pace.medians(project.pk for project in page["rows"])
    pays = fair_pay.of_many(page["rows"])
    for project in page["rows"]:
        project.pay = pays[project.pk]
        project.exam = training.stand(worker, project).state
        project.practice = training.status(worker, project)
        project.median_s = medians.get(project.pk)
        project.your_price_micros = tiers.of(worker, project)
        project.hourly_micros = pace.hourly_micros(project.your_price_micros, project.median_s)
        project.missing = earning.missing(worker, project) + requirements.missing(worker, project)
    begun = Assignment.objects.visible_to(worker).filter(state=Assignment.State.OPEN).select_related("project")
    return render(request, "tasks/work.html", {"page": page, "begun": begun, "worker": worker})


@login_required
def work_project(request: HttpRequest, project: str) -> HttpResponse:
    """One project as a worker sees it before beginning."""
    worker = profiles.of(person(request))
    found = offered_or_worked(request, project)
    price_micros = tiers.of(worker, found)
    median_s = pace.medians([found.pk]).get(found.pk)
    guideline, step = found.guidelines.first(), way_in.next_step(worker, found)
    country, efforts = fair_pay.country_of(worker, found.mode), training.efforts(found)
    pay = fair_pay.offered_to(found, country, price_micros)
    return render(
        request,
        "tasks/work_project.html",
        {
            "project": found,
            "conduct": decisions.conduct_of(found.organisation),
            "guideline": guideline,
            "examples": shown.examples(found.schema, guideline.examples.all()) if guideline else [],
            "step": step,
            **_changes(found, guideline, step.facts.get("last_read")),
            "rules": [(rule.name, rules.describe(rule)) for rule in rules.in_force(found)],
            "efforts": efforts,
            "pay": pay,
            "pay_picture": chart.hours(pay),
            "unpaid_s": sum(effort.expected_s for effort in efforts if not effort.price_micros),
            "lessons": training.progress(worker, found),
            "median_s": median_s,
            "price_micros": price_micros,
            "hourly_micros": pace.hourly_micros(price_micros, median_s),
            "lines": requirements.lines(worker, found),
            "tiers": tiers.shown(found),
        },
    )


def _changes(project: Project, latest: Guideline | None, last_read: int | None) -> dict[str, Any]:
    """What is new since the version this worker has read, where there is one."""
    before = project.guidelines.filter(version=last_read).first() if latest and last_read else None
    return shown.difference(project.schema, before, latest) if before and latest else {}


@action
def acknowledge(request: HttpRequest, project: str) -> HttpResponse:
    found, version = offered_or_worked(request, project), request.POST.get("version", "")
    number = int(version) if version.isdecimal() else 0
    training.acknowledge(profiles.of(person(request)), found, number, seconds(request))
    return redirect("work-project", found.public_id)


@action
def practise(request: HttpRequest, project: str) -> HttpResponse:
    lease = training.start(profiles.of(person(request)), offered_or_worked(request, project))
    return redirect("assignment", lease.public_id)


@action
def sit_exam(request: HttpRequest, project: str) -> HttpResponse:
    lease = training.sit(profiles.of(person(request)), offered_or_worked(request, project))
    return redirect("assignment", lease.public_id)


@login_required
def lesson(request: HttpRequest, lesson: str) -> HttpResponse:
    """One lesson; reading it to its end leads to the next."""
    worker = profiles.of(person(request))
    found = get_object_or_404(Lesson.objects.select_related("project__organisation"), public_id=lesson)
    project = offered_or_worked(request, found.project.public_id)
    if request.method == "POST":
        with suppress(IllegalMove):  # replaced meanwhile: the next step shows the new one
            training.read(worker, found, seconds(request))
        following = training.unread(worker, project).first()
        return redirect("lesson", following.public_id) if following else redirect("work-project", project.public_id)
    lessons = list(training.progress(worker, project))
    return render(request, "tasks/lesson.html", {"project": project, "lesson": found, "lessons": lessons})


@action
def start(request: HttpRequest, project: str) -> HttpResponse:
    lease = assignments.claim(profiles.of(person(request)), offered_or_worked(request, project))
    return redirect("assignment", lease.public_id)
