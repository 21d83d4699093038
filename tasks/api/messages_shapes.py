"""What is said about questions and reports at the edge; shapes only, no writing."""

from typing import Any

from rest_framework import serializers

from marketplace.api.serializers import PublicId, Strict
from tasks.conversations import TEXT_MOST
from tasks.models import Conversation, Report


class MessageSerializer(Strict):
    id = PublicId()
    by_worker = serializers.BooleanField(read_only=True, help_text="Otherwise by the organisation.")
    text = serializers.CharField(read_only=True, help_text="Plain text.")
    at = serializers.DateTimeField(read_only=True)
    read_at = serializers.DateTimeField(read_only=True, allow_null=True, help_text="By the other side.")


class NewMessage(Strict):
    text = serializers.CharField(max_length=TEXT_MOST, help_text="Plain text. Keep names and addresses out of it.")


class NewQuestion(NewMessage):
    assignment = serializers.CharField(max_length=24, required=False, help_text="A page of yours; with a position.")
    position = serializers.IntegerField(min_value=0, max_value=32_767, required=False)
    passage = serializers.CharField(
        max_length=200, required=False, allow_blank=True, help_text="A heading of the latest guideline."
    )


class ConversationSerializer(Strict):
    id = PublicId()
    project = PublicId(source="project.public_id")
    passage = serializers.CharField(read_only=True)
    state = serializers.ChoiceField(Conversation.State.choices, read_only=True)
    promoted_version = serializers.IntegerField(
        read_only=True, allow_null=True, help_text="Of the guideline that took it in."
    )
    opened_at = serializers.DateTimeField(read_only=True)


class QuestionSerializer(ConversationSerializer):
    """As the worker who asked sees it."""

    assignment = serializers.CharField(source="assignment.public_id", read_only=True, default=None, allow_null=True)
    position = serializers.IntegerField(read_only=True, allow_null=True)


class AskedSerializer(ConversationSerializer):
    """As the requester sees it: the worker under a pseudonym of the organisation's own."""

    worker = serializers.SerializerMethodField()
    payload = serializers.JSONField(read_only=True, allow_null=True, help_text="Of the task it is about.")
    is_gold = serializers.BooleanField(read_only=True, help_text="Workers cannot know: do not tell them.")

    def get_worker(self, conversation: Conversation) -> str:
        return conversation.project.organisation.pseudonym(conversation.worker.public_id)

    def to_representation(self, conversation: Any) -> Any:
        answer = conversation.answer
        conversation.payload = answer.task.item.payload if answer else None
        conversation.is_gold = bool(answer and hasattr(answer.task, "gold"))
        return super().to_representation(conversation)


class PassageSerializer(Strict):
    passage = serializers.CharField()
    questions = serializers.IntegerField()


class PromoteSerializer(Strict):
    question = serializers.CharField(max_length=TEXT_MOST, help_text="One line.")
    answer = serializers.CharField(max_length=TEXT_MOST, help_text="Markdown.")


class PromotedSerializer(Strict):
    version = serializers.IntegerField(help_text="Of the guideline.")


class MyReportSerializer(Strict):
    """As the one who made it sees it."""

    id = PublicId()
    about = serializers.ChoiceField(["message", "task", "project"], read_only=True)
    project = PublicId(source="project.public_id")
    message = serializers.CharField(source="message.public_id", read_only=True, default=None, allow_null=True)
    assignment = serializers.CharField(source="assignment.public_id", read_only=True, default=None, allow_null=True)
    position = serializers.IntegerField(read_only=True, allow_null=True)
    reason_code = serializers.ChoiceField(Report.Reason.choices, read_only=True)
    text = serializers.CharField(read_only=True)
    state = serializers.ChoiceField(Report.State.choices, read_only=True)
    reported_at = serializers.DateTimeField(read_only=True)
    reason = serializers.CharField(read_only=True, help_text="Of the admin; empty while it is open.")
    decided_at = serializers.DateTimeField(read_only=True, allow_null=True)


class ReportSerializer(MyReportSerializer):
    """As admins see it."""

    reporter = PublicId(source="reporter.public_id")
    evidence = serializers.SerializerMethodField(help_text="What was reported, as it stands.")

    def get_evidence(self, report: Report) -> str:
        return report.message.text if report.message else ""


class NewReport(Strict):
    """About one thing: a project, a task of a page of yours, or a message to you."""

    project = serializers.CharField(max_length=24, required=False)
    assignment = serializers.CharField(max_length=24, required=False)
    position = serializers.IntegerField(min_value=0, max_value=32_767, required=False)
    message = serializers.CharField(max_length=24, required=False)
    reason_code = serializers.ChoiceField(Report.Reason.choices)
    text = serializers.CharField(max_length=TEXT_MOST, required=False, allow_blank=True)


class DismissSerializer(Strict):
    reason = serializers.CharField(max_length=TEXT_MOST, help_text="The reporter reads it.")


class SettleSerializer(DismissSerializer):
    pause_project = serializers.BooleanField(default=False)
