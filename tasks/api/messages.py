"""Questions about tasks over HTTP, for both sides: parse, call one verb, answer."""

from abc import abstractmethod
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
from tasks import conversations
from tasks.api import messages_shapes as shapes
from tasks.api.work import WorkView
from tasks.models import Assignment, Conversation, Message
from workers import groups


class ConversationFilter(filters.FilterSet):
    state = filters.ChoiceFilter(choices=Conversation.State.choices)


class Talk(FilteredView):
    """A conversation from one side, which says what it may see."""

    queryset: Any = Conversation.objects.none()
    serializer_class: Any = shapes.ConversationSerializer

    @abstractmethod
    def conversations(self) -> "QuerySet[Conversation]": ...

    def conversation(self) -> Conversation:
        return get_object_or_404(self.conversations(), public_id=self.kwargs["id"])


class Asking(Talk, WorkView):
    """From the worker's side."""

    serializer_class: Any = shapes.QuestionSerializer

    def conversations(self) -> "QuerySet[Conversation]":
        return self.worker().conversations.select_related("project__organisation", "worker", "assignment")


class Answering(Talk):
    """From the requester's side."""

    serializer_class: Any = shapes.AskedSerializer

    def conversations(self) -> "QuerySet[Conversation]":
        seen = Conversation.objects.visible_to(person(self.request))
        return seen.select_related("project__organisation", "worker")


class Questions(Asking):
    filterset_class = ConversationFilter

    @extend_schema(operation_id="questions_list", responses=shapes.QuestionSerializer(many=True))
    def get(self, request: Request) -> Response:
        """What you asked, newest first."""
        return self.page(self.conversations())


class Ask(Asking):
    counted = "message"

    @extend_schema(operation_id="questions_ask", request=shapes.NewQuestion, responses={201: shapes.QuestionSerializer})
    @replies.once
    def post(self, request: Request, id: str) -> Response:
        """Ask about a project, or about one task of a page of yours; the requester learns a pseudonym."""
        worker, asked = self.worker(), self.asked(shapes.NewQuestion)
        own = Project.objects.filter(pk__in=worker.assignments.values("project"))
        project = get_object_or_404(groups.open_to(worker, Project.objects.offered()) | own, public_id=id)
        if name := asked.pop("assignment", None):
            asked["assignment"] = get_object_or_404(Assignment.objects.visible_to(worker), public_id=name)
        return self.answer(conversations.ask(worker, project, asked.pop("text"), **asked), 201)


class OneQuestion(Asking):
    @extend_schema(operation_id="questions_get")
    def get(self, request: Request, id: str) -> Response:
        """One question of yours."""
        return self.answer(self.conversation())


class Said(Talk):
    """The messages of a conversation, the same for both sides."""

    counted = "message"
    keyset = "pk"
    queryset = Message.objects.none()
    serializer_class = shapes.MessageSerializer

    def _reply(self) -> Response:
        text = self.asked(shapes.NewMessage)["text"]
        return self.answer(conversations.reply(self.conversation(), person(self.request), text), 201)


class QuestionMessages(Said, Asking):
    serializer_class = shapes.MessageSerializer

    @extend_schema(operation_id="questions_messages", responses=shapes.MessageSerializer(many=True))
    def get(self, request: Request, id: str) -> Response:
        """What was said, in order."""
        return self.page(self.conversation().messages.all())

    @extend_schema(operation_id="questions_reply", request=shapes.NewMessage, responses={201: shapes.MessageSerializer})
    @replies.once
    def post(self, request: Request, id: str) -> Response:
        """Say more about your question."""
        return self._reply()


class ConversationMessages(Said, Answering):
    serializer_class = shapes.MessageSerializer

    @extend_schema(operation_id="conversations_messages", responses=shapes.MessageSerializer(many=True))
    def get(self, request: Request, id: str) -> Response:
        """What was said, in order."""
        return self.page(self.conversation().messages.all())

    @extend_schema(
        operation_id="conversations_reply", request=shapes.NewMessage, responses={201: shapes.MessageSerializer}
    )
    @replies.once
    def post(self, request: Request, id: str) -> Response:
        """Answer a worker."""
        return self._reply()


class ReadQuestion(Asking):
    @extend_schema(operation_id="questions_read", request=None, responses={204: None})
    def post(self, request: Request, id: str) -> Response:
        """Note that you have read what was answered."""
        conversations.read(self.conversation(), person(request))
        return Response(status=204)


class ReadConversation(Answering):
    @extend_schema(operation_id="conversations_read", request=None, responses={204: None})
    def post(self, request: Request, id: str) -> Response:
        """Note that your organisation has read what the worker wrote."""
        conversations.read(self.conversation(), person(request))
        return Response(status=204)


class CloseQuestion(Asking):
    @extend_schema(operation_id="questions_close", request=None)
    @replies.once
    def post(self, request: Request, id: str) -> Response:
        """End the conversation."""
        return self.answer(conversations.close(self.conversation(), person(request)))


class CloseConversation(Answering):
    @extend_schema(operation_id="conversations_close", request=None)
    @replies.once
    def post(self, request: Request, id: str) -> Response:
        """End the conversation."""
        return self.answer(conversations.close(self.conversation(), person(request)))


class Inbox(Answering):
    filterset_class: Any = ConversationFilter

    def project(self) -> Project:
        return get_object_or_404(Project.objects.visible_to(person(self.request)), public_id=self.kwargs["id"])

    @extend_schema(operation_id="projects_questions", responses=shapes.AskedSerializer(many=True))
    def get(self, request: Request, id: str) -> Response:
        """What workers asked about a project, newest first."""
        return self.page(self.conversations().filter(project=self.project()))


class Passages(Inbox):
    pagination_class = None
    filterset_class = None

    @extend_schema(operation_id="projects_questions_passages", responses=shapes.PassageSerializer(many=True))
    def get(self, request: Request, id: str) -> Response:
        """How many questions there were about each passage of the guideline, the most first."""
        counted = conversations.by_passage(self.project())
        rows = [{"passage": passage, "questions": count} for passage, count in counted]
        return Response(shapes.PassageSerializer(rows, many=True).data)


class OneConversation(Answering):
    @extend_schema(operation_id="conversations_get")
    def get(self, request: Request, id: str) -> Response:
        """One question of a worker, with the task it is about."""
        return self.answer(self.conversation())


class Promote(Answering):
    serializer_class = shapes.PromotedSerializer

    @extend_schema(
        operation_id="conversations_promote",
        request=shapes.PromoteSerializer,
        responses={201: shapes.PromotedSerializer},
    )
    @replies.once
    def post(self, request: Request, id: str) -> Response:
        """Make the question with its answer part of the guideline: its next version."""
        asked = self.asked(shapes.PromoteSerializer)
        return self.answer(conversations.promote(self.conversation(), person(request), **asked), 201)
