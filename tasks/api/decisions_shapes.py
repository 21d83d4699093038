"""What goes in and comes out where organisations decide about workers; shapes only, no writing."""

from rest_framework import serializers

from marketplace.api.serializers import Strict
from tasks.api.serializers import DecisionSerializer
from tasks.models import Decision

BY_PEOPLE = [Decision.Kind.STOP, Decision.Kind.SMALL_PAGES, Decision.Kind.RETRAIN, Decision.Kind.DENY]


class DecidedSerializer(DecisionSerializer):
    """A decision as the organisation sees it: the worker under a pseudonym of its own."""

    worker = serializers.SerializerMethodField()
    rule = serializers.CharField(source="rule.public_id", allow_null=True, default=None)

    def get_worker(self, decision: Decision) -> str:
        assert decision.organisation
        return decision.organisation.pseudonym(decision.worker.public_id)


class NewDecisionSerializer(Strict):
    worker = serializers.CharField(max_length=20, help_text="The organisation's name for the worker.")
    kind = serializers.ChoiceField(choices=[kind.value for kind in BY_PEOPLE])
    project = serializers.CharField(max_length=40, required=False, help_text="All but deny are about one project.")
    reason_code = serializers.ChoiceField(choices=Decision.Reason.choices)
    reason = serializers.CharField(max_length=5000)
    until = serializers.DateTimeField(required=False, allow_null=True, help_text="When it ends by itself.")
    page_size = serializers.IntegerField(required=False, min_value=1, help_text="The most, with smaller pages.")
