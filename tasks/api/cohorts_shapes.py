"""Cohorts as they go in and come out."""

from typing import Any

from rest_framework import serializers

from marketplace.api.serializers import PublicId, Strict
from tasks.cohorts import ITEMS_MOST, REMARK_MOST
from tasks.models import Cohort, CohortPlace


class NewCohort(Strict):
    title = serializers.CharField(max_length=200)
    begins_at = serializers.DateTimeField()
    ends_at = serializers.DateTimeField()
    items = serializers.IntegerField(min_value=1, max_value=ITEMS_MOST, default=5, help_text="Of the practice gold.")
    is_open = serializers.BooleanField(default=True, help_text="To all who may work here; else by invitation.")


class CohortSerializer(Strict):
    id = PublicId()
    project = serializers.CharField(source="project.public_id")
    title = serializers.CharField()
    state = serializers.ChoiceField(Cohort.State.choices)
    is_open = serializers.BooleanField()
    begins_at = serializers.DateTimeField()
    ends_at = serializers.DateTimeField()
    began_at = serializers.DateTimeField(allow_null=True)
    ended_at = serializers.DateTimeField(allow_null=True)
    position = serializers.IntegerField(help_text="Of the item that is shown now.")


class CohortItemSerializer(Strict):
    position = serializers.IntegerField()
    payload = serializers.JSONField()
    revealed_at = serializers.DateTimeField(allow_null=True)
    truth = serializers.JSONField(allow_null=True, help_text="For workers null until it is revealed.")
    explanation = serializers.CharField(allow_blank=True)
    remark = serializers.CharField(allow_blank=True)


class SaidSerializer(Strict):
    words = serializers.CharField()
    times = serializers.IntegerField()


class SpreadSerializer(Strict):
    title = serializers.CharField()
    said = serializers.SerializerMethodField()

    def get_said(self, row: Any) -> list[dict[str, Any]]:
        return [{"words": said, "times": times} for said, times in row.said]


class LedCohortSerializer(CohortSerializer):
    """A session as its trainer sees it: with the truth, and how the answers are spread."""

    item = CohortItemSerializer()
    spread = SpreadSerializer(many=True)
    joined = serializers.IntegerField()
    answered = serializers.IntegerField()


class AttendedCohortSerializer(CohortSerializer):
    """A session as a worker sees it."""

    joined_at = serializers.DateTimeField(allow_null=True)
    item = CohortItemSerializer(allow_null=True, help_text="Null before you joined.")
    schema = serializers.JSONField(source="batch.schema")
    value = serializers.JSONField(allow_null=True, help_text="What you answered to it.")
    right = serializers.BooleanField(allow_null=True)


class PlaceSerializer(Strict):
    """Who was invited, and who came."""

    worker = serializers.SerializerMethodField(help_text="The name under which your organisation knows them.")
    invited_at = serializers.DateTimeField(allow_null=True)
    joined_at = serializers.DateTimeField(allow_null=True, help_text="Null: did not come.")
    answers = serializers.IntegerField(source="given")

    def get_worker(self, place: CohortPlace) -> str:
        return place.cohort.project.organisation.pseudonym(place.worker.public_id)


class InviteSerializer(Strict):
    workers = serializers.ListField(child=serializers.CharField(max_length=40), min_length=1, max_length=500)


class InvitedSerializer(Strict):
    invited = serializers.IntegerField(help_text="Those who were not invited before.")


class RemarkSerializer(Strict):
    remark = serializers.CharField(max_length=REMARK_MOST, allow_blank=True, default="")


class CohortAnswerSerializer(Strict):
    position = serializers.IntegerField(min_value=0, max_value=ITEMS_MOST)
    value = serializers.JSONField()
