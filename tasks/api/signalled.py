"""The signals of a project over HTTP: parse, call one verb, answer."""

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from marketplace.api.authentication import person
from marketplace.api.views import View
from marketplace.models import Project
from tasks import signals
from tasks.api import signalled_shapes as shapes


class Signals(View):
    serializer_class = shapes.SignalsSerializer

    def get_queryset(self) -> "QuerySet[Project]":
        return signals.seen_by(person(self.request)).select_related("organisation")

    @extend_schema(operation_id="signals")
    def get(self, request: Request, id: str) -> Response:
        """What may make you look twice at how somebody works; by itself never a reason to decide anything."""
        return self.answer(signals.of(self.get_object()))
