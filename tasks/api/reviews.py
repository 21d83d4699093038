"""Reviews over HTTP: parse, call one verb, answer."""

from dataclasses import asdict
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
from marketplace.models import Project
from tasks import reviews
from tasks.api import reviews_shapes as shapes
from tasks.api.batches import OfBatch
from tasks.models import Review


class ReviewFilter(filters.FilterSet):
    state = filters.ChoiceFilter(choices=Review.State.choices)
    reason = filters.ChoiceFilter(choices=Review.Reason.choices)
    tier = filters.NumberFilter()
    batch = filters.CharFilter("batch__public_id")


class OfReviews(FilteredView):
    serializer_class: Any = shapes.ReviewSerializer
    queryset: Any = Review.objects.none()
    filterset_class: Any = ReviewFilter

    def get_queryset(self) -> "QuerySet[Any]":
        seen = Review.objects.visible_to(person(self.request))
        return seen.select_related("batch", "task__item", "project__organisation", "decided_by")

    def project(self) -> Project:
        seen = Project.objects.visible_to(person(self.request)).select_related("organisation")
        return get_object_or_404(seen, public_id=self.kwargs["id"])


class ProjectReviews(OfReviews):
    @extend_schema(operation_id="reviews_list", responses=shapes.ReviewSerializer(many=True))
    def get(self, request: Request, id: str) -> Response:
        """The labels of a project that are or were looked at, newest first."""
        return self.page(self.get_queryset().filter(project=self.project()))


class Summary(OfReviews):
    serializer_class = shapes.ReviewsSummarySerializer
    filterset_class = None

    @extend_schema(operation_id="reviews_summary")
    def get(self, request: Request, id: str) -> Response:
        """How many wait, and how often reviewers changed a label, by reason and of all."""
        project = self.project()
        progress = asdict(reviews.progress(project, person(request)))
        return self.answer({**progress, "figures": reviews.of(project)})


class Next(OfReviews):
    serializer_class = shapes.ReviewCaseSerializer
    http_method_names = ["post", "options"]

    @extend_schema(operation_id="reviews_next", request=None)
    def post(self, request: Request, id: str) -> Response:
        """Take the next label that waits for you; asked again before a verdict, the same one."""
        taken = reviews.next_for(self.project(), person(request))
        return self.answer(reviews.case(self.get_queryset().get(pk=taken.pk)))


class OneReview(OfReviews):
    serializer_class = shapes.ReviewCaseSerializer

    @extend_schema(operation_id="reviews_get")
    def get(self, request: Request, id: str) -> Response:
        """One label with the answers side by side."""
        return self.answer(reviews.case(self.get_object()))


class Decide(OfReviews):
    serializer_class = shapes.ReviewCaseSerializer
    http_method_names = ["post", "options"]

    @extend_schema(operation_id="reviews_decide", request=shapes.ReviewVerdictSerializer)
    @replies.once
    def post(self, request: Request, id: str) -> Response:
        """Accept the label, correct it, or have one more answer bought."""
        found = self.get_object()
        reviews.decide(found, person(request), **self.asked(shapes.ReviewVerdictSerializer))
        return self.answer(reviews.case(self.get_object()))


class Pass(OfReviews):
    http_method_names = ["post", "options"]

    @extend_schema(operation_id="reviews_pass", request=None, responses={204: None})
    @replies.once
    def post(self, request: Request, id: str) -> Response:
        """Leave it to somebody else."""
        reviews.pass_on(self.get_object(), person(request))
        return Response(status=204)


class AskReviews(OfBatch):
    serializer_class = shapes.ReviewsAskedSerializer
    http_method_names = ["post", "options"]

    @extend_schema(
        operation_id="batches_ask_reviews",
        request=shapes.ReviewsWantedSerializer,
        responses={201: shapes.ReviewsAskedSerializer},
    )
    @replies.once
    def post(self, request: Request, id: str) -> Response:
        """Have the labels of these items looked at; what still wants answers is left out."""
        asked, batch = self.asked(shapes.ReviewsWantedSerializer), self.batch()
        made = reviews.ask(batch, reviews.named(batch, asked["keys"]), asked["reason"], person(request))
        return self.answer({"asked": made}, 201)
