"""Labels that look wrong, as JSON."""

from typing import Any

from rest_framework import serializers

from marketplace.core.paging import seal
from tasks import suspects


class SuspectReasonSerializer(serializers.Serializer[Any]):
    why = serializers.ChoiceField(choices=[why.value for why in suspects.Why])
    score = serializers.FloatField(help_text="0 to 1, to rank by; no probability.")
    instead = serializers.CharField(help_text="What it seems to be.")
    words = serializers.CharField()


class SuspectSerializer(serializers.Serializer[Any]):
    task = serializers.SerializerMethodField(help_text="A key of the task, to send it on.")
    key = serializers.CharField(help_text="Yours, of the item.")
    excerpt = serializers.DictField(child=serializers.CharField(), help_text="Of the item: how each part begins.")
    field = serializers.CharField()
    title = serializers.CharField()
    value = serializers.CharField(source="label", help_text="The label that looks wrong.")
    confidence = serializers.FloatField(allow_null=True)
    score = serializers.FloatField()
    reasons = SuspectReasonSerializer(many=True, help_text="The strongest first.")

    def get_task(self, one: suspects.Suspect) -> str:
        return seal(one.task)


class LabelDriftSerializer(serializers.Serializer[Any]):
    """A label that is given more often, or less, in this batch than in the earlier ones, by more than chance."""

    field = serializers.CharField()
    title = serializers.CharField()
    value = serializers.CharField(source="label")
    before = serializers.FloatField(help_text="Its share of the labels of all earlier batches.")
    now = serializers.FloatField(help_text="Its share of the labels of this one.")


class SuspectsSerializer(serializers.Serializer[Any]):
    looked_at = serializers.IntegerField(help_text="Tasks, the newest.")
    most = serializers.IntegerField()
    found = serializers.IntegerField(help_text="Labels that look wrong; the first of them are listed.")
    suspects = SuspectSerializer(many=True)
    drifts = LabelDriftSerializer(many=True)
