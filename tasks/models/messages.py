"""What workers and requesters write to each other about a task, and what people report to admins."""

from typing import Self

from django.db import models
from django.db.models import Q

from marketplace.core.ids import PublicIdField
from marketplace.core.states import known
from marketplace.models import Membership, Project, User
from tasks.models.work import Answer, Assignment
from workers.models import Worker


class ConversationQuerySet(models.QuerySet["Conversation"]):
    def visible_to(self, user: User) -> Self:
        """What a member of the requesting organisation may see."""
        return self.filter(project__organisation__memberships__user=user)


class Conversation(models.Model):
    """A question of a worker about one task of a page of theirs, or about a project, and what came of it."""

    class State(models.TextChoices):
        OPEN = "open"  # the requester is to answer
        ANSWERED = "answered"
        CLOSED = "closed"

    MOVES = {State.OPEN: {State.ANSWERED, State.CLOSED}, State.ANSWERED: {State.OPEN, State.CLOSED}}

    public_id = PublicIdField("cnv")
    project = models.ForeignKey(Project, models.PROTECT, related_name="conversations", db_index=False)
    worker = models.ForeignKey(Worker, models.PROTECT, related_name="conversations", db_index=False)
    assignment = models.ForeignKey(Assignment, models.PROTECT, null=True, related_name="+", db_index=False)
    position = models.PositiveSmallIntegerField(null=True)
    passage = models.CharField(max_length=200, blank=True, help_text="The heading of the guideline it is about.")
    state = models.CharField(max_length=10, choices=State, default=State.OPEN)
    promoted_version = models.PositiveIntegerField(null=True, help_text="Of the guideline that took it in.")
    opened_at = models.DateTimeField()

    objects = ConversationQuerySet.as_manager()

    class Meta:
        constraints = [
            known("conversation", ["open", "answered", "closed"]),
            models.CheckConstraint(
                condition=Q(assignment=None, position=None) | Q(assignment__isnull=False) & Q(position__isnull=False),
                name="conversation_one_task",
            ),
        ]
        indexes = [
            models.Index(fields=["project", "state", "id"], name="conversation_of_project"),
            models.Index(fields=["worker", "id"], name="conversation_of_worker"),
        ]

    def __str__(self) -> str:
        return self.public_id

    @property
    def answer(self) -> Answer | None:
        """The place on the worker's page it is about, with its task."""
        if self.assignment_id is None or self.position is None:
            return None
        seats = Answer.objects.select_related("batch", "task__item", "task__gold")
        return seats.get(assignment=self.assignment_id, position=self.position)


class MessageQuerySet(models.QuerySet["Message"]):
    def reportable_by(self, user: User) -> Self:
        """What the other side of this person's conversations wrote."""
        to_worker = Q(by_worker=False, conversation__worker__user=user)
        members = Membership.objects.filter(user=user).values("organisation")
        to_requester = Q(by_worker=True, conversation__project__organisation__in=members)
        found = self.filter(to_worker | to_requester).exclude(author=user)
        return found.select_related("conversation__project__organisation", "conversation__worker")


class Message(models.Model):
    """One thing that was said in a conversation; plain text."""

    public_id = PublicIdField("msg")
    conversation = models.ForeignKey(Conversation, models.PROTECT, related_name="messages", db_index=False)
    by_worker = models.BooleanField()
    author = models.ForeignKey(User, models.PROTECT, related_name="+", db_index=False)
    text = models.TextField()
    at = models.DateTimeField()
    read_at = models.DateTimeField(null=True, help_text="By the other side.")

    objects = MessageQuerySet.as_manager()

    class Meta:
        indexes = [models.Index(fields=["conversation", "id"], name="message_of_conversation")]

    def __str__(self) -> str:
        return self.public_id


class Report(models.Model):
    """Somebody tells the admins that something should not be here: a message, a task, or a project."""

    class Reason(models.TextChoices):
        ILLEGAL = "illegal", "It is against the law"
        DISTURBING = "disturbing", "It is disturbing"
        PERSONAL = "personal", "It shows personal data of somebody"
        ABUSIVE = "abusive", "It insults or threatens"
        BROKEN = "broken", "It is broken or cannot be answered"
        OTHER = "other", "Something else"

    class State(models.TextChoices):
        OPEN = "open"
        SETTLED = "settled"  # there was something to it
        DISMISSED = "dismissed"

    MOVES = {State.OPEN: {State.SETTLED, State.DISMISSED}}

    public_id = PublicIdField("rep")
    reporter = models.ForeignKey(User, models.PROTECT, related_name="+", db_index=False)
    project = models.ForeignKey(Project, models.PROTECT, related_name="+", help_text="It, or where it is from.")
    message = models.ForeignKey(Message, models.PROTECT, null=True, related_name="+", db_index=False)
    assignment = models.ForeignKey(Assignment, models.PROTECT, null=True, related_name="+", db_index=False)
    position = models.PositiveSmallIntegerField(null=True)
    reason_code = models.CharField(max_length=10, choices=Reason)
    text = models.TextField(blank=True)
    state = models.CharField(max_length=10, choices=State, default=State.OPEN)
    reported_at = models.DateTimeField()
    decided_by = models.ForeignKey(User, models.PROTECT, null=True, related_name="+", db_index=False)
    reason = models.TextField(blank=True)
    decided_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            known("report", ["open", "settled", "dismissed"]),
            models.CheckConstraint(
                condition=Q(message=None, assignment=None, position=None)
                | Q(message__isnull=False, assignment=None, position=None)
                | Q(message=None, assignment__isnull=False, position__isnull=False),
                name="report_one_thing",
            ),
            models.UniqueConstraint(
                fields=["reporter", "message", "assignment", "position", "project"],
                nulls_distinct=False,
                name="report_once",
            ),
        ]
        indexes = [
            models.Index(fields=["id"], condition=Q(state="open"), name="report_waiting"),
        ]

    def __str__(self) -> str:
        return self.public_id

    @property
    def about(self) -> str:
        """What kind of thing was reported: message, task or project."""
        return "message" if self.message_id else "task" if self.assignment_id else "project"
