"""How people are paid, as programs see it."""

from rest_framework import serializers

from marketplace.api.serializers import PublicId, Strict
from payments.api.serializers import Amount, PayoutSerializer
from payments.models import PayoutAccount, PayoutSchedule


class PayoutAccountSerializer(Strict):
    state = serializers.ChoiceField(PayoutAccount.State.choices, read_only=True)
    words = serializers.CharField(read_only=True, help_text="The state as a person reads it.")
    country = serializers.CharField(read_only=True, help_text="ISO 3166-1 alpha-2.")
    missing = serializers.ListField(
        child=serializers.CharField(), read_only=True, help_text="What the provider still wants, in its own words."
    )
    seen_at = serializers.DateTimeField(read_only=True, allow_null=True, help_text="When the provider was last asked.")


class HowPaid(Strict):
    account = PayoutAccountSerializer(read_only=True, allow_null=True, help_text="Null: you have not said where.")
    schedule = serializers.ChoiceField(PayoutSchedule.Every.choices, read_only=True)
    held_until = serializers.DateTimeField(
        read_only=True,
        allow_null=True,
        help_text="Nothing is paid out to you before; a decision says why.",
    )


class NewPayoutAccount(Strict):
    country = serializers.CharField(max_length=2, help_text="ISO 3166-1 alpha-2: where you are paid.")


class PayoutAccountLink(Strict):
    url = serializers.URLField(read_only=True, help_text="It works once, and for some minutes.")


class LastPayouts(Strict):
    payouts = PayoutSerializer(many=True, read_only=True)


class ScheduleSerializer(Strict):
    every = serializers.ChoiceField(PayoutSchedule.Every.choices)


class ReviewedPayoutSerializer(Amount):
    id = PublicId()
    user = serializers.CharField(source="user.public_id", read_only=True)
    state = serializers.CharField(read_only=True)
    review_because = serializers.CharField(read_only=True)


class RefusePayout(Strict):
    reason = serializers.CharField(max_length=2000, help_text="The person reads it.")
