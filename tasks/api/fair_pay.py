"""What an hour pays over HTTP, and what is added to it: parse, call one verb, answer."""

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
from tasks import fair_pay
from tasks.api import fair_pay_shapes as shapes
from tasks.api.batches import OfProject
from tasks.api.work import WorkView
from tasks.models import TopUp, TopUpProposal


class ProjectPay(OfProject):
    serializer_class = shapes.PaySerializer

    @extend_schema(operation_id="projects_pay")
    def get(self, request: Request, id: str) -> Response:
        """What an hour pays: as expected, and as measured once enough have worked; with the floor of this project."""
        return self.answer(fair_pay.of(self.get_object()))


class OfPay(FilteredView):
    """Rows of one project of the caller's."""

    def project(self) -> Project:
        mine = Project.objects.visible_to(person(self.request))
        return get_object_or_404(mine, public_id=self.kwargs["id"])


class TopUps(OfPay):
    serializer_class = shapes.TopUpSerializer
    queryset = TopUp.objects.none()

    @extend_schema(operation_id="projects_top_ups", responses=shapes.TopUpSerializer(many=True))
    def get(self, request: Request, id: str) -> Response:
        """What was added to its workers' pay, newest first, with each computation."""
        made = TopUp.objects.filter(batch__project=self.project())
        return self.page(made.select_related("worker", "batch__project__organisation"))


class ProposalFilter(filters.FilterSet):
    state = filters.ChoiceFilter(choices=TopUpProposal.State.choices)


class Proposals(OfPay):
    serializer_class: Any = shapes.ProposalSerializer
    queryset: Any = TopUpProposal.objects.none()
    filterset_class: Any = ProposalFilter

    @extend_schema(operation_id="projects_top_up_proposals", responses=shapes.ProposalSerializer(many=True))
    def get(self, request: Request, id: str) -> Response:
        """What is missing to the floor beyond what is added by itself; a person decides."""
        return self.page(_with_names(TopUpProposal.objects.filter(batch__project=self.project())))


class OneProposal(FilteredView):
    serializer_class: Any = shapes.ProposalSerializer
    queryset: Any = TopUpProposal.objects.none()

    def get_queryset(self) -> "QuerySet[TopUpProposal]":
        return _with_names(TopUpProposal.objects.visible_to(person(self.request)))


class GrantTopUp(OneProposal):
    serializer_class = shapes.TopUpSerializer

    @extend_schema(operation_id="top_up_proposals_grant", request=None, responses={201: shapes.TopUpSerializer})
    @replies.once
    def post(self, request: Request, id: str) -> Response:
        """Pay it: the sum is set aside and posted at once."""
        return self.answer(fair_pay.grant(self.get_object(), person(request)), 201)


class DeclineTopUp(OneProposal):
    @extend_schema(
        operation_id="top_up_proposals_decline",
        request=shapes.DeclineTopUpSerializer,
        responses=shapes.ProposalSerializer,
    )
    @replies.once
    def post(self, request: Request, id: str) -> Response:
        """Do not pay it, for a reason; the same sum is not proposed again."""
        reason = self.asked(shapes.DeclineTopUpSerializer)["reason"]
        found = self.get_object()
        fair_pay.decline(found, person(request), reason)
        found.refresh_from_db(fields=["state", "decided_at", "reason"])
        return self.answer(found)


class MyTopUps(WorkView):
    serializer_class = shapes.MyTopUpSerializer
    queryset = TopUp.objects.none()

    @extend_schema(operation_id="my_top_ups", responses=shapes.MyTopUpSerializer(many=True))
    def get(self, request: Request) -> Response:
        """What was added to your pay, newest first, with each computation."""
        return self.page(TopUp.objects.filter(worker=self.worker()).select_related("batch__project"))


def _with_names(rows: "QuerySet[TopUpProposal]") -> "QuerySet[TopUpProposal]":
    return rows.select_related("worker", "batch__project__organisation")
