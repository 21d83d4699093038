"""The work over HTTP, for the worker who does it: parse, call one verb, answer."""

from typing import Any

from django.conf import settings
from django.db.models import QuerySet
from django.http import HttpResponse
from django.shortcuts import get_object_or_404
from django_filters import rest_framework as filters
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from marketplace.api.authentication import person
from marketplace.api.views import FilteredView
from marketplace.core import replies
from marketplace.core.errors import NotFound
from marketplace.models import ApiKey, Project
from tasks import appeals, assignments, decisions, fair_pay, pace, rules, training, way_in
from tasks.api import authentication, pages
from tasks.api import serializers as say
from tasks.batches import latest_guideline
from tasks.errors import AppealClosed
from tasks.models import Answer, Appeal, Assignment, Decision
from workers import groups, guidelines, profiles, requirements, tiers
from workers.models import Reliability, Worker


class WorkView(FilteredView):
    scope = ApiKey.Scope.WORK

    def worker(self) -> Worker:
        return profiles.of(person(self.request))


class AccessTokens(WorkView):
    serializer_class = say.AccessTokenSerializer

    @extend_schema(operation_id="access_token", request=None, responses={201: say.AccessTokenSerializer})
    def post(self, request: Request) -> Response:
        """A token for claim, heartbeat and submit that spares the server a look-up; it lasts a minute at most."""
        token = authentication.issue(self.worker())
        return self.answer({"token": token, "expires_in_s": settings.ACCESS_TOKEN_S}, 201)


class OfferView(WorkView):
    """Of the projects that are open for work, those that exist for this worker."""

    queryset = Project.objects.offered().select_related("organisation")

    def get_queryset(self) -> "QuerySet[Project]":
        return groups.open_to(self.worker(), super().get_queryset())


class Offers(OfferView):
    serializer_class = say.OfferSerializer

    @extend_schema(operation_id="offers_list", responses=say.OfferSerializer(many=True))
    def get(self, request: Request) -> Response:
        """Projects that are open for work; each says what of its requirement you are missing."""
        return self.page(self.get_queryset())

    def get_serializer_context(self) -> dict[str, Any]:
        return {**super().get_serializer_context(), "worker": self.worker()}


class Offer(OfferView):
    @extend_schema(operation_id="offers_get", responses=say.OfferDetailSerializer)
    def get(self, request: Request, id: str) -> Response:
        """One project with its guideline, and how this worker stands to it."""
        offer: Any = self.get_object()
        offer.guideline = latest_guideline(offer)
        offer.last_read = guidelines.last_read(self.worker(), offer)
        offer.next = way_in.next_step(self.worker(), offer).kind
        offer.practice = training.status(self.worker(), offer)
        offer.rules_on = list(rules.in_force(offer))
        offer.conduct = decisions.conduct_of(offer.organisation)
        offer.exam = training.stand(self.worker(), offer)
        offer.training = training.efforts(offer)
        offer.median_active_s = pace.medians([offer.pk]).get(offer.pk)
        country = fair_pay.country_of(self.worker(), offer.mode)
        offer.pay = fair_pay.offered_to(offer, country, tiers.of(self.worker(), offer))
        offer.unpaid_s = sum(effort.expected_s for effort in offer.training if not effort.price_micros)
        offer.requirement_lines = requirements.lines(self.worker(), offer)
        return Response(say.OfferDetailSerializer(offer, context={"worker": self.worker()}).data)


class Acknowledge(OfferView):
    @extend_schema(operation_id="acknowledge", request=say.AcknowledgeSerializer, responses={204: None})
    def post(self, request: Request, id: str) -> Response:
        """Say that you have read this version of the guideline, the latest."""
        training.acknowledge(self.worker(), self.get_object(), **self.asked(say.AcknowledgeSerializer))
        return Response(status=204)


class Practice(OfferView):
    serializer_class = say.PageSerializer

    @extend_schema(operation_id="practise", request=None, responses={200: say.PageSerializer, 201: say.PageSerializer})
    def post(self, request: Request, id: str) -> HttpResponse:
        """Begin the practice, or come back to it."""
        return pages.page(training.start(self.worker(), self.get_object()))


class AssignmentFilter(filters.FilterSet):
    state = filters.ChoiceFilter(choices=Assignment.State.choices)
    purpose = filters.ChoiceFilter(choices=Assignment.Purpose.choices)


class MyAssignments(WorkView):
    serializer_class: Any = say.AssignmentSerializer
    queryset = Assignment.objects.none()
    filterset_class = AssignmentFilter

    def get_queryset(self) -> "QuerySet[Assignment]":
        return Assignment.objects.visible_to(self.worker()).select_related("batch", "project")


class Assignments(MyAssignments):
    @extend_schema(operation_id="assignments_list", responses=say.AssignmentSerializer(many=True))
    def get(self, request: Request) -> Response:
        """Your leases, newest first."""
        return self.page(self.get_queryset())


class Page(MyAssignments):
    @extend_schema(operation_id="assignments_get", responses=say.PageSerializer)
    def get(self, request: Request, id: str) -> HttpResponse:
        """One lease with its tasks."""
        return pages.page(self.get_object())


class Draft(MyAssignments):
    @extend_schema(operation_id="assignments_draft", request=OpenApiTypes.OBJECT, responses={204: None})
    def put(self, request: Request, id: str) -> Response:
        """Keep what there is so far; by convention an object of position -> value."""
        assignments.keep_draft(self.get_object(), request.data)
        return Response(status=204)


class Skip(MyAssignments):
    @extend_schema(operation_id="assignments_skip", request=say.PositionSerializer, responses=say.PageSerializer)
    def post(self, request: Request, id: str) -> HttpResponse:
        """Leave one task to others."""
        return pages.page(assignments.skip(self.get_object(), self.asked(say.PositionSerializer)["position"]))


class GiveBack(MyAssignments):
    @extend_schema(operation_id="assignments_return", request=None, responses=say.PageSerializer)
    def post(self, request: Request, id: str) -> HttpResponse:
        """Return the whole page."""
        return pages.page(assignments.give_back(self.get_object()))


class Feedback(MyAssignments):
    @extend_schema(operation_id="assignments_feedback", responses=say.FeedbackSerializer)
    def get(self, request: Request, id: str) -> Response:
        """What a practice showed, task by task."""
        lease = self.get_object()
        if lease.purpose != Assignment.Purpose.PRACTICE:
            raise NotFound("feedback is given for practice only")
        return Response(say.FeedbackSerializer(training.feedback(lease)).data)


class AnswerFilter(filters.FilterSet):
    state = filters.ChoiceFilter(choices=Answer.State.choices)


class MyAnswers(WorkView):
    serializer_class = say.MyAnswerSerializer
    queryset = Answer.objects.none()
    filterset_class = AnswerFilter

    def get_queryset(self) -> "QuerySet[Answer]":
        mine = Answer.objects.filter(worker=self.worker(), submitted_at__isnull=False, attempt=0)
        return mine.select_related("assignment", "batch__project")

    @extend_schema(operation_id="my_answers_list", responses=say.MyAnswerSerializer(many=True))
    def get(self, request: Request) -> Response:
        """What you have handed in, newest first."""
        return self.page(self.get_queryset())


class OfMyDecisions(WorkView):
    serializer_class = say.DecisionSerializer
    queryset = Decision.objects.none()

    def get_queryset(self) -> "QuerySet[Decision]":
        mine = Decision.objects.told().filter(worker=self.worker())
        return mine.select_related("answer__assignment", "project", "appeal").prefetch_related("appeal__statements")


class MyDecisions(OfMyDecisions):
    @extend_schema(operation_id="my_decisions_list", responses=say.DecisionSerializer(many=True))
    def get(self, request: Request) -> Response:
        """What was decided about you and your answers, and until when you may contest it."""
        return self.page(self.get_queryset())


class MyDecision(OfMyDecisions):
    serializer_class = say.MyDecisionSerializer

    @extend_schema(operation_id="my_decisions_get")
    def get(self, request: Request, id: str) -> Response:
        """One decision about you, with its appeal."""
        return self.answer(self.get_object())


class Contest(OfMyDecisions):
    @extend_schema(operation_id="contest", request=say.StatementSerializer, responses={201: say.AppealSerializer})
    @replies.once
    def post(self, request: Request, id: str) -> Response:
        """Ask that a person who did not decide looks again."""
        statement = self.asked(say.StatementSerializer)["statement"]
        appeal = appeals.contest(get_object_or_404(self.get_queryset(), public_id=id), self.worker(), statement)
        return Response(say.AppealSerializer(appeal).data, status=201)


class StateMore(OfMyDecisions):
    @extend_schema(
        operation_id="my_decisions_state", request=say.StatementSerializer, responses={201: say.AppealSerializer}
    )
    @replies.once
    def post(self, request: Request, id: str) -> Response:
        """Add a statement to your open appeal."""
        appeal = Appeal.objects.filter(decision=self.get_object()).first()
        if appeal is None:
            raise AppealClosed("it is not contested; contest it first")
        appeals.state_more(appeal, person(request), self.asked(say.StatementSerializer)["statement"])
        return Response(say.AppealSerializer(appeal).data, status=201)


class MyReliability(WorkView):
    serializer_class = say.ReliabilitySerializer
    queryset = Reliability.objects.none()

    def get_queryset(self) -> "QuerySet[Reliability]":
        return Reliability.objects.filter(worker=self.worker()).select_related("project")

    @extend_schema(operation_id="my_reliability_list", responses=say.ReliabilitySerializer(many=True))
    def get(self, request: Request) -> Response:
        """How accurate you have been, project by project, with the interval it lies in."""
        return self.page(self.get_queryset())
