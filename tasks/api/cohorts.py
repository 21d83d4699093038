"""Cohorts over HTTP, for trainers and for workers: parse, call one verb, answer."""

from typing import Any

from django.db.models import Count, QuerySet
from django.shortcuts import get_object_or_404
from django_filters import rest_framework as filters
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from marketplace.api.authentication import person
from marketplace.api.views import FilteredView
from marketplace.core import replies
from marketplace.models import Project
from tasks import cohorts
from tasks.api import cohorts_shapes as shapes
from tasks.api.work import WorkView
from tasks.models import Cohort, CohortAnswer, CohortPlace


class CohortFilter(filters.FilterSet):
    project = filters.CharFilter("project__public_id")
    state = filters.ChoiceFilter(choices=Cohort.State.choices)


class OfCohorts(FilteredView):
    serializer_class: Any = shapes.CohortSerializer
    queryset: Any = Cohort.objects.none()
    filterset_class: Any = CohortFilter

    def get_queryset(self) -> "QuerySet[Any]":
        return self.cohorts()

    def cohorts(self) -> "QuerySet[Cohort]":
        mine = Cohort.objects.visible_to(person(self.request))
        return mine.select_related("project__organisation", "batch")

    def cohort(self) -> Cohort:
        return get_object_or_404(self.cohorts(), public_id=self.kwargs["id"])


class Cohorts(OfCohorts):
    @extend_schema(operation_id="cohorts_list", responses=shapes.CohortSerializer(many=True))
    def get(self, request: Request) -> Response:
        """The sessions of your organisations."""
        return self.page(self.cohorts())


class PlanCohort(OfCohorts):
    http_method_names = ["post", "options"]

    @extend_schema(operation_id="cohorts_plan", request=shapes.NewCohort, responses={201: shapes.CohortSerializer})
    @replies.once
    def post(self, request: Request, id: str) -> Response:
        """Announce a session on items of the practice gold; you are its trainer."""
        seen = Project.objects.visible_to(person(request)).select_related("organisation")
        project = get_object_or_404(seen, public_id=id)
        return self.answer(cohorts.plan(project, person(request), **self.asked(shapes.NewCohort)), 201)


class OneCohort(OfCohorts):
    serializer_class = shapes.LedCohortSerializer

    @extend_schema(operation_id="cohorts_get")
    def get(self, request: Request, id: str) -> Response:
        """A session with the item that is shown, its truth, and how the answers are spread."""
        return self.answer(_led(self.cohort()))


class Invite(OfCohorts):
    serializer_class = shapes.InvitedSerializer

    @extend_schema(operation_id="cohorts_invite", request=shapes.InviteSerializer)
    @replies.once
    def post(self, request: Request, id: str) -> Response:
        """Invite workers by the names under which your organisation knows them."""
        names = self.asked(shapes.InviteSerializer)["workers"]
        return self.answer({"invited": cohorts.invite(self.cohort(), person(request), names)})


class Begin(OneCohort):
    http_method_names = ["post", "options"]

    @extend_schema(operation_id="cohorts_begin", request=None)
    @replies.once
    def post(self, request: Request, id: str) -> Response:
        """Open the doors and show the first item."""
        return self.answer(_led(cohorts.begin(self.cohort(), person(request))))


class Reveal(OneCohort):
    http_method_names = ["post", "options"]

    @extend_schema(operation_id="cohorts_reveal", request=shapes.RemarkSerializer)
    @replies.once
    def post(self, request: Request, id: str) -> Response:
        """Show what is right of the item, and say something of it."""
        remark = self.asked(shapes.RemarkSerializer)["remark"]
        return self.answer(_led(cohorts.reveal(self.cohort(), person(request), remark)))


class Turn(OneCohort):
    http_method_names = ["post", "options"]

    @extend_schema(operation_id="cohorts_next", request=None)
    @replies.once
    def post(self, request: Request, id: str) -> Response:
        """Go on to the next item."""
        return self.answer(_led(cohorts.turn(self.cohort(), person(request))))


class End(OneCohort):
    http_method_names = ["post", "options"]

    @extend_schema(operation_id="cohorts_end", request=None)
    @replies.once
    def post(self, request: Request, id: str) -> Response:
        """End the session, or call it off."""
        return self.answer(_led(cohorts.end(self.cohort(), person(request))))


class Attendance(OfCohorts):
    keyset = "pk"
    serializer_class = shapes.PlaceSerializer
    queryset = CohortPlace.objects.none()
    filterset_class = None

    def get_queryset(self) -> "QuerySet[CohortPlace]":
        rows = self.cohort().places.select_related("worker", "cohort__project__organisation")
        return rows.annotate(given=Count("answers"))

    @extend_schema(operation_id="cohorts_attendance", responses=shapes.PlaceSerializer(many=True))
    def get(self, request: Request, id: str) -> Response:
        """Who was invited and who came, under the names your organisation has for them."""
        return self.page(self.get_queryset())


def _led(cohort: Any) -> Any:
    cohort.item, cohort.spread = cohorts.item(cohort, for_trainer=True), cohorts.spread(cohort)
    cohort.joined = cohort.places.filter(joined_at__isnull=False).count()
    cohort.answered = CohortAnswer.objects.filter(item__cohort=cohort, item__position=cohort.position).count()
    return cohort


class MyCohorts(WorkView):
    serializer_class: Any = shapes.CohortSerializer
    queryset: Any = Cohort.objects.none()

    def get_queryset(self) -> "QuerySet[Cohort]":
        return Cohort.objects.open_to(self.worker()).select_related("project__organisation", "batch")

    def attended(self, cohort: Any) -> Response:
        place = cohort.places.filter(worker=self.worker()).first()
        cohort.joined_at = place.joined_at if place else None
        given = cohorts.given(cohort, self.worker())
        cohort.item = cohorts.item(cohort) if cohort.joined_at else None
        cohort.value, cohort.right = (given.value if given else None), cohorts.right(cohort, given)
        return Response(shapes.AttendedCohortSerializer(cohort).data)


class CohortsForMe(MyCohorts):
    @extend_schema(operation_id="my_cohorts_list", responses=shapes.CohortSerializer(many=True))
    def get(self, request: Request) -> Response:
        """Sessions that you may join, and those you were invited to."""
        return self.page(self.get_queryset())


class CohortForMe(MyCohorts):
    @extend_schema(operation_id="my_cohorts_get", responses=shapes.AttendedCohortSerializer)
    def get(self, request: Request, id: str) -> Response:
        """A session with the item that is shown now."""
        return self.attended(self.get_object())


class Join(MyCohorts):
    @extend_schema(operation_id="my_cohorts_join", request=None, responses=shapes.AttendedCohortSerializer)
    def post(self, request: Request, id: str) -> Response:
        """Be there; it can be said again."""
        cohort = self.get_object()
        cohorts.join(cohort, self.worker())
        return self.attended(cohort)


class AnswerItem(MyCohorts):
    @extend_schema(
        operation_id="my_cohorts_answer",
        request=shapes.CohortAnswerSerializer,
        responses=shapes.AttendedCohortSerializer,
    )
    def post(self, request: Request, id: str) -> Response:
        """Answer the item that is shown; the first answer stands."""
        cohort, asked = self.get_object(), self.asked(shapes.CohortAnswerSerializer)
        cohorts.answer(cohort, self.worker(), asked["position"], asked["value"])
        return self.attended(cohort)
