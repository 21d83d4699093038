"""What goes in and comes out where payouts are held; shapes only, no writing."""

from rest_framework import serializers

from marketplace.api.serializers import PublicId, Strict
from tasks.models import Decision


class NewHold(Strict):
    worker = serializers.CharField(max_length=40, help_text="The worker's own id, as wrk_0123456789abcdef.")
    days = serializers.IntegerField(min_value=1, max_value=365, help_text="It then ends by itself.")
    reason_code = serializers.ChoiceField(choices=Decision.Reason.choices)
    reason = serializers.CharField(max_length=5000, help_text="The worker reads this.")
    rests_on = serializers.CharField(max_length=5000, required=False, help_text="The worker reads this too.")


class HoldSerializer(Strict):
    id = PublicId()
    state = serializers.ChoiceField(Decision.State.choices, read_only=True)
    reason_code = serializers.CharField(read_only=True)
    reason = serializers.CharField(read_only=True)
    decided_at = serializers.DateTimeField(read_only=True)
    until = serializers.DateTimeField(read_only=True)
    contestable_until = serializers.DateTimeField(read_only=True)
