"""Being taught and tested over HTTP, and what a pilot showed: parse, call one verb, answer."""

from django.db.models import QuerySet
from django.http import HttpResponse
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from marketplace.core.errors import NotFound
from marketplace.models import Lesson, Project
from tasks import pilots, training
from tasks.api import batches, pages, serializers
from tasks.api import teaching_shapes as shapes
from tasks.api.work import MyAssignments, WorkView
from tasks.models import Assignment, Batch


class Exam(WorkView):
    serializer_class = serializers.PageSerializer
    queryset = Project.objects.offered()

    @extend_schema(
        operation_id="sit_exam",
        request=None,
        responses={200: serializers.PageSerializer, 201: serializers.PageSerializer},
    )
    def post(self, request: Request, id: str) -> HttpResponse:
        """Begin the exam, or come back to it. Its time cannot be extended."""
        return pages.page(training.sit(self.worker(), self.get_object()))


class Lessons(WorkView):
    pagination_class = None
    serializer_class = shapes.LessonToReadSerializer
    queryset = Project.objects.offered()

    @extend_schema(operation_id="lessons_to_read", responses=shapes.LessonToReadSerializer(many=True))
    def get(self, request: Request, id: str) -> Response:
        """The lessons of a project in their order, and which of them you have read."""
        found = training.progress(self.worker(), self.get_object())
        return Response(self.get_serializer(found, many=True).data)


class ReadLesson(WorkView):
    queryset = Lesson.objects.none()

    def get_queryset(self) -> "QuerySet[Lesson]":
        return Lesson.objects.filter(project__in=Project.objects.offered())

    @extend_schema(operation_id="lessons_read", request=shapes.ReadSerializer, responses={204: None})
    def post(self, request: Request, id: str) -> Response:
        """Say that you have read it."""
        training.read(self.worker(), self.get_object(), self.asked(shapes.ReadSerializer).get("active_s", 0))
        return Response(status=204)


class Check(MyAssignments):
    serializer_class = shapes.MarkedSerializer

    @extend_schema(operation_id="assignments_check", request=shapes.CheckSerializer, responses=shapes.MarkedSerializer)
    def post(self, request: Request, id: str) -> Response:
        """Answer one task of a practice and be told at once what is right; the first answer stands."""
        asked = self.asked(shapes.CheckSerializer)
        return self.answer(training.check(self.get_object(), asked["position"], asked["value"]))


class ExamResult(MyAssignments):
    serializer_class = shapes.ResultSerializer

    @extend_schema(operation_id="assignments_result", responses=shapes.ResultSerializer)
    def get(self, request: Request, id: str) -> Response:
        """What an exam came to, and when the next try is possible."""
        lease = self.get_object()
        if lease.purpose != Assignment.Purpose.EXAM:
            raise NotFound("a result is given for exams only")
        return self.answer(training.result(lease))


class Pilot(batches.OfBatch):
    serializer_class = shapes.PilotSerializer

    @extend_schema(operation_id="batches_pilot")
    def get(self, request: Request, id: str) -> Response:
        """How far people agree in a pilot so far, and which answers they mix up."""
        pilot: Batch = self.batch()
        if not pilot.pilot_size:
            raise NotFound("this batch is no pilot")
        return self.answer(pilots.outcome(pilot))
