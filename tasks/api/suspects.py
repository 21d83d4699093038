"""Labels that look wrong, over HTTP: parse, call one verb, answer."""

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from marketplace.api.authentication import person
from marketplace.api.views import View
from tasks import suspects
from tasks.api import suspects_shapes as shapes
from tasks.models import Batch


class Suspects(View):
    serializer_class = shapes.SuspectsSerializer

    def get_queryset(self) -> "QuerySet[Batch]":
        return Batch.objects.visible_to(person(self.request)).select_related("project")

    @extend_schema(operation_id="suspects")
    def get(self, request: Request, id: str) -> Response:
        """The labels of a batch that look wrong, the most suspect first, and why; nothing is decided by it."""
        return self.answer(suspects.of(self.get_object()))
