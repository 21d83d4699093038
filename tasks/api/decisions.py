"""Decisions over HTTP, for the organisations that take them: parse, call one verb, answer."""

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
from marketplace.models import Organisation, Project
from tasks import appeals, decisions
from tasks.api import decisions_shapes as shapes
from tasks.api import serializers as say
from tasks.errors import AppealClosed
from tasks.models import Appeal, Decision
from workers import profiles


class DecisionFilter(filters.FilterSet):
    state = filters.ChoiceFilter(choices=Decision.State.choices)
    kind = filters.ChoiceFilter(choices=Decision.Kind.choices)
    appeal = filters.ChoiceFilter(field_name="appeal__state", choices=Appeal.State.choices)


class OfDecisions(FilteredView):
    serializer_class = shapes.DecidedSerializer
    queryset = Decision.objects.none()
    filterset_class = DecisionFilter

    def get_queryset(self) -> "QuerySet[Decision]":
        seen = Decision.objects.visible_to(person(self.request)).select_related(
            "answer__assignment", "project", "organisation", "worker", "rule", "appeal"
        )
        return seen.prefetch_related("appeal__statements")


class Decisions(OfDecisions):
    def get_queryset(self) -> "QuerySet[Decision]":
        return super().get_queryset().filter(organisation__public_id=self.kwargs["id"])

    @extend_schema(operation_id="decisions_list", responses=shapes.DecidedSerializer(many=True))
    def get(self, request: Request, id: str) -> Response:
        """What was decided in the organisation's name, and what its rules propose, newest first."""
        self._organisation()
        return self.page(self.get_queryset())

    @extend_schema(
        operation_id="decisions_decide",
        request=shapes.NewDecisionSerializer,
        responses={201: shapes.DecidedSerializer},
    )
    @replies.once
    def post(self, request: Request, id: str) -> Response:
        """Decide about a worker: they are told at once, and may contest it."""
        asked, home = self.asked(shapes.NewDecisionSerializer), self._organisation()
        about: dict[str, Any] = {"organisation": home, "until": asked.get("until")}
        if "project" in asked:
            about["project"] = get_object_or_404(Project, organisation=home, public_id=asked["project"])
        if "page_size" in asked:
            about["facts"] = {"page_size": asked["page_size"]}
        why = {name: asked[name] for name in ("reason_code", "reason")}
        worker = profiles.known_as(home, asked["worker"])
        return self.answer(decisions.decide(asked["kind"], worker, by=person(request), **why, **about), 201)

    def _organisation(self) -> Organisation:
        return get_object_or_404(Organisation.objects.visible_to(person(self.request)), public_id=self.kwargs["id"])


class OneDecision(OfDecisions):
    @extend_schema(operation_id="decisions_get")
    def get(self, request: Request, id: str) -> Response:
        """One decision with its appeal."""
        return self.answer(self.get_object())


class Sign(OfDecisions):
    @extend_schema(operation_id="decisions_sign", request=None)
    @replies.once
    def post(self, request: Request, id: str) -> Response:
        """Take responsibility for what a rule proposed; from now on it has its effect."""
        return self.answer(decisions.sign(self.get_object(), person(request)))


class Decline(OfDecisions):
    @extend_schema(operation_id="decisions_decline", request=None, responses={204: None})
    @replies.once
    def post(self, request: Request, id: str) -> Response:
        """Do not do what a rule proposed."""
        decisions.decline(self.get_object(), person(request))
        return Response(status=204)


class Withdraw(OfDecisions):
    @extend_schema(operation_id="decisions_withdraw", request=say.VerdictSerializer)
    @replies.once
    def post(self, request: Request, id: str) -> Response:
        """Take a decision back, with all it did."""
        decision = self.get_object()
        decisions.withdraw(decision, person(request), self.asked(say.VerdictSerializer)["reason"])
        return self.answer(self.get_object())


class State(OfDecisions):
    @extend_schema(
        operation_id="decisions_state", request=say.StatementSerializer, responses={201: say.AppealSerializer}
    )
    @replies.once
    def post(self, request: Request, id: str) -> Response:
        """Say something on the requester's side of the appeal that is open against it."""
        appeal = Appeal.objects.filter(decision=self.get_object()).first()
        if appeal is None:
            raise AppealClosed("nobody has contested it")
        appeals.state_more(appeal, person(request), self.asked(say.StatementSerializer)["statement"])
        return Response(say.AppealSerializer(appeal).data, status=201)
