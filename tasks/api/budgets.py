"""Budgets in life, bonuses and partial pay over HTTP: parse, call one verb, answer."""

from typing import Any

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from marketplace.api.authentication import person
from marketplace.api.views import View
from marketplace.core import replies
from marketplace.models import Project
from tasks import bonuses, budgets, decisions, forecast
from tasks.api import budgets_shapes as shapes
from tasks.api import serializers as say
from tasks.api.batches import OfBatch, OneAnswer
from tasks.api.work import WorkView
from tasks.models import Batch, Bonus


class BatchBudget(OfBatch):
    serializer_class = shapes.BudgetSerializer

    @extend_schema(operation_id="batches_budget")
    def get(self, request: Request, id: str) -> Response:
        """What a batch may spend, what it has spent, and what it will probably come to."""
        return self._told(self.batch())

    @extend_schema(operation_id="batches_budget_change", request=shapes.ChangeSerializer)
    def patch(self, request: Request, id: str) -> Response:
        """Lower or raise what a running batch may spend; what was given out is paid whatever it comes to."""
        batch = self.batch()
        budgets.change(batch, person(request), **self.asked(shapes.ChangeSerializer))
        return self._told(batch)

    def _told(self, batch: Batch) -> Response:
        told: Any = budgets.of(batch)
        running = forecast.running(batch)
        extra: dict[str, Any] = {"expected_micros": running.expected_micros, "most_micros": running.most_micros}
        extra |= {f"next_{name}": value for name, value in budgets.of_next(batch)._asdict().items()}
        return self.answer({**vars(told), "committed_micros": told.committed_micros, **extra})


class OfBonuses(View):
    serializer_class = shapes.BonusSerializer

    def get_queryset(self) -> "QuerySet[Bonus]":
        seen = Bonus.objects.visible_to(person(self.request))
        return seen.select_related("organisation", "project", "batch", "worker")

    def project(self) -> Project:
        seen = Project.objects.visible_to(person(self.request)).select_related("organisation")
        return get_object_or_404(seen, public_id=self.kwargs["id"])


class Bonuses(OfBonuses):
    @extend_schema(operation_id="bonuses_list", responses=shapes.BonusSerializer(many=True))
    def get(self, request: Request, id: str) -> Response:
        """The bonuses that were given in a project, newest first."""
        return self.page(self.get_queryset().filter(project=self.project()))

    @extend_schema(
        operation_id="bonuses_give", request=shapes.NewBonusSerializer, responses={201: shapes.BonusSerializer}
    )
    @replies.once
    def post(self, request: Request, id: str) -> Response:
        """Pay a bonus at once to somebody who worked in the project; it is never taken back."""
        asked = self.asked(shapes.NewBonusSerializer)
        return self.answer(bonuses.give(self.project(), by=person(request), **asked), 201)


class ManyBonuses(OfBonuses):
    pagination_class = None

    @extend_schema(
        operation_id="bonuses_give_all",
        request=shapes.NewBonusesSerializer,
        responses={201: shapes.BonusSerializer(many=True)},
    )
    @replies.once
    def post(self, request: Request, id: str) -> Response:
        """Pay all of these bonuses, or none; what is wrong is named row by row."""
        wanted = [bonuses.Wanted(**row) for row in self.asked(shapes.NewBonusesSerializer)["bonuses"]]
        given = bonuses.give_all(self.project(), person(request), wanted)
        return Response(shapes.BonusSerializer(given, many=True).data, 201)


class MyBonuses(WorkView):
    serializer_class = shapes.MyBonusSerializer
    queryset = Bonus.objects.none()

    def get_queryset(self) -> "QuerySet[Bonus]":
        return Bonus.objects.filter(worker=self.worker()).select_related("project", "batch")

    @extend_schema(operation_id="my_bonuses_list", responses=shapes.MyBonusSerializer(many=True))
    def get(self, request: Request) -> Response:
        """The bonuses you were given, and what for."""
        return self.page(self.get_queryset())


class PayPart(OneAnswer):
    serializer_class = say.DecisionSerializer

    @extend_schema(
        operation_id="answers_pay_part", request=shapes.PartSerializer, responses={201: say.DecisionSerializer}
    )
    @replies.once
    def post(self, request: Request, id: str) -> Response:
        """Do not use an answer and pay a part of its price; the worker is told why, and may contest it."""
        return self.answer(decisions.pay_part(self.found(), person(request), **self.asked(shapes.PartSerializer)), 201)
