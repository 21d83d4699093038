"""Batches and their answers over HTTP, for the requester: parse, call one verb, answer."""

from typing import Any

from django.db.models import QuerySet
from django.http import StreamingHttpResponse
from django.shortcuts import get_object_or_404
from django_filters import rest_framework as filters
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from marketplace.api.authentication import person
from marketplace.api.views import FilteredView, View
from marketplace.core import replies
from marketplace.core.errors import NotFound
from marketplace.models import Dataset, Project
from tasks import batches, decisions, forecast
from tasks.api import serializers as say
from tasks.api.work import AnswerFilter
from tasks.exports import csv, jsonl, labels
from tasks.models import Answer, Batch


class OfProject(View):
    def get_queryset(self) -> "QuerySet[Project]":
        return Project.objects.visible_to(person(self.request)).select_related("organisation")

    def dataset(self, public_id: str) -> Dataset:
        return get_object_or_404(Dataset.objects.visible_to(person(self.request)), public_id=public_id)


class Quote(OfProject):
    serializer_class = say.QuoteSerializer

    @extend_schema(operation_id="quote", parameters=[say.QuotedSerializer])
    def get(self, request: Request, id: str) -> Response:
        """What publishing would cost at most, and what stands in its way."""
        dataset = self.dataset(request.query_params.get("dataset", ""))
        asked = say.QuotedSerializer(data=request.query_params.dict())
        asked.is_valid(raise_exception=True)
        return self.answer(forecast.quote(self.get_object(), dataset, asked.validated_data.get("budget_micros")))


class Publish(OfProject):
    counted = "publish"
    serializer_class = say.BatchSerializer

    @extend_schema(operation_id="publish", request=say.PublishSerializer, responses={201: say.BatchSerializer})
    @replies.once
    def post(self, request: Request, id: str) -> Response:
        """Put a dataset to work: pin the terms and set the money aside."""
        asked = self.asked(say.PublishSerializer)
        dataset = self.dataset(asked.pop("dataset"))
        return self.answer(batches.publish(self.get_object(), dataset, person(request), **asked), 201)


class CloseProject(OfProject):
    @extend_schema(operation_id="projects_close", request=None, responses={204: None})
    @replies.once
    def post(self, request: Request, id: str) -> Response:
        """Close a project and its batches; the rest of their reserves returns."""
        batches.close_project(self.get_object(), person(request))
        return Response(status=204)


class BatchFilter(filters.FilterSet):
    project = filters.CharFilter("project__public_id")
    state = filters.ChoiceFilter(choices=Batch.State.choices)


class OfBatch(FilteredView):
    serializer_class: Any = say.BatchSerializer
    queryset: Any = Batch.objects.none()

    def get_queryset(self) -> "QuerySet[Any]":
        return self.batches()

    def batches(self) -> "QuerySet[Batch]":
        mine = Batch.objects.visible_to(person(self.request))
        return mine.select_related("project__organisation", "dataset")

    def batch(self) -> Batch:
        return get_object_or_404(self.batches(), public_id=self.kwargs["id"])


class Batches(OfBatch):
    filterset_class = BatchFilter

    @extend_schema(operation_id="batches_list", responses=say.BatchSerializer(many=True))
    def get(self, request: Request) -> Response:
        """The batches of your organisations."""
        return self.page(self.batches())


class OneBatch(OfBatch):
    serializer_class = say.BatchDetailSerializer

    @extend_schema(operation_id="batches_get")
    def get(self, request: Request, id: str) -> Response:
        """One batch: how far it has come and what it has cost."""
        batch: Any = self.batch()
        batch.progress = batches.progress(batch)
        return self.answer(batch)


class CloseBatch(OfBatch):
    @extend_schema(operation_id="batches_close", request=None, responses={204: None})
    @replies.once
    def post(self, request: Request, id: str) -> Response:
        """Give out no more of it; the rest of its reserve returns."""
        batches.close(self.batch(), person(request))
        return Response(status=204)


class LabelsJsonLines(OfBatch):
    @extend_schema(operation_id="labels_jsonl", responses={(200, jsonl.CONTENT_TYPE): OpenApiTypes.BINARY})
    def get(self, request: Request, id: str) -> StreamingHttpResponse:
        """The labels with all they rest on, one JSON object for every key that came in."""
        batch = self.batch()
        return download(f"{batch.public_id}.jsonl", jsonl.CONTENT_TYPE, jsonl.write(labels.rows(batch)))


class LabelsCsv(OfBatch):
    @extend_schema(operation_id="labels_csv", responses={(200, "text/csv"): OpenApiTypes.BINARY})
    def get(self, request: Request, id: str) -> StreamingHttpResponse:
        """The labels as a table for spreadsheets; cells that look like formulas are defused."""
        batch = self.batch()
        return download(f"{batch.public_id}.csv", csv.CONTENT_TYPE, csv.write(batch, labels.rows(batch)))


class BatchAnswers(OfBatch):
    serializer_class = say.AnswerSerializer
    queryset = Answer.objects.none()
    filterset_class = AnswerFilter

    def get_queryset(self) -> "QuerySet[Answer]":
        return answers_seen_by(self.request).filter(batch=self.batch())

    @extend_schema(operation_id="batches_answers_list", responses=say.AnswerSerializer(many=True))
    def get(self, request: Request, id: str) -> Response:
        """The answers handed in, newest first, each worker under a pseudonym."""
        return self.page(self.get_queryset())


class AcceptAnswers(OfBatch):
    @extend_schema(operation_id="batches_accept", request=say.AcceptSerializer, responses=say.AcceptedSerializer)
    @replies.once
    def post(self, request: Request, id: str) -> Response:
        """Accept answers now instead of waiting for the delay."""
        among = answers_seen_by(request).filter(batch=self.batch())
        found = answers_named(self.asked(say.AcceptSerializer)["answers"], among)
        return Response({"accepted": decisions.accept(found, person(request))})


class BatchWorkers(OfBatch):
    pagination_class = None

    @extend_schema(operation_id="batches_workers", responses=say.BatchWorkerSerializer(many=True))
    def get(self, request: Request, id: str) -> Response:
        """Who has worked on it and how accurate they are; the most active 1,000."""
        return Response(say.BatchWorkerSerializer(batches.workers(self.batch()), many=True).data)


class OneAnswer(View):
    serializer_class: Any = say.AnswerSerializer

    def found(self) -> Answer:
        return answers_named([self.kwargs["id"]], answers_seen_by(self.request))[0]


class AcceptAnswer(OneAnswer):
    @extend_schema(operation_id="answers_accept", request=None)
    @replies.once
    def post(self, request: Request, id: str) -> Response:
        """Accept one answer."""
        answer = self.found()
        decisions.accept([answer], person(request))
        return self.answer(answer)


class ExcludeAnswer(OneAnswer):
    serializer_class = say.DecisionSerializer

    @extend_schema(
        operation_id="answers_exclude", request=say.ReasonSerializer, responses={201: say.DecisionSerializer}
    )
    @replies.once
    def post(self, request: Request, id: str) -> Response:
        """Do not use an answer, and pay it all the same."""
        return self.answer(decisions.exclude(self.found(), person(request), **self.asked(say.ReasonSerializer)), 201)


class RejectAnswer(OneAnswer):
    serializer_class = say.DecisionSerializer

    @extend_schema(operation_id="answers_reject", request=say.ReasonSerializer, responses={201: say.DecisionSerializer})
    @replies.once
    def post(self, request: Request, id: str) -> Response:
        """Refuse an answer with a reason the worker is told and may contest."""
        return self.answer(decisions.reject(self.found(), person(request), **self.asked(say.ReasonSerializer)), 201)


def download(name: str, content_type: str, rows: Any) -> StreamingHttpResponse:
    headers = {"Content-Disposition": f'attachment; filename="{name}"'}
    return StreamingHttpResponse(rows, content_type=content_type, headers=headers)


def answers_seen_by(request: Request) -> "QuerySet[Answer]":
    seen = Answer.objects.visible_to(person(request))
    return seen.select_related("assignment", "worker", "task__item", "task__gold", "batch__project__organisation")


def answers_named(public_ids: list[str], among: "QuerySet[Answer]") -> list[Answer]:
    """All of these answers, or NotFound with the place in the list of the first that is not there."""
    found = among.named(public_ids)  # type: ignore[attr-defined]
    known = {answer.public_id for answer in found}
    for place, public_id in enumerate(public_ids):
        if public_id not in known:
            raise NotFound(f"answers[{place}]: there is no such answer")
    return found
