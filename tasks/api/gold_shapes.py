"""What goes in and comes out about gold and about what a figure rests on; shapes only, no writing."""

from typing import Any

from rest_framework import serializers

from marketplace.api.serializers import PublicId, Strict
from tasks.gold_disputes import STATEMENT_MOST
from tasks.gold_pool import EXPLANATION_MOST
from tasks.models import Evidence, Gold


class GoldSerializer(Strict):
    """A task whose answer is known, and what became of it."""

    id = PublicId()
    batch = serializers.CharField(source="batch.public_id")
    purpose = serializers.CharField(help_text="hidden or practice")
    state = serializers.CharField(help_text="active, retired, quarantined or overturned")
    payload = serializers.JSONField(source="task.item.payload")
    truth = serializers.JSONField()
    explanation = serializers.CharField()
    promoted = serializers.SerializerMethodField(help_text="Made of a label that was unanimous and confirmed.")
    served = serializers.IntegerField()
    missed = serializers.IntegerField()
    contested = serializers.IntegerField(help_text="By so many different workers.")
    wrong = serializers.FloatField(help_text="Probability that the truth is wrong, given who answered what.")

    def get_promoted(self, gold: Gold) -> bool:
        return gold.source_id is not None


class GoldChangeSerializer(Strict):
    was = serializers.CharField()
    now = serializers.CharField()
    truth = serializers.JSONField(help_text="That it had until then.")
    reason = serializers.CharField()
    by_a_person = serializers.SerializerMethodField()
    served = serializers.IntegerField()
    missed = serializers.IntegerField()
    contested = serializers.IntegerField()
    wrong = serializers.FloatField()
    at = serializers.DateTimeField()

    def get_by_a_person(self, change: Any) -> bool:
        return change.by_id is not None


class GoldContestSerializer(Strict):
    statement = serializers.CharField()
    at = serializers.DateTimeField()


class GoldDetailSerializer(GoldSerializer):
    """The same with its history and what workers say against it."""

    changes = GoldChangeSerializer(many=True)
    contests = GoldContestSerializer(many=True)


class NewGold(Strict):
    key = serializers.CharField(max_length=200, help_text="Your own key of the item.")
    truth = serializers.JSONField(help_text="Field -> the right value.")
    explanation = serializers.CharField(max_length=EXPLANATION_MOST, allow_blank=True, default="")
    purpose = serializers.ChoiceField(choices=Gold.Purpose.choices, default=Gold.Purpose.HIDDEN)


class GoldKey(Strict):
    key = serializers.CharField(max_length=200, help_text="Your own key of the item.")


class GoldExplanation(Strict):
    explanation = serializers.CharField(max_length=EXPLANATION_MOST, allow_blank=True)


class GoldReason(Strict):
    reason = serializers.CharField(max_length=STATEMENT_MOST)


class GoldOverturn(GoldReason):
    truth = serializers.JSONField(required=False, allow_null=True, help_text="What is right; null: nobody knows.")


class GoldStatement(Strict):
    statement = serializers.CharField(max_length=STATEMENT_MOST)


class StockSerializer(Strict):
    """What is left of a batch's hidden gold."""

    batch = serializers.CharField(source="batch.public_id")
    bought = serializers.IntegerField(help_text="Gold answers that the reserve pays for.")
    taken = serializers.IntegerField(help_text="Of these, handed out to be spent.")
    pool = serializers.IntegerField(help_text="Active items.")
    seen_by = serializers.IntegerField(help_text="Workers who have seen most of them.")
    is_low = serializers.BooleanField()
    is_seen = serializers.BooleanField()


class CandidateSerializer(Strict):
    """A label that everybody agrees about and that could become gold."""

    key = serializers.CharField()
    payload = serializers.JSONField(source="item.payload")
    labels = serializers.SerializerMethodField()
    answers = serializers.IntegerField(source="given")

    def get_labels(self, task: Any) -> dict[str, Any]:
        return {row.field: row.value for row in task.consensus.all()}


class EvidenceSerializer(Strict):
    """One piece that a figure rests on."""

    kind = serializers.CharField(help_text="gold, consensus, review, or speed, which is only shown")
    answer = serializers.CharField(source="answer.public_id")
    correct = serializers.FloatField(help_text="How likely, or how far, the answer was right; 0 to 1.")
    created_at = serializers.DateTimeField()
    void = serializers.SerializerMethodField(help_text="Why it counts no more; null: it counts.")

    def get_void(self, piece: Evidence) -> dict[str, Any] | None:
        void = getattr(piece, "void", None)
        return {"reason": void.reason, "at": void.created_at.isoformat()} if void else None


class DaySerializer(Strict):
    """What of one kind was told on one day."""

    day = serializers.DateField()
    kind = serializers.CharField(help_text="gold, consensus, review, or speed, which is only shown")
    judged = serializers.IntegerField(help_text="Answers.")
    right = serializers.FloatField(help_text="Of these, how many were right, in sum.")
    void = serializers.IntegerField(help_text="Pieces that count no more.")


class OverallSerializer(Strict):
    """How accurate you are over all projects; null: nothing is known yet."""

    accuracy = serializers.FloatField(allow_null=True)
    accuracy_p05 = serializers.FloatField(allow_null=True)
    accuracy_p95 = serializers.FloatField(allow_null=True)
    judged = serializers.FloatField(allow_null=True, help_text="Answers with evidence, old ones for less.")
