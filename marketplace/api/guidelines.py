"""Guidelines over HTTP, for the requester: parse, call one verb, answer."""

from typing import Any

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from marketplace import guidelines
from marketplace.api import guideline_shapes as shapes
from marketplace.api.authentication import person
from marketplace.api.views import View
from marketplace.core import replies
from marketplace.core.errors import Invalid
from marketplace.models import Guideline, Project

FROM = OpenApiParameter("from", int, required=True, description="The version to compare with.")


def compared_with(request: Request) -> int:
    """The version that `?from=` names."""
    named = request.query_params.get("from", "")
    if not (named.isascii() and named.isdigit() and len(named) < 10):
        error = {"path": "from", "code": "type", "message": "give the number of a version"}
        raise Invalid("say with which version to compare", errors=[error])
    return int(named)


class OfGuidelines(View):
    serializer_class: Any = shapes.GuidelineSerializer
    lookup_field = "version"
    lookup_url_kwarg = "version"

    def project(self) -> Project:
        return get_object_or_404(Project.objects.visible_to(person(self.request)), public_id=self.kwargs["id"])

    def get_queryset(self) -> "QuerySet[Guideline]":
        return self.project().guidelines.prefetch_related("examples")


class Guidelines(OfGuidelines):
    @extend_schema(operation_id="guidelines_list", responses=shapes.GuidelineSerializer(many=True))
    def get(self, request: Request, id: str) -> Response:
        """Every version of a project's guideline with its examples, newest first."""
        return self.page(self.get_queryset())

    @extend_schema(
        operation_id="guidelines_write", request=shapes.NewGuideline, responses={201: shapes.GuidelineSerializer}
    )
    @replies.once
    def post(self, request: Request, id: str) -> Response:
        """Publish the next version; everybody who works reads and acknowledges it before their next page of tasks."""
        asked = self.asked(shapes.NewGuideline)
        written = guidelines.write(self.project(), person(request), asked["text"], asked.get("examples"))
        return self.answer(written, 201)


class OneGuideline(OfGuidelines):
    @extend_schema(operation_id="guidelines_get")
    def get(self, request: Request, id: str, version: int) -> Response:
        """One version with its examples."""
        return self.answer(self.get_object())


class Difference(OfGuidelines):
    serializer_class = shapes.DifferenceSerializer

    @extend_schema(operation_id="guidelines_diff", parameters=[FROM])
    def get(self, request: Request, id: str, version: int) -> Response:
        """What changed since another version."""
        before = get_object_or_404(self.get_queryset(), version=compared_with(request))
        return self.answer(guidelines.difference(before, self.get_object()))
