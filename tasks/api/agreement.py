"""How far people agree in a project, over HTTP."""

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from tasks import agreement
from tasks.api import agreement_shapes as shapes
from tasks.api.batches import OfProject


class Agreement(OfProject):
    serializer_class = shapes.AgreementSerializer

    @extend_schema(operation_id="agreement")
    def get(self, request: Request, id: str) -> Response:
        """How far people agree: by field, label, version of the guideline and pair of workers, and over time."""
        return self.answer(agreement.report(self.get_object()))
