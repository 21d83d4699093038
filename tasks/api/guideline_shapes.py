"""Guidelines at work and reopenings as answers say them."""

from rest_framework import serializers

from marketplace.api.guideline_shapes import Example
from marketplace.api.serializers import PublicId, Strict
from tasks.models import Reopening


class GuidelineText(Strict):
    """A version of what workers are told."""

    version = serializers.IntegerField()
    text = serializers.CharField()
    examples = Example(many=True)


class NewReopening(Strict):
    field = serializers.CharField(max_length=40, help_text="A field whose answers are classes.")
    label = serializers.CharField(max_length=200, help_text="A class, as text.")  # type: ignore[assignment]
    version = serializers.IntegerField(
        min_value=0, max_value=2**31 - 1, help_text="Answers given under this version of the guideline or an older one."
    )


class ReopeningQuote(Strict):
    tasks = serializers.IntegerField(help_text="How many are asked again.")
    answers = serializers.IntegerField(help_text="How many are superseded, and bought anew.")
    reserve_micros = serializers.IntegerField(help_text="Set aside for the new ones, with the fee.")
    available_micros = serializers.IntegerField()
    missing_micros = serializers.IntegerField()
    currency = serializers.CharField()


class ReopeningSerializer(Strict):
    id = PublicId()
    state = serializers.ChoiceField(
        Reopening.State.choices, help_text="stopped: the money ran out; what was reopened is whole."
    )
    field = serializers.CharField()
    label = serializers.CharField()  # type: ignore[assignment]
    version = serializers.IntegerField()
    tasks = serializers.IntegerField()
    answers = serializers.IntegerField()
    reserved_micros = serializers.IntegerField()
    missing_micros = serializers.IntegerField()
    created_at = serializers.DateTimeField()
    ended_at = serializers.DateTimeField(allow_null=True)
