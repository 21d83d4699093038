"""What requests about people mean and what answers say; shapes only."""

from rest_framework import serializers

from marketplace.api.serializers import PublicId, Strict
from workers.models import NoticeChoice


class NoticeSerializer(Strict):
    id = PublicId()
    kind = serializers.CharField(read_only=True)
    subject = serializers.CharField(read_only=True)
    text = serializers.CharField(read_only=True)
    link = serializers.CharField(read_only=True, help_text="A path of this site; may be empty.")
    created_at = serializers.DateTimeField(read_only=True)
    read_at = serializers.DateTimeField(read_only=True, allow_null=True)


class ReadSerializer(Strict):
    more = serializers.BooleanField(read_only=True, help_text="There are more to mark; ask again.")


class ChoiceSerializer(Strict):
    kind = serializers.CharField(max_length=40)
    mail = serializers.ChoiceField(NoticeChoice.Mail.choices)
    shown = serializers.BooleanField(help_text="In the site.")
    words = serializers.CharField(read_only=True)
    is_kept = serializers.BooleanField(read_only=True, help_text="Cannot be switched off in the site.")


class ChoicesSerializer(Strict):
    choices = ChoiceSerializer(many=True, help_text="Kinds that are left out stay as they are.")
