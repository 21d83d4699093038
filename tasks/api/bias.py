"""Who answers how, over HTTP: parse, call one verb, answer."""

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from marketplace.api.authentication import person
from marketplace.api.views import View
from marketplace.models import Project
from tasks import bias
from tasks.api import bias_shapes as shapes


class Bias(View):
    serializer_class = shapes.BiasSerializer

    def get_queryset(self) -> "QuerySet[Project]":
        return Project.objects.visible_to(person(self.request))

    @extend_schema(operation_id="who_answers_how")
    def get(self, request: Request, id: str) -> Response:
        """How groups of people who said something of themselves answered, against all others; never of one person."""
        return self.answer(bias.report(self.get_object()))
