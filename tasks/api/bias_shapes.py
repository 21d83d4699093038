"""Who answers how, as JSON."""

from typing import Any

from rest_framework import serializers


class GroupLabelShareSerializer(serializers.Serializer[Any]):
    """How often a group gave a label, and all others did on the same tasks; null: too few tasks in common."""

    name = serializers.CharField(help_text="Of the label.")
    share = serializers.FloatField(allow_null=True, help_text="0 to 1, in hundredths; of the tasks both answered.")
    others = serializers.FloatField(allow_null=True)
    shift = serializers.FloatField(allow_null=True, help_text="Share less that of the others.")
    low = serializers.FloatField(allow_null=True, help_text="95 % of resamples of tasks have the shift above this,")
    high = serializers.FloatField(allow_null=True, help_text="and below this.")


class BiasGroupSerializer(serializers.Serializer[Any]):
    title = serializers.CharField()
    people = serializers.IntegerField(help_text="Counted at least; in steps of 5.")
    shares = GroupLabelShareSerializer(many=True)
    chance = serializers.FloatField(
        help_text="That groups drawn by lot differ as far, all that the report compares taken into account."
    )
    differs = serializers.BooleanField(help_text="That chance is 5 % or less.")
    variation = serializers.FloatField(allow_null=True, help_text="Half the sum of all shifts without their sign.")
    by_chance = serializers.FloatField(allow_null=True, help_text="What variation chance alone would show.")


class BiasComparisonSerializer(serializers.Serializer[Any]):
    """A field by the answers to a question; labels that too few people gave are left out."""

    field = serializers.CharField()
    title = serializers.CharField()
    truth = serializers.ChoiceField(
        choices=["factual", "ordinal", "perspective"], help_text="Of a perspective the shares of groups are the result."
    )
    question = serializers.CharField()
    words = serializers.CharField()
    groups = BiasGroupSerializer(many=True)


class BiasSerializer(serializers.Serializer[Any]):
    """Of the whole project; what was handed in before a day. Of each group some people are left out by lot."""

    until = serializers.DateTimeField(help_text="Answers and what people said of themselves before this count.")
    most = serializers.IntegerField(help_text="Answers looked at, at most: the newest.")
    least = serializers.IntegerField(help_text="People: smaller groups are not shown.")
    comparisons = BiasComparisonSerializer(many=True, help_text="Those with at least two groups that may be shown.")
