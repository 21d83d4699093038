"""Rules over HTTP, for those who declare them: parse, call one verb, answer."""

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from marketplace.api.authentication import person
from marketplace.api.views import View
from marketplace.core import replies
from marketplace.models import Project
from tasks import rules
from tasks.api import rules_shapes as shapes
from tasks.models import Rule


class OfRule(View):
    serializer_class = shapes.RuleSerializer

    def get_queryset(self) -> "QuerySet[Rule]":
        seen = Rule.objects.visible_to(person(self.request))
        return seen.select_related("project__organisation", "replaces")


class Rules(OfRule):
    def project(self) -> Project:
        seen = Project.objects.visible_to(person(self.request)).select_related("organisation")
        return get_object_or_404(seen, public_id=self.kwargs["id"])

    @extend_schema(operation_id="rules_list", responses=shapes.RuleSerializer(many=True))
    def get(self, request: Request, id: str) -> Response:
        """The rules of a project in their newest versions, and what their trials showed."""
        return self.page(self.get_queryset().filter(project=self.project()).newest())  # type: ignore[attr-defined]

    @extend_schema(operation_id="rules_draft", request=shapes.NewRuleSerializer, responses={201: shapes.RuleSerializer})
    @replies.once
    def post(self, request: Request, id: str) -> Response:
        """Write a rule; it does nothing before it was tried and switched on."""
        project = self.project()
        return self.answer(rules.draft(project, person(request), **self.asked(shapes.NewRuleSerializer)), 201)


class OneRule(OfRule):
    @extend_schema(operation_id="rules_get")
    def get(self, request: Request, id: str) -> Response:
        """One version of a rule."""
        return self.answer(self.get_object())


class TryRule(OfRule):
    serializer_class = shapes.TrialSerializer  # type: ignore[assignment]

    @extend_schema(operation_id="rules_try", request=None)
    @replies.once
    def post(self, request: Request, id: str) -> Response:
        """Replay it on past data: whom it would have hit, when, and how accurate they are."""
        return self.answer(rules.try_on_past(self.get_object(), person(request)))


class SwitchOn(OfRule):
    @extend_schema(operation_id="rules_switch_on", request=None)
    @replies.once
    def post(self, request: Request, id: str) -> Response:
        """Let it act on what happens from now on; it must have been tried."""
        return self.answer(rules.switch_on(self.get_object(), person(request)))


class SwitchOff(OfRule):
    @extend_schema(operation_id="rules_switch_off", request=None)
    @replies.once
    def post(self, request: Request, id: str) -> Response:
        """Let it decide no more; what it decided stands."""
        return self.answer(rules.switch_off(self.get_object(), person(request)))


class ReviseRule(OfRule):
    @extend_schema(
        operation_id="rules_revise", request=shapes.RevisedRuleSerializer, responses={201: shapes.RuleSerializer}
    )
    @replies.once
    def post(self, request: Request, id: str) -> Response:
        """Write its next version; this one goes off, and stays as it is."""
        changes = self.asked(shapes.RevisedRuleSerializer)
        return self.answer(rules.revise(self.get_object(), person(request), **changes), 201)
