"""Appeals over HTTP, for admins: parse, call one verb, answer."""

from django.db.models import QuerySet
from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from marketplace.api.authentication import person
from marketplace.api.views import FilteredView
from marketplace.core import replies
from marketplace.models import ApiKey
from tasks import appeals
from tasks.api import serializers as say
from tasks.models import Appeal


class AppealFilter(filters.FilterSet):
    state = filters.ChoiceFilter(choices=Appeal.State.choices)


class OfAppeals(FilteredView):
    scope = ApiKey.Scope.ADMIN
    serializer_class = say.AppealSerializer
    queryset = Appeal.objects.none()
    filterset_class = AppealFilter

    def get_queryset(self) -> "QuerySet[Appeal]":
        everything = Appeal.objects.select_related(
            "decision__answer__batch", "decision__answer__task__gold", "decision__worker", "decision__organisation"
        ).prefetch_related("statements")
        return everything if person(self.request).is_staff else everything.none()


class Appeals(OfAppeals):
    @extend_schema(operation_id="appeals_list", responses=say.AppealSerializer(many=True))
    def get(self, request: Request) -> Response:
        """Contested decisions."""
        return self.page(self.get_queryset())


class OneAppeal(OfAppeals):
    @extend_schema(operation_id="appeals_get")
    def get(self, request: Request, id: str) -> Response:
        """One contested decision."""
        return self.answer(self.get_object())


class Uphold(OfAppeals):
    @extend_schema(operation_id="appeals_uphold", request=say.VerdictSerializer)
    @replies.once
    def post(self, request: Request, id: str) -> Response:
        """Agree with the worker: the decision is overturned, with all it did."""
        appeal = self.get_object()
        appeals.uphold(appeal, person(request), self.asked(say.VerdictSerializer)["reason"])
        return self.answer(appeal)


class Dismiss(OfAppeals):
    @extend_schema(operation_id="appeals_dismiss", request=say.VerdictSerializer)
    @replies.once
    def post(self, request: Request, id: str) -> Response:
        """Let the decision stand."""
        appeal = self.get_object()
        appeals.dismiss(appeal, person(request), self.asked(say.VerdictSerializer)["reason"])
        return self.answer(appeal)
