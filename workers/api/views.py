"""Notices over HTTP: parse, call one verb, answer."""

from django.db import transaction
from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from marketplace.api.authentication import person
from marketplace.api.views import View
from marketplace.core import replies
from workers import notices
from workers.api import serializers as say
from workers.models import Notice


class Notices(View):
    scope = None
    serializer_class = say.NoticeSerializer

    def get_queryset(self) -> "QuerySet[Notice]":
        return Notice.objects.filter(user=person(self.request), shown=True)

    @extend_schema(operation_id="notices_list", responses=say.NoticeSerializer(many=True))
    def get(self, request: Request) -> Response:
        """What you were told, newest first."""
        return self.page(self.get_queryset())


class ReadOne(Notices):
    http_method_names = ["post", "options"]

    @extend_schema(operation_id="notices_read", request=None, responses=say.NoticeSerializer)
    @replies.once
    def post(self, request: Request, id: str) -> Response:
        """Mark one notice as read."""
        return self.answer(notices.read(self.get_object()))


class ReadAll(View):
    scope = None
    serializer_class = say.ReadSerializer

    @extend_schema(operation_id="notices_read_all", request=None)
    @replies.once
    def post(self, request: Request) -> Response:
        """Mark the oldest of your unread notices as read, a thousand at a time."""
        return self.answer({"more": notices.read_all(person(request))})


class Choices(View):
    scope = None
    serializer_class = say.ChoicesSerializer

    @extend_schema(operation_id="notices_choices")
    def get(self, request: Request) -> Response:
        """How you are told of each kind of thing."""
        return self.answer({"choices": notices.choices(person(request))})

    @extend_schema(operation_id="notices_choose")
    def put(self, request: Request) -> Response:
        """Choose how you are told, for the kinds you name: all of them or none."""
        with transaction.atomic():
            for choice in self.asked(say.ChoicesSerializer)["choices"]:
                notices.choose(person(request), **choice)
        return self.get(request)
