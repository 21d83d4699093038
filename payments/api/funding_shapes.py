"""What prepayments, refunds and what became of them look like from outside."""

from rest_framework import serializers

from marketplace.api.serializers import PublicId, Strict
from payments.api.serializers import Amount
from payments.models import Prepayment, Refund


class PrepaymentSerializer(Amount):
    id = PublicId()
    way = serializers.ChoiceField(Prepayment.Way.choices, read_only=True)
    state = serializers.ChoiceField(Prepayment.State.choices, read_only=True)
    failure = serializers.CharField(read_only=True, help_text="Why it failed; empty unless it did.")
    pay_url = serializers.CharField(read_only=True, help_text="Where it is paid; empty: not yet known, or over.")
    paid_at = serializers.DateTimeField(read_only=True, allow_null=True)
    payable_from = serializers.DateTimeField(
        read_only=True, allow_null=True, help_text="When workers may be paid out what it pays for; null: not paid yet."
    )
    refunded_micros = serializers.IntegerField(read_only=True, help_text="Paid back, or on its way back.")
    disputed_micros = serializers.IntegerField(read_only=True, help_text="Taken back by the payer's bank.")


class NewPrepayment(Strict):
    amount_micros = serializers.IntegerField(help_text="In whole minor units: 10,000 micros are one cent.")
    currency = serializers.CharField(max_length=3)
    way = serializers.ChoiceField(
        Prepayment.Way.choices,
        default=Prepayment.Way.CHECKOUT,
        help_text="`checkout`: on a page of the payment provider; `intent`: with its scripts in a page of your own.",
    )


class Secret(Strict):
    client_secret = serializers.CharField(
        read_only=True, help_text="For the provider's scripts; asked for anew each time and kept nowhere."
    )


class RefundSerializer(Strict):
    id = PublicId()
    prepayment = PublicId(source="prepayment.public_id")
    amount_micros = serializers.IntegerField(read_only=True)
    currency = serializers.CharField(source="prepayment.currency", read_only=True)
    mode = serializers.CharField(source="prepayment.mode", read_only=True)
    way = serializers.ChoiceField(Refund.Way.choices, read_only=True)
    state = serializers.ChoiceField(Refund.State.choices, read_only=True)
    failure = serializers.CharField(read_only=True, help_text="Why the money is prepaid again; empty: it is not.")
    created_at = serializers.DateTimeField(read_only=True)
    ended_at = serializers.DateTimeField(read_only=True, allow_null=True)


class NewRefund(Strict):
    amount_micros = serializers.IntegerField(
        required=False, allow_null=True, help_text="In whole minor units; left out or null: all that is free."
    )
    currency = serializers.CharField(max_length=3)


class Refunds(Strict):
    refunds = RefundSerializer(many=True, read_only=True)


class RefundToDecide(RefundSerializer):
    organisation = PublicId(source="prepayment.organisation.public_id")
    charge_id = serializers.CharField(source="prepayment.charge_id", read_only=True)
    reference = serializers.CharField(read_only=True)
    proposed_by = PublicId(source="proposed_by.public_id", allow_null=True)


class Proposal(Strict):
    reference = serializers.CharField(
        max_length=120,
        default="",
        allow_blank=True,
        help_text="Your own for the payment, such as the number of an order; never anybody's bank details.",
    )


class Declined(Strict):
    reason = serializers.CharField(max_length=500)
