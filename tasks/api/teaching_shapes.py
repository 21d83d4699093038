"""Lessons, practice and exams as they go in and come out."""

from rest_framework import serializers

from marketplace.api.serializers import PublicId, Strict


class LessonToReadSerializer(Strict):
    """A lesson as workers find it."""

    id = PublicId()
    position = serializers.IntegerField()
    title = serializers.CharField()
    text = serializers.CharField(help_text="Markdown.")
    is_read = serializers.BooleanField()


class ReadSerializer(Strict):
    active_s = serializers.IntegerField(
        required=False, min_value=0, help_text="Seconds it took to read; counted as far as its length explains them."
    )


class EffortSerializer(Strict):
    """What a practice or an exam asks, before it is begun."""

    kind = serializers.CharField(help_text="practice or exam")
    items = serializers.IntegerField()
    expected_s = serializers.IntegerField()
    is_measured = serializers.BooleanField(help_text="Otherwise it is what the requester expects.")
    price_micros = serializers.IntegerField(help_text="Of the whole; 0: it is not paid.")
    time_limit_s = serializers.IntegerField(allow_null=True)


class StandSerializer(Strict):
    """How you stand to the exam."""

    state = serializers.CharField(help_text="none, needed, wait, passed or failed")
    attempts_left = serializers.IntegerField()
    retry_at = serializers.DateTimeField(allow_null=True, help_text="When the next try is possible, if not yet.")


class CheckSerializer(Strict):
    position = serializers.IntegerField(min_value=0, max_value=1000)
    value = serializers.JSONField(help_text="Field name -> value, as the label schema says.")


class MarkedSerializer(Strict):
    """An answer of a practice beside what is right."""

    position = serializers.IntegerField()
    payload = serializers.JSONField()
    value = serializers.JSONField()
    truth = serializers.JSONField()
    right = serializers.JSONField(help_text="Field -> whether it was right.")
    differs = serializers.ListField(child=serializers.CharField(), help_text="A sentence for each that was not.")
    explanation = serializers.CharField(allow_blank=True)


class ExamPositionSerializer(Strict):
    position = serializers.IntegerField()
    right = serializers.BooleanField()
    counted = serializers.BooleanField(help_text="False: its known answer is doubted.")


class ResultSerializer(Strict):
    """What an exam came to; the right answers are not told."""

    score = serializers.FloatField()
    passed = serializers.BooleanField()
    pass_mark = serializers.FloatField()
    answers = ExamPositionSerializer(many=True)
    attempts_left = serializers.IntegerField()
    retry_at = serializers.DateTimeField(allow_null=True)
    paid_micros = serializers.IntegerField()


class ConfusionSerializer(Strict):
    one = serializers.CharField()
    other = serializers.CharField()
    share = serializers.FloatField(help_text="Of the pairs of answers that disagree.")


class PilotFieldSerializer(Strict):
    name = serializers.CharField()
    title = serializers.CharField()
    agreement = serializers.FloatField(help_text="Mean agreement of two people about the same item.")
    alpha = serializers.FloatField(allow_null=True, help_text="Krippendorff's, where answers are classes.")
    confusion = ConfusionSerializer(allow_null=True)


class PilotSerializer(Strict):
    """What a pilot showed."""

    batch = serializers.CharField(source="batch.public_id")
    state = serializers.CharField(source="batch.state")
    items = serializers.IntegerField()
    covered = serializers.IntegerField(help_text="Items with two answers or more.")
    agreement = serializers.FloatField(allow_null=True, help_text="Of the field that people agree on least.")
    wanted = serializers.FloatField()
    is_reached = serializers.BooleanField()
    questions = PilotFieldSerializer(many=True, source="fields")
