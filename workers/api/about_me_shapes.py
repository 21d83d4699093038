"""What a worker says of themself, as JSON."""

from rest_framework import serializers

from marketplace.api.serializers import Strict
from workers import self_descriptions


class AboutMeChoice(Strict):
    value = serializers.CharField(read_only=True)
    title = serializers.CharField(read_only=True)


class AboutMeQuestion(Strict):
    name = serializers.CharField(read_only=True)
    words = serializers.CharField(read_only=True)
    choices = AboutMeChoice(many=True, read_only=True)
    said = serializers.CharField(read_only=True, help_text="One of the choices; empty: nothing.")


class AboutMe(Strict):
    """The questions with what you said to each. Nobody else is shown it: it is counted over groups alone."""

    questions = AboutMeQuestion(many=True, read_only=True)
    group_least = serializers.IntegerField(read_only=True, help_text="Smaller groups are shown to nobody.")


class SayAboutMe(Strict):
    said = serializers.DictField(
        child=serializers.CharField(max_length=20, allow_blank=True),
        help_text="Question and answer, for those you name; an empty answer withdraws it at once. "
        f"Questions: {', '.join(self_descriptions.BY_NAME)}.",
    )
    consents = serializers.BooleanField(help_text="That it is counted over groups of people.")
