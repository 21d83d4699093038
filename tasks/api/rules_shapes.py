"""What goes in and comes out where rules are written; shapes only, no writing."""

from typing import Any

from rest_framework import serializers

from marketplace.api.serializers import Strict
from tasks.models import Rule
from tasks.rules import wording
from tasks.rules.checking import ACTIONS, CONDITIONS_MOST, TEXT_MOST
from tasks.rules.collectors import COLLECTORS, IS


class ConditionSerializer(Strict):
    figure = serializers.CharField(max_length=20, help_text="One of the collector's figures.")
    to = serializers.FloatField(help_text="What it is compared with; shares go from 0 to 1.")

    def get_fields(self) -> Any:
        return {**super().get_fields(), "is": serializers.ChoiceField(choices=list(IS))}


class MeasureSerializer(Strict):
    threshold = serializers.FloatField(required=False, help_text="The mark of p_below.")
    fast_s = serializers.FloatField(required=False, help_text="Seconds a task below which a page is fast.")


class ActionSerializer(Strict):
    kind = serializers.ChoiceField(choices=list(ACTIONS))
    hours = serializers.IntegerField(required=False, help_text="Of stop, and where it ends of small_pages.")
    page_size = serializers.IntegerField(required=False, help_text="Of small_pages.")
    whom = serializers.ChoiceField(required=False, choices=["worker", "requester"], help_text="Of notify.")
    text = serializers.CharField(required=False, max_length=TEXT_MOST, help_text="Of notify.")
    what = serializers.ChoiceField(required=False, choices=["deny", "reject"], help_text="Of propose.")


class NewRuleSerializer(Strict):
    name = serializers.CharField(max_length=120)
    collector = serializers.ChoiceField(choices=list(COLLECTORS))
    history = serializers.IntegerField(default=0, help_text="Only the last so many of what it collects; 0: all.")
    measure = MeasureSerializer(required=False, help_text="What its figures want to know.")
    conditions = serializers.ListField(
        child=ConditionSerializer(), min_length=1, max_length=CONDITIONS_MOST, help_text="All must hold."
    )
    action = ActionSerializer()


class RevisedRuleSerializer(NewRuleSerializer):
    name = serializers.CharField(max_length=120, required=False)
    collector = serializers.ChoiceField(choices=list(COLLECTORS), required=False)
    history = serializers.IntegerField(required=False)
    conditions = serializers.ListField(
        child=ConditionSerializer(), min_length=1, max_length=CONDITIONS_MOST, required=False
    )
    action = ActionSerializer(required=False)


class RuleInForceSerializer(Strict):
    """A rule as workers read it."""

    name = serializers.CharField()
    version = serializers.IntegerField()
    sentence = serializers.SerializerMethodField(help_text="When it acts, and what it does.")

    def get_sentence(self, rule: Rule) -> str:
        return wording.describe(rule)


class TriedSerializer(Strict):
    worker = serializers.CharField(help_text="The organisation's name for them.")
    accuracy = serializers.FloatField(allow_null=True, help_text="As it is now; null: nothing is measured.")
    accuracy_p05 = serializers.FloatField(allow_null=True)
    accuracy_p95 = serializers.FloatField(allow_null=True)
    first = serializers.CharField(allow_blank=True, help_text="When it would have hit them; empty: never.")
    figures = serializers.DictField(child=serializers.FloatField(), help_text="As they were then.")
    answers_after = serializers.IntegerField(help_text="Answers they gave after it.")


class TrialSerializer(Strict):
    workers = serializers.IntegerField(help_text="Looked at.")
    pieces = serializers.IntegerField(help_text="Checks, pages or answers counted.")
    would_have = serializers.IntegerField(help_text="Workers it would have hit.")
    hit = TriedSerializer(many=True)
    others = TriedSerializer(many=True)


class RuleSerializer(Strict):
    id = serializers.CharField(source="public_id")
    project = serializers.CharField(source="project.public_id")
    name = serializers.CharField()
    version = serializers.IntegerField()
    replaces = serializers.CharField(source="replaces.public_id", allow_null=True, default=None)
    state = serializers.CharField()
    sentence = serializers.SerializerMethodField(help_text="What it says, as workers read it.")
    collector = serializers.CharField()
    history = serializers.IntegerField()
    measure = MeasureSerializer()
    conditions = serializers.ListField(child=ConditionSerializer())
    action = ActionSerializer()
    created_at = serializers.DateTimeField()
    switched_at = serializers.DateTimeField(allow_null=True)
    tried_at = serializers.DateTimeField(allow_null=True)
    tried = TrialSerializer(allow_null=True)

    def get_sentence(self, rule: Rule) -> str:
        return wording.describe(rule)
