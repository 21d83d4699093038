"""Reports over HTTP, for those who make them and for admins: parse, call one verb, answer."""

from typing import Any

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from marketplace.api.authentication import person
from marketplace.api.views import FilteredView
from marketplace.core import replies
from marketplace.models import ApiKey, Project
from tasks import reports
from tasks.api import messages_shapes as shapes
from tasks.models import Assignment, Message, Report
from workers import groups, profiles


class ReportFilter(filters.FilterSet):
    state = filters.ChoiceFilter(choices=Report.State.choices)


class MyReports(FilteredView):
    scope = None
    counted = "report"
    serializer_class = shapes.MyReportSerializer
    queryset = Report.objects.none()
    filterset_class = ReportFilter

    @extend_schema(operation_id="my_reports_list", responses=shapes.MyReportSerializer(many=True))
    def get(self, request: Request) -> Response:
        """What you reported, and what came of it."""
        mine = Report.objects.filter(reporter=person(request))
        return self.page(mine.select_related("project", "message", "assignment"))

    @extend_schema(operation_id="reports_make", request=shapes.NewReport, responses={201: shapes.MyReportSerializer})
    @replies.once
    def post(self, request: Request) -> Response:
        """Tell the admins that something should not be here. It is never held against you."""
        asked = self.asked(shapes.NewReport)
        for name, seen in self._seen().items():
            if public_id := asked.pop(name, None):
                asked[name] = get_object_or_404(seen, public_id=public_id)
        return self.answer(reports.report(person(request), **asked), 201)

    def _seen(self) -> dict[str, Any]:
        """What this person may report."""
        worker = profiles.of(person(self.request))
        own = Project.objects.filter(pk__in=worker.assignments.values("project"))
        return {
            "project": groups.open_to(worker, Project.objects.offered()) | own,
            "assignment": Assignment.objects.visible_to(worker).select_related("project", "worker"),
            "message": Message.objects.reportable_by(person(self.request)),
        }


class OfReports(FilteredView):
    scope = ApiKey.Scope.ADMIN
    serializer_class = shapes.ReportSerializer
    queryset = Report.objects.none()
    filterset_class = ReportFilter

    def get_queryset(self) -> "QuerySet[Report]":
        everything = Report.objects.select_related(
            "project", "assignment", "reporter", "message__conversation__worker", "message__author"
        )
        return everything if person(self.request).is_staff else everything.none()


class Reports(OfReports):
    @extend_schema(operation_id="reports_list", responses=shapes.ReportSerializer(many=True))
    def get(self, request: Request) -> Response:
        """What people reported."""
        return self.page(self.get_queryset())


class OneReport(OfReports):
    @extend_schema(operation_id="reports_get")
    def get(self, request: Request, id: str) -> Response:
        """One report."""
        return self.answer(self.get_object())


class Settle(OfReports):
    @extend_schema(operation_id="reports_settle", request=shapes.SettleSerializer)
    @replies.once
    def post(self, request: Request, id: str) -> Response:
        """Say that there was something to it; pause the project where it must stop."""
        asked = self.asked(shapes.SettleSerializer)
        return self.answer(reports.settle(self.get_object(), person(request), **asked))


class Dismiss(OfReports):
    @extend_schema(operation_id="reports_dismiss", request=shapes.DismissSerializer)
    @replies.once
    def post(self, request: Request, id: str) -> Response:
        """Say that there was nothing to it."""
        asked = self.asked(shapes.DismissSerializer)
        return self.answer(reports.dismiss(self.get_object(), person(request), **asked))
