"""What goes in and comes out at the edge of a worker's own record; shapes only, no writing."""

from typing import Any

from rest_framework import serializers

from marketplace.api.serializers import Strict
from marketplace.core.signing import MOST_BYTES
from workers.documents import HOLDER_MOST


class WorkSerializer(Strict):
    handed_in = serializers.IntegerField()
    waiting = serializers.IntegerField()
    accepted = serializers.IntegerField()
    rejected = serializers.IntegerField()
    excluded = serializers.IntegerField()


class AccuracySerializer(Strict):
    accuracy = serializers.FloatField()
    accuracy_p05 = serializers.FloatField()
    accuracy_p95 = serializers.FloatField()
    judged = serializers.FloatField(help_text="Answers with evidence.")


class ProjectRecordSerializer(Strict):
    project = serializers.CharField(source="project.public_id")
    title = serializers.CharField(source="project.title")
    organisation = serializers.CharField(source="project.organisation.name")
    work = WorkSerializer()
    accuracy = AccuracySerializer(allow_null=True)


class OutcomeSerializer(Strict):
    kind = serializers.CharField()
    state = serializers.CharField(help_text="standing or overturned")
    appeal = serializers.CharField(help_text="open, upheld, dismissed, or empty: not contested", allow_blank=True)
    is_final = serializers.BooleanField()
    count = serializers.IntegerField()


class MonthSerializer(Strict):
    month = serializers.DateField(help_text="Its first day, in UTC.")
    currency = serializers.CharField()
    mode = serializers.CharField()
    earned_micros = serializers.IntegerField()
    is_part = serializers.BooleanField(help_text="Its first days are beyond the transfers that are read.")


class RecordGrantSerializer(Strict):
    qualification = serializers.CharField(source="qualification.name")
    score = serializers.FloatField()
    granted_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField(allow_null=True)


class ForeignRecordSerializer(Strict):
    """What another site said about you, verified here."""

    id = serializers.CharField(source="public_id")
    issuer = serializers.CharField()
    subject = serializers.CharField()
    facts = serializers.JSONField()
    issued_at = serializers.DateTimeField()
    verified_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField()


class RecordSerializer(Strict):
    worker = serializers.CharField(source="worker.public_id")
    work = WorkSerializer()
    is_whole = serializers.BooleanField(help_text="False: older answers are not counted here; the export has all.")
    overall = AccuracySerializer(allow_null=True)
    projects = ProjectRecordSerializer(many=True)
    decisions = OutcomeSerializer(many=True)
    pay = MonthSerializer(many=True, source="months")
    grants = RecordGrantSerializer(many=True)
    records_from_elsewhere = ForeignRecordSerializer(many=True, source="foreign")


class NewSignedRecord(Strict):
    organisations = serializers.ListField(
        child=serializers.CharField(), required=False, help_text="Names of organisations that it may name; else none."
    )
    holder = serializers.CharField(
        required=False, max_length=HOLDER_MOST, help_text="Your id at the site it is for, so that it can be kept there."
    )


class DocumentSerializer(Strict):
    document = serializers.CharField(max_length=MOST_BYTES, help_text="A signed record: JWS, signed with EdDSA.")


class VerifiedSerializer(Strict):
    """What a record says, and who signed that."""

    said = serializers.CharField(help_text="In plain words.")
    issuer = serializers.CharField()
    subject = serializers.CharField()
    holder = serializers.CharField(allow_blank=True)
    issued_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField()
    record: Any = serializers.JSONField()


class ObstacleSerializer(Strict):
    code = serializers.CharField(help_text="leases, waiting, earnings, rest, payout, appeal or organisation")
    detail = serializers.CharField()


class ErasureSerializer(Strict):
    obstacles = ObstacleSerializer(many=True)


class EraseSerializer(Strict):
    password = serializers.CharField(trim_whitespace=False, write_only=True, max_length=1000)
    leave_rest = serializers.BooleanField(
        required=False, default=False, help_text="Give up earnings that are too small to be paid out."
    )
