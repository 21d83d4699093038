"""A project's own aggregator over HTTP: parse, call one verb, answer."""

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from marketplace.api.authentication import person
from marketplace.api.views import View
from marketplace.core import replies
from marketplace.models import Project
from tasks import consolidations
from tasks.api import aggregators_shapes as shapes
from tasks.models import Aggregator


class OfAggregator(View):
    serializer_class = shapes.AggregatorSerializer

    def get_queryset(self) -> "QuerySet[Project]":
        return Project.objects.visible_to(person(self.request)).select_related("organisation")

    def aggregator(self) -> Aggregator:
        return consolidations.of_project(self.get_object())


class ProjectAggregator(OfAggregator):
    @extend_schema(operation_id="aggregator")
    def get(self, request: Request, id: str) -> Response:
        """Where the project's labels are asked of, how that goes, and the newest failures."""
        return self.answer(self.aggregator())

    @extend_schema(
        operation_id="aggregator_name", request=shapes.NewAggregator, responses={201: shapes.NamedAggregator}
    )
    def post(self, request: Request, id: str) -> Response:
        """Have labels asked of this address from now on. No Idempotency-Key is taken: the secret is not kept."""
        url = self.asked(shapes.NewAggregator)["url"]
        made, secret = consolidations.name(self.get_object(), person(request), url)
        said = {**shapes.AggregatorSerializer(made).data, "secret": secret}
        return Response(said, status=201, headers={"Cache-Control": "no-store"})

    @extend_schema(operation_id="aggregator_drop", responses={204: None})
    def delete(self, request: Request, id: str) -> Response:
        """Ask it no more; batches that still go on have the site's own labels again."""
        consolidations.drop(self.aggregator(), person(request))
        return Response(status=204)


class AggregatorSecret(OfAggregator):
    serializer_class = shapes.AggregatorSecret  # type: ignore[assignment]

    @extend_schema(operation_id="aggregator_renew", request=None)
    def post(self, request: Request, id: str) -> Response:
        """Make it another secret; the one before signs nothing any more. No Idempotency-Key: the secret is not kept."""
        secret = consolidations.renew(self.aggregator(), person(request))
        return Response({"secret": secret}, headers={"Cache-Control": "no-store"})


class AggregatorSample(OfAggregator):
    serializer_class = shapes.SampleSerializer  # type: ignore[assignment]

    @extend_schema(operation_id="aggregator_sample", request=None)
    def post(self, request: Request, id: str) -> Response:
        """Send it a few tasks now; nothing of it becomes a label, and no Idempotency-Key is taken."""
        return self.answer(consolidations.sample(self.aggregator(), person(request)))


class SendAgain(OfAggregator):
    serializer_class = shapes.SentAgain  # type: ignore[assignment]

    @extend_schema(operation_id="aggregator_send_again", request=None)
    @replies.once
    def post(self, request: Request, id: str) -> Response:
        """Ask once more about tasks that it gave no label for, the newest 10,000."""
        return Response({"tasks": consolidations.send_again(self.aggregator(), person(request))})
