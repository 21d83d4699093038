"""Lessons over HTTP, for those who write them: parse, call one verb, answer."""

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from marketplace import lessons
from marketplace.api import lessons_shapes as shapes
from marketplace.api.authentication import person
from marketplace.api.views import View
from marketplace.core import replies
from marketplace.models import Lesson, Project


class OfLessons(View):
    keyset = "pk"
    serializer_class = shapes.LessonSerializer
    queryset = Lesson.objects.none()

    def get_queryset(self) -> "QuerySet[Lesson]":
        return Lesson.objects.visible_to(person(self.request)).select_related("project__organisation")


class Lessons(OfLessons):
    def project(self) -> Project:
        seen = Project.objects.visible_to(person(self.request)).select_related("organisation")
        return get_object_or_404(seen, public_id=self.kwargs["id"])

    @extend_schema(operation_id="lessons_list", responses=shapes.LessonSerializer(many=True))
    def get(self, request: Request, id: str) -> Response:
        """The lessons of a project, replaced ones too."""
        return self.page(self.project().lessons.all())

    @extend_schema(operation_id="lessons_write", responses={201: shapes.LessonSerializer})
    @replies.once
    def post(self, request: Request, id: str) -> Response:
        """Add a lesson behind the others."""
        return self.answer(lessons.write(self.project(), person(request), **self.asked(shapes.LessonSerializer)), 201)


class OneLesson(OfLessons):
    @extend_schema(operation_id="lessons_get")
    def get(self, request: Request, id: str) -> Response:
        """One lesson."""
        return self.answer(self.get_object())


class ReviseLesson(OfLessons):
    @extend_schema(operation_id="lessons_revise", responses={201: shapes.LessonSerializer})
    @replies.once
    def post(self, request: Request, id: str) -> Response:
        """Put new words in its place: a new lesson, and the old one is retired."""
        asked = self.asked(shapes.LessonSerializer)
        return self.answer(lessons.revise(self.get_object(), person(request), **asked), 201)


class MoveLesson(OfLessons):
    @extend_schema(operation_id="lessons_move", request=shapes.PlaceSerializer)
    @replies.once
    def post(self, request: Request, id: str) -> Response:
        """Put it at another place in the order."""
        position = self.asked(shapes.PlaceSerializer)["position"]
        return self.answer(lessons.move(self.get_object(), person(request), position))


class RetireLesson(OfLessons):
    @extend_schema(operation_id="lessons_retire", request=None)
    @replies.once
    def post(self, request: Request, id: str) -> Response:
        """Take it out of the course."""
        lesson = self.get_object()
        lessons.retire(lesson, person(request))
        return self.answer(lesson)
