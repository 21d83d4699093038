"""Guidelines at work over HTTP: what workers read, and what is asked again."""

from typing import Any

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from marketplace import guidelines
from marketplace.api.authentication import person
from marketplace.api.guideline_shapes import DifferenceSerializer
from marketplace.api.guidelines import FROM, compared_with
from marketplace.core import replies
from marketplace.models import Guideline, Project
from tasks import reopening
from tasks.api import guideline_shapes as shapes
from tasks.api.batches import OfProject
from tasks.api.work import WorkView
from tasks.models import Reopening
from workers import groups

ASKED = [
    OpenApiParameter("field", str, required=True),
    OpenApiParameter("label", str, required=True),
    OpenApiParameter("version", int, required=True),
]


class WorkGuideline(WorkView):
    serializer_class: Any = shapes.GuidelineText
    queryset: Any = Guideline.objects.none()
    lookup_field = "version"
    lookup_url_kwarg = "version"

    def get_queryset(self) -> "QuerySet[Guideline]":
        own = Project.objects.filter(pk__in=self.worker().assignments.values("project"))
        seen = groups.open_to(self.worker(), Project.objects.offered()) | own
        project = get_object_or_404(seen, public_id=self.kwargs["id"])
        return project.guidelines.prefetch_related("examples")

    @extend_schema(operation_id="work_guidelines_get")
    def get(self, request: Request, id: str, version: int) -> Response:
        """A version of the guideline with its examples, as the one a page of tasks was given out with."""
        return self.answer(self.get_object())


class WorkDifference(WorkGuideline):
    serializer_class = DifferenceSerializer

    @extend_schema(operation_id="work_guidelines_diff", parameters=[FROM])
    def get(self, request: Request, id: str, version: int) -> Response:
        """What changed since another version, as the one you have read."""
        before = get_object_or_404(self.get_queryset(), version=compared_with(request))
        return self.answer(guidelines.difference(before, self.get_object()))


class ReopeningQuote(OfProject):
    serializer_class = shapes.ReopeningQuote

    @extend_schema(operation_id="reopenings_quote", parameters=ASKED)
    def get(self, request: Request, id: str) -> Response:
        """What asking again would touch and cost."""
        found = self.get_object()
        named = {name: request.query_params.get(name) for name in ("field", "label", "version")}
        asked = shapes.NewReopening(data=named)
        asked.is_valid(raise_exception=True)
        return self.answer(reopening.quote(found, person(request), **asked.validated_data))


class Reopenings(OfProject):
    serializer_class = shapes.ReopeningSerializer
    queryset = Reopening.objects.none()

    @extend_schema(operation_id="reopenings_list", responses=shapes.ReopeningSerializer(many=True))
    def get(self, request: Request, id: str) -> Response:
        """What was asked again in a project, newest first, and how far that has come."""
        return self.page(Reopening.objects.visible_to(person(request)).filter(project=self.get_object()))

    @extend_schema(
        operation_id="reopenings_begin", request=shapes.NewReopening, responses={201: shapes.ReopeningSerializer}
    )
    @replies.once
    def post(self, request: Request, id: str) -> Response:
        """Have what is labelled so, on answers under this version or older ones, answered anew; set the money aside."""
        found = self.get_object()
        return self.answer(reopening.reopen(found, person(request), **self.asked(shapes.NewReopening)), 201)
