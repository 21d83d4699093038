"""What a project's own aggregator looks like as JSON."""

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from marketplace.api.serializers import Strict
from marketplace.core.outgoing import URL_MOST
from tasks import consolidations
from tasks.models import Aggregator


class NewAggregator(Strict):
    url = serializers.CharField(max_length=URL_MOST, help_text="Public, and https.")


class AggregatorFigures(serializers.Serializer[Any]):
    """Tasks by what became of them; none is counted beyond 50,000."""

    waiting = serializers.IntegerField()
    done = serializers.IntegerField(help_text="They have its label.")
    refused = serializers.IntegerField(help_text="What it said was no label; ours stands.")
    failed = serializers.IntegerField(help_text="It did not answer, however often it was asked; our label stands.")


class AggregatorFailure(serializers.Serializer[Any]):
    key = serializers.CharField(help_text="Under which the row came in; its datasetObjectId.")
    batch = serializers.CharField()
    state = serializers.ChoiceField(choices=["refused", "failed"])
    why = serializers.CharField()
    at = serializers.DateTimeField()


class AggregatorSerializer(serializers.Serializer[Any]):
    """A program of the requester's that labels are asked of; its secret is shown when it is made, and never again."""

    url = serializers.CharField()
    created_at = serializers.DateTimeField()
    called_at = serializers.DateTimeField(allow_null=True)
    misses = serializers.IntegerField(help_text="Calls in a row that came to nothing.")
    rest_until = serializers.DateTimeField(allow_null=True, help_text="It is not called before.")
    problem = serializers.CharField(help_text="What was last wrong with a call; empty: nothing ever was.")
    problem_at = serializers.DateTimeField(allow_null=True)
    figures = serializers.SerializerMethodField()
    failures = serializers.SerializerMethodField(help_text="The newest 20.")

    @extend_schema_field(AggregatorFigures)
    def get_figures(self, row: Aggregator) -> Any:
        return AggregatorFigures(consolidations.figures(row)).data

    @extend_schema_field(AggregatorFailure(many=True))
    def get_failures(self, row: Aggregator) -> Any:
        return AggregatorFailure(consolidations.failures(row), many=True).data


class NamedAggregator(AggregatorSerializer):
    secret = serializers.CharField(help_text="Shown this once; its requests are signed with it.")


class AggregatorSecret(serializers.Serializer[Any]):
    secret = serializers.CharField(help_text="Shown this once; requests from now on are signed with it.")


class SampleSerializer(serializers.Serializer[Any]):
    """What was sent, what came back, and what is wrong with it."""

    url = serializers.CharField()
    headers = serializers.DictField(child=serializers.CharField())
    sent = serializers.CharField(help_text="The body, as it was signed.")
    status = serializers.IntegerField(allow_null=True, help_text="Null: it did not answer.")
    took_s = serializers.FloatField(allow_null=True)
    reply = serializers.CharField(help_text="Its first 4,000 characters.")
    why = serializers.CharField(help_text="What is wrong with the answer as a whole; empty: nothing.")
    labels = serializers.DictField(child=serializers.DictField(), help_text="Key -> field -> value, as understood.")
    wrong = serializers.DictField(child=serializers.CharField(), help_text="Key -> why there is no label.")
    stray = serializers.ListField(child=serializers.CharField(), help_text="Rows that nobody asked about.")
    is_good = serializers.BooleanField()


class SentAgain(serializers.Serializer[Any]):
    tasks = serializers.IntegerField()
