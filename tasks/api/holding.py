"""Holding payouts over HTTP, for admins: parse, call one verb, answer."""

from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from marketplace.api.authentication import person
from marketplace.api.views import View
from marketplace.core import replies
from marketplace.models import ApiKey
from tasks import holding
from tasks.api import holding_shapes as shapes
from workers.models import Worker


class Holds(View):
    scope = ApiKey.Scope.ADMIN
    serializer_class = shapes.HoldSerializer

    @extend_schema(operation_id="holds_place", request=shapes.NewHold, responses={201: shapes.HoldSerializer})
    @replies.once
    def post(self, request: Request) -> Response:
        """Hold what is paid out to a worker for some days; they are told at once, and may contest it. For staff."""
        asked = self.asked(shapes.NewHold)
        seen = Worker.objects.all() if person(request).is_staff else Worker.objects.none()
        worker = get_object_or_404(seen, public_id=asked.pop("worker"))
        return self.answer(holding.place(worker, person(request), **asked), 201)
