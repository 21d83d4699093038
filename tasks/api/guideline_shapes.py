"""Reopenings and disagreement as answers say them."""

from typing import Any

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


class PassageSerializer(Strict):
    number = serializers.IntegerField(help_text="Of the heading, from 1; 0: before the first.")
    title = serializers.CharField()


class LabelSerializer(Strict):
    value = serializers.CharField()
    title = serializers.CharField()
    agreement = serializers.FloatField(
        allow_null=True, help_text="Of those who gave it, how often another gave it too; null: nobody else answered."
    )
    agreeing = serializers.IntegerField(help_text="Pairs of answers to one task that both give it.")
    differing = serializers.IntegerField(help_text="Pairs of which one gives it and the other does not.")
    tasks = serializers.IntegerField()
    confused_with = serializers.CharField(help_text="The label most often against it; empty: none.")
    confused = serializers.IntegerField(help_text="In how many pairs.")


class UnderVersion(Strict):
    version = serializers.IntegerField(help_text="Of the guideline; 0: there was none.")
    answers = serializers.IntegerField()
    tasks = serializers.IntegerField(help_text="Answered by two or more.")
    labels = LabelSerializer(many=True)
    pairs = serializers.ListField(
        child=serializers.ListField(child=serializers.IntegerField()),
        help_text="The field's labels by each other, in their order: pairs of answers that differ so.",
    )


class OfField(Strict):
    name = serializers.CharField()
    title = serializers.CharField()
    truth = serializers.CharField()
    labels = serializers.ListField(child=serializers.CharField())
    versions = UnderVersion(many=True)
    named = serializers.SerializerMethodField(help_text="Label -> the passages of the latest guideline that name it.")

    def get_named(self, field: Any) -> dict[str, list[dict[str, Any]]]:
        return {label: PassageSerializer(found, many=True).data for label, found in field.named.items()}  # type: ignore[misc]


class DisagreementSerializer(Strict):
    answers = serializers.IntegerField(help_text="The newest so many are looked at.")
    most = serializers.IntegerField()
    guideline_version = serializers.IntegerField()
    by_field = OfField(many=True)
