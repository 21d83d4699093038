"""The admin's view of the work: appeals are settled here, with the evidence in view; all else is to be read."""

from typing import Any

from django.contrib import admin
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.html import format_html

from marketplace.admin import ReadOnly, by, decide, tell
from marketplace.core import money
from payments.admin import CappedPaginator
from tasks import appeals, decisions, fair_pay, holding, reports
from tasks.models import Answer, Appeal, Batch, Consensus, Decision, Evidence, Gold, Report, TopUpProposal
from tasks.web.forms import HoldForm, ReasonForm
from workers.models import Reliability, Worker

OTHERS_SHOWN = 50


class WorkAdmin(ReadOnly, admin.ModelAdmin):
    paginator = CappedPaginator
    show_full_result_count = False
    ordering = ["-pk"]
    list_per_page = 50


@admin.register(Batch)
class BatchAdmin(WorkAdmin):
    list_display = [
        *("public_id", "project", "number", "state", "items", "published_at", "closed_at", "returned_at", "signals"),
    ]
    list_filter = ["state", "mode"]
    list_select_related = ["project"]
    search_fields = ["public_id", "project__public_id"]

    @admin.display
    def signals(self, batch: Batch) -> str:
        """The way to what stands out in its project."""
        return format_html('<a href="{}">Signals</a>', reverse("signals", args=[batch.project.public_id]))


@admin.register(Gold)
class GoldAdmin(WorkAdmin):
    list_display = ["public_id", "batch", "purpose", "state", "served", "missed", "contested", "wrong"]
    list_filter = ["purpose", "state"]
    list_select_related = ["batch__project"]
    raw_id_fields = ["task", "batch"]


@admin.register(Decision)
class DecisionAdmin(WorkAdmin):
    list_display = ["public_id", "kind", "state", "reason_code", "organisation", "decided_at", "contestable_until"]
    list_filter = ["kind", "state", "reason_code"]
    list_select_related = ["organisation"]
    search_fields = ["public_id"]


@admin.register(Worker)
class WorkerAdmin(WorkAdmin):
    list_display = ["public_id", "state", "joined_at"]
    list_filter = ["state"]
    search_fields = ["public_id"]

    def change_view(self, request: HttpRequest, object_id: str, *args: Any, **options: Any) -> HttpResponse:
        """Show what was decided about a worker, or suspend them, or hold what is paid to them, with the reason sent."""
        if not self.has_view_permission(request):
            return super().change_view(request, object_id, *args, **options)
        worker = get_object_or_404(Worker, pk=object_id if object_id.isdecimal() else None)
        is_hold = "days" in request.POST
        form, hold = ReasonForm(None if is_hold else request.POST or None), HoldForm(request.POST if is_hold else None)
        for typed, verb in ((form, _suspend), (hold, _hold)):
            if typed.is_valid():
                verb(request, worker, typed.cleaned_data)
                return redirect(request.path)
        decided = worker.decisions.select_related("organisation", "project", "appeal").order_by("-pk")[:OTHERS_SHOWN]
        context = {"opts": self.opts, "title": f"Worker {worker}", "worker": worker, "form": form, "decisions": decided}
        context["hold"] = hold
        return TemplateResponse(
            request, "admin/workers/worker/one.html", {**self.admin_site.each_context(request), **context}
        )


def _suspend(request: HttpRequest, worker: Worker, why: dict[str, Any]) -> None:
    words = "Suspended. The worker can read why, and contest it with another admin."
    tell(request, lambda: decisions.decide(Decision.Kind.SUSPEND, worker, by=by(request), **why), words)


def _hold(request: HttpRequest, worker: Worker, why: dict[str, Any]) -> None:
    words = "Payouts are held. The worker can read why, and contest it with another admin."
    tell(request, lambda: holding.place(worker, by(request), **why), words)


@admin.register(Appeal)
class AppealAdmin(WorkAdmin):
    list_display = ["public_id", "state", "organisation", "reason_code", "opened_at", "due_at", "decided_at"]
    list_filter = ["state"]
    list_select_related = ["decision__organisation"]
    search_fields = ["public_id", "decision__public_id"]
    ordering = ["due_at"]

    @admin.display(ordering="decision__organisation")
    def organisation(self, appeal: Appeal) -> str:
        return str(appeal.decision.organisation or "the operator")

    @admin.display()
    def reason_code(self, appeal: Appeal) -> str:
        return appeal.decision.get_reason_code_display()

    def change_view(self, request: HttpRequest, object_id: str, *args: Any, **options: Any) -> HttpResponse:
        """Show the case, or settle it with the verdict and the reason sent."""
        if not self.has_view_permission(request):
            return super().change_view(request, object_id, *args, **options)
        appeal = get_object_or_404(_cases(), pk=object_id if object_id.isdecimal() else None)
        if request.method == "POST":
            _settle(request, appeal)
            return redirect(request.path)
        context = {**self.admin_site.each_context(request), "opts": self.opts, "title": f"Appeal {appeal}"}
        return TemplateResponse(request, "admin/tasks/appeal/settle.html", {**context, **case(appeal)})


def case(appeal: Appeal) -> dict[str, Any]:
    """All that is known about a contested decision, for the one who settles it."""
    decision = appeal.decision
    grounds = decision.grounds.select_related(
        "evidence__void", "evidence__answer__task__item", "evidence__answer__batch"
    )
    return {
        "appeal": appeal,
        "decision": decision,
        "statements": appeal.statements.order_by("pk"),
        "grounds": grounds.order_by("pk")[:OTHERS_SHOWN],
        "reliability": Reliability.objects.filter(worker=decision.worker, project=decision.project).first(),
        "is_open": appeal.state == Appeal.State.OPEN,
        **(_of_answer(decision.answer) if decision.answer else {}),
    }


def _of_answer(answer: Answer) -> dict[str, Any]:
    """The item, what others answered, and what all of it comes to."""
    others = Answer.objects.filter(task=answer.task_id, attempt=answer.attempt, submitted_at__isnull=False)
    return {
        "answer": answer,
        "guideline": answer.batch.project.guidelines.filter(version=answer.assignment.guideline_version).first(),
        "others": others.exclude(pk=answer.pk).select_related("worker").order_by("pk")[:OTHERS_SHOWN],
        "consensus": Consensus.objects.filter(task=answer.task_id),
        "gold": Gold.objects.filter(task=answer.task_id).first(),
        "evidence": Evidence.objects.filter(answer=answer).select_related("void").order_by("pk"),
    }


def _cases() -> Any:
    return Appeal.objects.select_related(
        "decision__organisation",
        "decision__decided_by",
        "decision__project",
        "decision__rule",
        "decision__worker",
        "decision__answer__task__item",
        "decision__answer__batch__project",
        "decision__answer__assignment",
        "decision__answer__worker",
        "decided_by",
    )


def _settle(request: HttpRequest, appeal: Appeal) -> None:
    who, reason = by(request), request.POST.get("reason", "")
    decide(request, {
        "uphold": (lambda: appeals.uphold(appeal, who, reason), "The appeal is upheld."),
        "dismiss": (lambda: appeals.dismiss(appeal, who, reason), "The appeal is dismissed."),
    })  # fmt: skip


@admin.register(Report)
class ReportAdmin(WorkAdmin):
    list_display = ["public_id", "state", "about", "reason_code", "project", "reported_at", "decided_at"]
    list_filter = ["state", "reason_code"]
    list_select_related = ["project"]
    search_fields = ["public_id", "project__public_id"]
    ordering = ["-state", "pk"]

    def change_view(self, request: HttpRequest, object_id: str, *args: Any, **options: Any) -> HttpResponse:
        """Show what was reported, or settle it with the verdict and the reason sent."""
        if not self.has_view_permission(request):
            return super().change_view(request, object_id, *args, **options)
        rows = Report.objects.select_related(
            "project__organisation", "reporter", "decided_by", "assignment__worker", "message__conversation__worker"
        )
        report = get_object_or_404(rows, pk=object_id if object_id.isdecimal() else None)
        if request.method == "POST":
            _settle_report(request, report)
            return redirect(request.path)
        context = {**self.admin_site.each_context(request), "opts": self.opts, "title": f"Report {report}"}
        return TemplateResponse(request, "admin/tasks/report/settle.html", {**context, **evidence_of(report)})


def evidence_of(report: Report) -> dict[str, Any]:
    """What was reported, and what stands around it."""
    seats = Answer.objects.select_related("task__item")
    message = report.message
    return {
        "report": report,
        "task": seats.filter(assignment=report.assignment_id, position=report.position or 0).first(),
        "said": message.conversation.messages.order_by("pk") if message else [],
        "others": Report.objects.filter(project=report.project).exclude(pk=report.pk).order_by("-pk")[:OTHERS_SHOWN],
        "guideline": report.project.guidelines.first(),
        "is_open": report.state == Report.State.OPEN,
    }


def _settle_report(request: HttpRequest, report: Report) -> None:
    who, reason, pauses = by(request), request.POST.get("reason", ""), "pause_project" in request.POST
    decide(request, {
        "settle": (lambda: reports.settle(report, who, reason, pauses), "The report is settled."),
        "dismiss": (lambda: reports.dismiss(report, who, reason), "The report is dismissed."),
    })  # fmt: skip


@admin.register(TopUpProposal)
class TopUpProposalAdmin(WorkAdmin):
    list_display = ["public_id", "state", "amount", "organisation", "batch", "made_at", "decided_at"]
    list_filter = ["state"]
    list_select_related = ["batch__project__organisation"]
    search_fields = ["public_id", "batch__public_id"]
    ordering = ["-state", "-pk"]

    @admin.display(ordering="amount_micros")
    def amount(self, proposal: TopUpProposal) -> str:
        return money.show(proposal.amount_micros, proposal.batch.currency)

    @admin.display()
    def organisation(self, proposal: TopUpProposal) -> str:
        return str(proposal.batch.project.organisation)

    def change_view(self, request: HttpRequest, object_id: str, *args: Any, **options: Any) -> HttpResponse:
        """Show how it is computed, or grant or decline it."""
        if not self.has_view_permission(request):
            return super().change_view(request, object_id, *args, **options)
        rows = TopUpProposal.objects.select_related("batch__project__organisation", "worker", "decided_by")
        proposal = get_object_or_404(rows, pk=object_id if object_id.isdecimal() else None)
        if request.method == "POST":
            _decide_top_up(request, proposal)
            return redirect(request.path)
        title, is_open = f"Proposed top-up {proposal}", proposal.state == TopUpProposal.State.OPEN
        context = {"opts": self.opts, "title": title, "proposal": proposal, "is_open": is_open}
        context = {**self.admin_site.each_context(request), **context}
        return TemplateResponse(request, "admin/tasks/topupproposal/decide.html", context)


def _decide_top_up(request: HttpRequest, proposal: TopUpProposal) -> None:
    who, reason, currency = by(request), request.POST.get("reason", ""), proposal.batch.currency
    decide(request, {
        "grant": (lambda: money.show(fair_pay.grant(proposal, who).amount_micros, currency), "{} is added."),
        "decline": (lambda: fair_pay.decline(proposal, who, reason), "It is declined."),
    })  # fmt: skip
