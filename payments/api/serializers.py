"""What money looks like from outside: integers in micros, millionths of the currency's unit."""

from datetime import date

from rest_framework import serializers

from marketplace.api.serializers import PublicId, Strict
from marketplace.models import Mode
from payments.models import Payout, Transfer


class Amount(Strict):
    """An amount of one kind of money."""

    amount_micros = serializers.IntegerField(read_only=True)
    currency = serializers.CharField(read_only=True)
    mode = serializers.ChoiceField(Mode.choices, read_only=True)
    created_at = serializers.DateTimeField(read_only=True)


class BalanceSerializer(Strict):
    currency = serializers.CharField(read_only=True)
    mode = serializers.ChoiceField(Mode.choices, read_only=True)
    prepaid_micros = serializers.IntegerField(read_only=True, help_text="Paid, and not set aside for a batch.")
    reserved_micros = serializers.IntegerField(read_only=True, help_text="Set aside for batches, and not spent.")
    refunding_micros = serializers.IntegerField(read_only=True, help_text="On its way back to the organisation.")


class Balances(Strict):
    balances = BalanceSerializer(many=True, read_only=True)


class PendingSerializer(Strict):
    payable_from = serializers.DateField(read_only=True)
    amount_micros = serializers.IntegerField(read_only=True)


class EarningSerializer(Strict):
    currency = serializers.CharField(read_only=True)
    mode = serializers.ChoiceField(Mode.choices, read_only=True)
    earned_micros = serializers.IntegerField(read_only=True, help_text="All that was ever settled.")
    paid_micros = serializers.IntegerField(read_only=True, help_text="Paid out.")
    in_transit_micros = serializers.IntegerField(read_only=True, help_text="Payouts on their way.")
    balance_micros = serializers.IntegerField(read_only=True, help_text="Earned and payable, and still here.")
    pending_micros = serializers.IntegerField(read_only=True, help_text="Earned, and payable from a later day.")
    pending = PendingSerializer(many=True, read_only=True, help_text="By the day from which it is payable.")
    available_micros = serializers.IntegerField(read_only=True, help_text="The part a payout can move.")


class Earnings(Strict):
    earnings = EarningSerializer(many=True, read_only=True)


class EarnedTransfer(Amount):
    kind = serializers.CharField(source="entry.kind", read_only=True, help_text="What happened: settlement, ...")
    facts = serializers.DictField(source="entry.facts", read_only=True)
    project = serializers.SerializerMethodField(help_text="Whose reserve it came from; null: from elsewhere.")
    payable_from = serializers.SerializerMethodField(help_text="The day, where it was not payable at once; else null.")

    def get_payable_from(self, transfer: Transfer) -> date | None:
        return date.fromisoformat(transfer.credit.subject) if transfer.credit.subject else None

    def get_project(self, transfer: Transfer) -> str | None:
        reserve = getattr(transfer.debit, "reserve", None)
        return reserve.project.public_id if reserve else None


class PayoutSerializer(Amount):
    id = PublicId()
    state = serializers.ChoiceField(Payout.State.choices, read_only=True)
    failure = serializers.CharField(read_only=True, help_text="Why it failed or came back; empty unless it did.")
    is_scheduled = serializers.BooleanField(read_only=True, help_text="Nobody asked for it but the schedule.")
    sent_at = serializers.DateTimeField(read_only=True, allow_null=True, help_text="When the provider was first asked.")
    ended_at = serializers.DateTimeField(read_only=True, allow_null=True)


class NewPayout(Strict):
    amount_micros = serializers.IntegerField(
        required=False, allow_null=True, help_text="In whole minor units; left out or null: all there is."
    )
    currency = serializers.CharField(max_length=3, default="USD")
