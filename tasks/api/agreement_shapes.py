"""Agreement as answers say it."""

from typing import Any

from rest_framework import serializers

from marketplace.api.serializers import Strict
from tasks.agreement.alphas import Unknown
from tasks.agreement.scales import Scale

BOUND = "It lies between the two with 95 % probability; null: not known."


class AlphaSerializer(Strict):
    """Krippendorff's alpha: 1 = all agree, 0 = as if by chance, below 0 = they oppose."""

    value = serializers.FloatField(allow_null=True)
    low = serializers.FloatField(allow_null=True, help_text=BOUND)
    high = serializers.FloatField(allow_null=True, help_text=BOUND)
    tasks = serializers.IntegerField(help_text="It rests on these: answered by two people or more.")
    answers = serializers.IntegerField(help_text="To these tasks.")
    unknown = serializers.ChoiceField(
        choices=[one.value for one in Unknown],
        allow_blank=True,
        help_text="Why there is no value: no_pairs, nobody answered what another did; one_value, all say the same. Why "
        "there is no interval: few_tasks, below ten; alike, all tasks are. Empty: there are both.",
    )


class SetF1Serializer(Strict):
    """Mean pairwise F1: of two answers to a task, how much of what either chose did both choose."""

    mean = serializers.FloatField(allow_null=True, help_text="Every task counts the same; null: no pair of answers.")
    low = serializers.FloatField(allow_null=True, help_text=BOUND)
    high = serializers.FloatField(allow_null=True, help_text=BOUND)
    tasks = serializers.IntegerField()
    pairs = serializers.IntegerField(help_text="Of answers.")


class PeriodSerializer(Strict):
    """Tasks by their last answer, equally many at a time."""

    since = serializers.DateTimeField()
    until = serializers.DateTimeField()
    alpha = AlphaSerializer()


class WorkerPairSerializer(Strict):
    workers = serializers.ListField(child=serializers.CharField(), help_text="Under your organisation's pseudonyms.")
    shared = serializers.IntegerField(help_text="Tasks that both answered; ten or more.")
    agreed = serializers.FloatField(help_text="The part of these to which both said just the same.")
    kappa = serializers.FloatField(help_text="The same beyond chance, by Cohen.")


class WorkerPairsSerializer(Strict):
    """Where to look twice; by itself never a reason to decide anything about anybody."""

    compared = serializers.IntegerField(help_text="Pairs of workers who share enough tasks.")
    least = WorkerPairSerializer(many=True, help_text="Those who agree least, at most ten.")
    most = WorkerPairSerializer(many=True, help_text="Those who agree most, at most ten.")


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
    alpha = AlphaSerializer()
    labels = LabelSerializer(many=True, help_text="Empty where answers cannot be listed.")
    pairs = serializers.ListField(
        child=serializers.ListField(child=serializers.IntegerField()),
        help_text="The field's labels by each other, in their order: pairs of answers that differ so.",
    )


class OfField(Strict):
    name = serializers.CharField()
    title = serializers.CharField()
    truth = serializers.CharField(help_text="perspective: to differ is a result here, and no fault.")
    scale = serializers.ChoiceField(choices=[one.value for one in Scale], help_text="How far two answers are apart.")
    labels = serializers.ListField(child=serializers.CharField())
    alpha = AlphaSerializer(help_text="Of the answers that count; what was superseded is left out.")
    f1 = SetF1Serializer(allow_null=True, help_text="Null: answers are no sets.")
    periods = PeriodSerializer(many=True, help_text="The oldest first, at most twelve; empty: too few tasks.")
    pairs = WorkerPairsSerializer(
        allow_null=True, help_text="Null: a field of perspective, or answers are never just the same."
    )
    versions = UnderVersion(many=True, help_text="The newest first, at most ten.")
    named = serializers.SerializerMethodField(help_text="Label -> the passages of the latest guideline that name it.")

    def get_named(self, field: Any) -> dict[str, list[dict[str, Any]]]:
        return {label: PassageSerializer(found, many=True).data for label, found in field.named.items()}  # type: ignore[misc]


class AgreementSerializer(Strict):
    answers = serializers.IntegerField(help_text="The newest so many are looked at.")
    most = serializers.IntegerField()
    guideline_version = serializers.IntegerField()
    by_field = OfField(many=True)
