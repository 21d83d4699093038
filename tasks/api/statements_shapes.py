"""What goes in and comes out at the edge of statements and invoices; shapes only, no writing."""

from typing import Any

from rest_framework import serializers

from marketplace.api.serializers import PublicId, Strict
from marketplace.core import paging
from marketplace.models import Mode
from payments.api.serializers import EarnedTransfer
from payments.models import Invoice, Transfer


class Money(Strict):
    currency = serializers.CharField(read_only=True)
    mode = serializers.ChoiceField(Mode.choices, read_only=True)


class EarnedMonth(Money):
    month = serializers.CharField(help_text="As 2026-10, in the operator's time zone.")
    change_micros = serializers.IntegerField(source="micros", help_text="Into what is owed to you, less out of it.")


class EarnedMonths(Strict):
    counted_at = serializers.DateTimeField(allow_null=True, help_text="What was booked before is in it.")
    months = EarnedMonth(many=True)


class StatementLine(Strict):
    month = serializers.CharField()
    sense = serializers.CharField(help_text="earned, taken_back, payout or returned.")
    kind = serializers.CharField(help_text="Of the entries: settlement, bonus, ...")
    project = serializers.CharField(allow_null=True)
    title = serializers.CharField(allow_null=True)
    amount_micros = serializers.IntegerField(help_text="Never negative; the sense says which way.")
    transfers = serializers.IntegerField(help_text="How many amounts it is the sum of.")
    pending_micros = serializers.IntegerField(help_text="Of it, what became payable later.")


class StatementPart(Money):
    opening_micros = serializers.IntegerField()
    earned_micros = serializers.IntegerField()
    taken_back_micros = serializers.IntegerField()
    payout_micros = serializers.IntegerField()
    returned_micros = serializers.IntegerField()
    closing_micros = serializers.IntegerField(
        help_text="opening + earned - taken_back - payout + returned: what is owed to you."
    )
    pending_micros = serializers.IntegerField(help_text="Of the closing balance, what is not payable yet.")
    lines = StatementLine(many=True, source="shown")


class StatementSerializer(Strict):
    begins_at = serializers.DateTimeField()
    ends_at = serializers.DateTimeField()
    is_closed = serializers.BooleanField(help_text="Nothing can be booked into it any more.")
    counted_at = serializers.DateTimeField(allow_null=True, help_text="What was booked before is in it.")
    parts = StatementPart(many=True)


class StatementTransfer(EarnedTransfer):
    id = serializers.SerializerMethodField(help_text="Names the amount in `earnings/amounts/{id}/answers`.")

    def get_id(self, transfer: Transfer) -> str:
        return paging.seal(transfer.pk)


class PaidAnswer(Strict):
    id = PublicId()
    assignment = serializers.CharField(source="assignment.public_id")
    position = serializers.IntegerField()
    project = serializers.CharField(source="assignment.project.public_id")
    value = serializers.JSONField()
    price_micros = serializers.IntegerField()
    submitted_at = serializers.DateTimeField()


class BillingSerializer(Strict):
    name = serializers.CharField(max_length=200, allow_blank=True)
    address = serializers.CharField(max_length=1_000, allow_blank=True)
    country = serializers.CharField(max_length=2, allow_blank=True, help_text="ISO 3166-1 alpha-2; taxes follow it.")
    tax_id = serializers.CharField(max_length=40, allow_blank=True)


class InvoiceHead(Money):
    id = PublicId()
    number = serializers.CharField(source="__str__", read_only=True)
    kind = serializers.ChoiceField(Invoice.Kind.choices, read_only=True)
    month = serializers.CharField(read_only=True)
    total_micros = serializers.IntegerField(read_only=True, help_text="Tax included; what the ledger moved.")
    tax_micros = serializers.IntegerField(read_only=True)
    issued_at = serializers.DateTimeField(read_only=True)


class InvoiceTaxSerializer(Strict):
    name = serializers.CharField()
    note = serializers.CharField()
    rate_bp = serializers.IntegerField()
    base_micros = serializers.IntegerField()
    amount_micros = serializers.IntegerField()


class PaymentSerializer(Strict):
    what = serializers.CharField()
    amount_micros = serializers.IntegerField(help_text="Negative: back to the organisation.")


class PrepaidSerializer(Strict):
    opening_micros = serializers.IntegerField()
    payments = PaymentSerializer(many=True)
    spent_micros = serializers.IntegerField()
    closing_micros = serializers.IntegerField()


class OperatorSerializer(Strict):
    name = serializers.CharField(source="operator_name")
    address = serializers.CharField(source="operator_address")
    tax_id = serializers.CharField(source="operator_tax_id")


class InvoiceSerializer(InvoiceHead):
    net_micros = serializers.IntegerField(read_only=True)
    operator = OperatorSerializer(source="*")
    billed_to = BillingSerializer()
    taxes = InvoiceTaxSerializer(many=True)
    prepaid = PrepaidSerializer()


class InvoiceLineSerializer(Strict):
    position = serializers.IntegerField()
    what = serializers.CharField(help_text='The kind of the entries, or "fee".')
    project = serializers.CharField(source="project.public_id", allow_null=True, default=None)
    title = serializers.CharField()
    amount_micros = serializers.IntegerField(help_text="Tax included.")
    tax_micros = serializers.IntegerField()
    corrects = serializers.SerializerMethodField(help_text="Of a credit note: the number of what it takes back.")

    def get_corrects(self, line: Any) -> str | None:
        return str(line.corrects) if line.corrects else None


class LineTransfer(Strict):
    created_at = serializers.DateTimeField()
    worker = serializers.CharField(help_text="The organisation's own name for them; empty: a fee.")
    amount_micros = serializers.IntegerField()


class FeesSerializer(Money):
    month = serializers.CharField()
    fees_micros = serializers.IntegerField()


class FilingSerializer(Strict):
    year = serializers.IntegerField()
    fees = FeesSerializer(many=True)
