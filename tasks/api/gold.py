"""Gold over HTTP, and what a figure rests on: parse, call one verb, answer."""

from typing import Any

from django.db.models import QuerySet
from django.http import Http404
from django.shortcuts import get_object_or_404
from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from marketplace.api.authentication import person
from marketplace.api.views import FilteredView, View
from marketplace.core import replies
from marketplace.models import Project
from tasks import evidence, gold_disputes, gold_pool
from tasks.api import gold_shapes as shapes
from tasks.api.batches import OfBatch
from tasks.api.work import WorkView
from tasks.models import Evidence, Gold, Task
from workers.models import OverallReliability, Reliability


class GoldFilter(filters.FilterSet):
    state = filters.ChoiceFilter(choices=Gold.State.choices)
    purpose = filters.ChoiceFilter(choices=Gold.Purpose.choices)
    batch = filters.CharFilter("batch__public_id")


class OfGold(FilteredView):
    serializer_class: Any = shapes.GoldSerializer
    queryset: Any = Gold.objects.none()
    filterset_class: Any = GoldFilter

    def get_queryset(self) -> "QuerySet[Any]":
        mine = Gold.objects.visible_to(person(self.request))
        return mine.select_related("batch__project__organisation", "task__item")

    def project(self) -> Project:
        seen = Project.objects.visible_to(person(self.request)).select_related("organisation")
        return get_object_or_404(seen, public_id=self.kwargs["id"])


class ProjectGold(OfGold):
    @extend_schema(operation_id="gold_list", responses=shapes.GoldSerializer(many=True))
    def get(self, request: Request, id: str) -> Response:
        """Tasks whose answer is known: how often they were served, missed and contested, and whether in doubt."""
        return self.page(self.get_queryset().filter(batch__project=self.project()))


class BatchGold(OfBatch):
    serializer_class = shapes.StockSerializer

    @extend_schema(operation_id="batches_gold_stock")
    def get(self, request: Request, id: str) -> Response:
        """What is left of a batch's hidden gold."""
        return self.answer(gold_pool.stock(self.batch()))

    @extend_schema(operation_id="batches_gold_add", request=shapes.NewGold, responses={201: shapes.GoldSerializer})
    @replies.once
    def post(self, request: Request, id: str) -> Response:
        """Make gold of an item that nobody has answered; the money for its answers then pays for gold."""
        made = gold_pool.add(self.batch(), person(request), **self.asked(shapes.NewGold))
        return Response(shapes.GoldSerializer(made).data, status=201)


class Candidates(OfBatch):
    serializer_class = shapes.CandidateSerializer
    queryset = Task.objects.none()

    def get_queryset(self) -> "QuerySet[Task]":
        return gold_pool.candidates(self.batch())

    @extend_schema(operation_id="batches_gold_candidates", responses=shapes.CandidateSerializer(many=True))
    def get(self, request: Request, id: str) -> Response:
        """Labels that are sure and that everybody gave alike: confirm one, and it becomes hidden gold."""
        return self.page(self.get_queryset())


class Promote(OfBatch):
    @extend_schema(operation_id="batches_gold_promote", request=shapes.GoldKey, responses={201: shapes.GoldSerializer})
    @replies.once
    def post(self, request: Request, id: str) -> Response:
        """Confirm a unanimous label: it becomes hidden gold for people who have not seen the item."""
        batch = self.batch()
        made = gold_pool.promote(batch, person(request), self.asked(shapes.GoldKey)["key"])
        return Response(shapes.GoldSerializer(made).data, status=201)


class OneGold(OfGold):
    serializer_class = shapes.GoldDetailSerializer

    @extend_schema(operation_id="gold_get")
    def get(self, request: Request, id: str) -> Response:
        """One piece of gold with its history and what workers say against it."""
        return self.answer(self.get_object())

    @extend_schema(operation_id="gold_explain", request=shapes.GoldExplanation)
    def patch(self, request: Request, id: str) -> Response:
        """Set what practice shows beside the right answer."""
        explanation = self.asked(shapes.GoldExplanation, partial=True).get("explanation", "")
        return self.answer(gold_pool.explain(self.get_object(), person(request), explanation))


class Retire(OfGold):
    http_method_names = ["post", "options"]

    @extend_schema(operation_id="gold_retire", request=None)
    @replies.once
    def post(self, request: Request, id: str) -> Response:
        """Serve it no more; what it said of people stands."""
        return self.answer(gold_pool.retire(self.get_object(), person(request)))


class Reactivate(OfGold):
    http_method_names = ["post", "options"]

    @extend_schema(operation_id="gold_reactivate", request=None)
    @replies.once
    def post(self, request: Request, id: str) -> Response:
        """Serve it again, to those who have not seen it."""
        return self.answer(gold_pool.reactivate(self.get_object(), person(request)))


class Quarantine(OfGold):
    http_method_names = ["post", "options"]

    @extend_schema(operation_id="gold_quarantine", request=shapes.GoldReason)
    @replies.once
    def post(self, request: Request, id: str) -> Response:
        """Serve it no more while it is in doubt; what it said of people is void."""
        reason = self.asked(shapes.GoldReason)["reason"]
        return self.answer(gold_disputes.quarantine(self.get_object(), reason, person(request)))


class Reinstate(OfGold):
    http_method_names = ["post", "options"]

    @extend_schema(operation_id="gold_reinstate", request=shapes.GoldReason)
    @replies.once
    def post(self, request: Request, id: str) -> Response:
        """Its truth was right after all; what was void stays void."""
        reason = self.asked(shapes.GoldReason)["reason"]
        return self.answer(gold_disputes.reinstate(self.get_object(), person(request), reason))


class Overturn(OfGold):
    http_method_names = ["post", "options"]

    @extend_schema(operation_id="gold_overturn", request=shapes.GoldOverturn)
    @replies.once
    def post(self, request: Request, id: str) -> Response:
        """Its truth was wrong: another one is right, or nobody knows."""
        asked = self.asked(shapes.GoldOverturn)
        return self.answer(gold_disputes.overturn(self.get_object(), person(request), **asked))


class ContestGold(WorkView):
    http_method_names = ["post", "options"]

    @extend_schema(operation_id="gold_contest", request=shapes.GoldStatement, responses={201: shapes.GoldStatement})
    @replies.once
    def post(self, request: Request, id: str) -> Response:
        """Say that a known answer you were shown is wrong: in practice, or as the grounds of a decision."""
        worker = self.worker()
        answer = gold_disputes.shown(worker, id)
        made = gold_disputes.contest(worker, answer, self.asked(shapes.GoldStatement)["statement"])
        return Response({"statement": made.statement}, status=201)


class WorkerEvidence(View):
    serializer_class = shapes.EvidenceSerializer
    queryset = Evidence.objects.none()

    def get_queryset(self) -> "QuerySet[Evidence]":
        seen = Project.objects.visible_to(person(self.request)).select_related("organisation")
        project = get_object_or_404(seen, public_id=self.kwargs["id"])
        worker = evidence.measured(project, self.kwargs["worker"])
        if worker is None:
            raise Http404
        return evidence.behind(worker, project)

    @extend_schema(operation_id="projects_worker_evidence", responses=shapes.EvidenceSerializer(many=True))
    def get(self, request: Request, id: str, worker: str) -> Response:
        """What a worker's accuracy in a project rests on, newest first; the worker under your name for them."""
        return self.page(self.get_queryset())


class MyEvidence(WorkView):
    pagination_class = None
    filterset_class = None
    queryset = Reliability.objects.none()

    @extend_schema(operation_id="my_reliability_evidence", responses=shapes.DaySerializer(many=True))
    def get(self, request: Request, id: str) -> Response:
        """What your accuracy in a project rests on, by kind and day, today left out."""
        known = Reliability.objects.filter(worker=self.worker()).select_related("project")
        score = get_object_or_404(known, project__public_id=id)
        return Response(shapes.DaySerializer(evidence.days(score.worker, score.project), many=True).data)


class MyOverall(WorkView):
    serializer_class = shapes.OverallSerializer

    @extend_schema(operation_id="my_reliability_overall")
    def get(self, request: Request) -> Response:
        """How accurate you have been over all projects, with the interval it lies in."""
        found = OverallReliability.objects.filter(worker=self.worker()).first()
        return self.answer(found or dict.fromkeys(shapes.OverallSerializer().fields))
