"""Guidelines as requests bring them and answers say them; the verb holds the rules."""

from rest_framework import serializers

from marketplace.api.serializers import Strict
from marketplace.guidelines import LONGEST
from marketplace.models import GuidelineExample


class Row(Strict):
    dataset = serializers.CharField(max_length=24, help_text="Of the project's organisation.")
    key = serializers.CharField(max_length=200, trim_whitespace=False, help_text="Your own key of the row.")


class Example(Strict):
    """An item with its answer and why; of a counterexample the answer is the wrong one that people give."""

    kind = serializers.ChoiceField(GuidelineExample.Kind.choices)
    payload = serializers.JSONField(help_text="What is shown, by column of the label schema's display.")
    value = serializers.JSONField(help_text="Field -> answer, as the label schema wants it.")
    explanation = serializers.CharField(trim_whitespace=False)


class NewExample(Example):
    payload = serializers.JSONField(required=False, help_text="What is shown, by column; or name an `item`.")
    item = Row(required=False, help_text="A row of your data whose columns are copied, in place of a payload.")


class GuidelineSerializer(Strict):
    version = serializers.IntegerField(read_only=True)
    text = serializers.CharField(max_length=LONGEST, trim_whitespace=False, help_text="Markdown.")
    examples = Example(many=True)
    created_at = serializers.DateTimeField(read_only=True)


class NewGuideline(Strict):
    text = serializers.CharField(max_length=LONGEST, trim_whitespace=False, help_text="Markdown.")
    examples = NewExample(
        many=True, required=False, allow_null=True, help_text="Left out: those of the version before are kept."
    )


class Part(Strict):
    kind = serializers.CharField(help_text="same, removed or added")
    text = serializers.CharField()


class Line(Strict):
    kind = serializers.CharField(
        help_text="same, removed, added, changed within, or a fold of several that are the same"
    )
    parts = Part(many=True)
    count = serializers.IntegerField(help_text="Of a fold: how many unchanged lines it stands for.")


class DifferenceSerializer(Strict):
    """What is new in `after` against `before`, line by line and word by word."""

    before = serializers.IntegerField()
    after = serializers.IntegerField()
    lines = Line(many=True)
    removed = Example(many=True)
    added = Example(many=True)
