"""What an hour pays, and what is added to it, as it goes out."""

from typing import Any

from rest_framework import serializers

from marketplace.api.serializers import PublicId, Strict
from tasks.models import TopUp, TopUpProposal


class PaySerializer(Strict):
    """What an hour pays in a project; figures are null while too few have worked to tell."""

    currency = serializers.CharField()
    workers = serializers.IntegerField(help_text="That the figures rest on; 0: too few to tell.")
    median_micros = serializers.IntegerField(allow_null=True, help_text="An hour, top-ups left out.")
    low_micros = serializers.IntegerField(allow_null=True, help_text="The true median lies above it with 95 %.")
    high_micros = serializers.IntegerField(allow_null=True)
    under = serializers.IntegerField(allow_null=True, help_text="Workers who are paid less than their floor.")
    under_share = serializers.FloatField(allow_null=True)
    task_s = serializers.FloatField(allow_null=True, help_text="The median over workers of what an answer takes.")
    expected_s = serializers.IntegerField(help_text="What the requester expects an answer to take.")
    expected_micros = serializers.IntegerField(help_text="What an hour pays then.")
    floor_micros = serializers.IntegerField(help_text="An hour; 0: there is no floor in this currency.")
    floor_whose = serializers.CharField(help_text="operator or project; empty: there is none.")
    floor_country = serializers.CharField(help_text="Whose minimum the operator's floor is; empty: of all.")
    top_up_most_percent = serializers.IntegerField(help_text="Of the price: what may be added without asking.")


class ComputationSerializer(Strict):
    """How a top-up follows from the figures."""

    seconds = serializers.IntegerField(help_text="That count, of the answers that were paid and what came before.")
    work_s = serializers.IntegerField(help_text="Active seconds on pages handed in.")
    test_s = serializers.IntegerField(help_text="In practice and exams.")
    reading_s = serializers.IntegerField(help_text="Guidelines and lessons.")
    answers = serializers.IntegerField(help_text="Handed in.")
    paid = serializers.IntegerField(help_text="Of them.")
    paid_micros = serializers.IntegerField(help_text="What they and the exams were paid, parts as parts.")
    rejected_micros = serializers.IntegerField(
        default=0, help_text="Of the prices offered: those of rejected answers, and what is withheld of others."
    )
    task_s = serializers.FloatField(help_text="The median of what an answer takes here.")
    time_most_percent = serializers.IntegerField(help_text="Of that median: what an answer may take and count.")
    workers = serializers.IntegerField()
    median_micros = serializers.IntegerField(help_text="An hour.")
    low_micros = serializers.IntegerField()
    high_micros = serializers.IntegerField()
    floor_micros = serializers.IntegerField(help_text="An hour.")
    floor_whose = serializers.CharField()
    topped_before_micros = serializers.IntegerField()
    missing_micros = serializers.IntegerField()
    cap_micros = serializers.IntegerField(help_text="What may be added without asking.")
    amount_micros = serializers.IntegerField()


class MyComputationSerializer(ComputationSerializer):
    floor_country = serializers.CharField(help_text="Whose minimum the operator's floor is; empty: of all.")


class MyTopUpSerializer(Strict):
    """What was added to your pay, with its computation."""

    id = PublicId()
    project = serializers.CharField(source="batch.project.public_id")
    batch = serializers.CharField(source="batch.public_id")
    amount_micros = serializers.IntegerField()
    currency = serializers.CharField(source="batch.currency")
    by_a_person = serializers.SerializerMethodField(help_text="It was above the cap, and somebody granted it.")
    computation: ComputationSerializer = MyComputationSerializer(source="facts")
    created_at = serializers.DateTimeField()

    def get_by_a_person(self, row: TopUp) -> bool:
        return row.granted_by_id is not None


class TopUpSerializer(MyTopUpSerializer):
    """The same as the organisation sees it: the worker under a pseudonym of its own."""

    computation = ComputationSerializer(source="facts")
    worker = serializers.SerializerMethodField()

    def get_worker(self, row: Any) -> str:
        return row.batch.project.organisation.pseudonym(row.worker.public_id)


class ProposalSerializer(Strict):
    """What is missing to the floor beyond the cap."""

    id = PublicId()
    batch = serializers.CharField(source="batch.public_id")
    worker = serializers.SerializerMethodField()
    state = serializers.ChoiceField(TopUpProposal.State.choices)
    amount_micros = serializers.IntegerField()
    currency = serializers.CharField(source="batch.currency")
    computation = ComputationSerializer(source="facts")
    made_at = serializers.DateTimeField()
    decided_at = serializers.DateTimeField(allow_null=True)
    reason = serializers.CharField(help_text="Why it was declined.")

    def get_worker(self, row: Any) -> str:
        return row.batch.project.organisation.pseudonym(row.worker.public_id)


class DeclineTopUpSerializer(Strict):
    reason = serializers.CharField(max_length=2_000)
