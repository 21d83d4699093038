"""What goes in and comes out about reviews; shapes only, no writing."""

from typing import Any

from rest_framework import serializers

from marketplace.api.serializers import PublicId, Strict
from tasks import reviews
from tasks.models import Review
from tasks.reviews.asking import ASK_MOST
from tasks.reviews.deciding import NOTE_MOST


class ReviewSerializer(Strict):
    """A label that somebody looks at, or has looked at."""

    id = PublicId()
    batch = serializers.CharField(source="batch.public_id")
    state = serializers.CharField(help_text="waiting, held, given (one of two), final, sent_back or void")
    reason = serializers.CharField(help_text="unsure, contested, sampled or suspected")
    tier = serializers.IntegerField(help_text="2: the last word, of a manager or an owner")
    sampled = serializers.SerializerMethodField(help_text="Drawn at random, whatever else is the reason.")
    payload = serializers.JSONField(source="task.item.payload")
    asked_at = serializers.DateTimeField()
    verdict = serializers.CharField(help_text="accept, correct or send_back; empty until there is one")
    value = serializers.JSONField(help_text="Field -> what is right, by this verdict.")
    note = serializers.CharField()
    decided_by = serializers.SerializerMethodField(help_text="The user; null: nobody yet.")
    decided_at = serializers.DateTimeField(allow_null=True)

    def get_sampled(self, review: Review) -> bool:
        return review.rate is not None

    def get_decided_by(self, review: Review) -> str | None:
        return review.decided_by.public_id if review.decided_by else None


class ReviewSeenSerializer(Strict):
    name = serializers.CharField(help_text="A letter or number that says nothing of who gave it.")
    value = serializers.JSONField()


class SurenessSerializer(Strict):
    field = serializers.CharField()
    value = serializers.JSONField()
    confidence = serializers.FloatField(allow_null=True)
    support = serializers.IntegerField()
    method = serializers.CharField()


class ReviewCaseSerializer(Strict):
    """A label with what there is to judge it by; how sure it was is told after the verdict."""

    review = ReviewSerializer()
    schema = serializers.SerializerMethodField(help_text="Of what may be corrected.")
    guideline = serializers.SerializerMethodField(help_text="The newest version; null: none is written.")
    held_until = serializers.DateTimeField(source="review.held_until", allow_null=True)
    label: Any = serializers.JSONField(help_text="Field -> value.")
    answers = ReviewSeenSerializer(many=True)
    verdicts = ReviewSeenSerializer(many=True, help_text="In the second tier: what the first two said.")
    sureness = SurenessSerializer(many=True)

    def get_schema(self, case: reviews.Case) -> dict[str, Any]:
        return reviews.correctable(case.review.batch.schema)

    def get_guideline(self, case: reviews.Case) -> int | None:
        return case.guideline.version if case.guideline else None


class ReviewVerdictSerializer(Strict):
    verdict = serializers.ChoiceField(Review.Verdict.choices)
    value = serializers.JSONField(required=False, help_text="Field -> what is right; for correct.")
    note = serializers.CharField(max_length=NOTE_MOST, required=False, allow_blank=True)


class ReviewsWantedSerializer(Strict):
    keys = serializers.ListField(
        child=serializers.CharField(max_length=200), min_length=1, max_length=ASK_MOST, help_text="Your keys of items."
    )
    reason = serializers.ChoiceField(Review.Reason.choices, default=Review.Reason.SUSPECTED)


class ReviewsAskedSerializer(Strict):
    asked = serializers.IntegerField(help_text="Labels that wait now and did not wait before.")


class ReviewFiguresSerializer(Strict):
    """What became of the reviews for one reason."""

    reason = serializers.CharField(help_text="Empty: all together.")
    waiting = serializers.IntegerField()
    accepted = serializers.IntegerField()
    corrected = serializers.IntegerField()
    sent_back = serializers.IntegerField()
    share = serializers.FloatField(allow_null=True, help_text="Of the final verdicts, those that changed the label.")
    share_p05 = serializers.FloatField(source="p05", allow_null=True)
    share_p95 = serializers.FloatField(source="p95", allow_null=True)


class ReviewsSummarySerializer(Strict):
    waiting = serializers.IntegerField()
    for_you = serializers.IntegerField()
    all = serializers.IntegerField()
    figures = ReviewFiguresSerializer(many=True)
