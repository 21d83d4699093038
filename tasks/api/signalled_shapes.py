"""What the signals of a project look like as JSON."""

from typing import Any

from rest_framework import serializers

from tasks import signals


class SignalRowSerializer(serializers.Serializer[Any]):
    """Something a signal rests on."""

    answers = serializers.ListField(child=serializers.CharField(), help_text="Ids of the answers, as in their lists.")
    words = serializers.CharField(help_text="What is to be seen in them.")


class SignalSerializer(serializers.Serializer[Any]):
    """A figure that is out of the ordinary. By itself it is never a reason to decide anything about anybody."""

    kind = serializers.ChoiceField(choices=[kind.value for kind in signals.Kind])
    workers = serializers.ListField(child=serializers.CharField(), help_text="Under your organisation's pseudonyms.")
    field = serializers.CharField(help_text="Of the label schema; empty where it is about whole pages.")
    figure = serializers.FloatField(help_text="A share from 0 to 1; for a pair, mistakes in common; or how many.")
    expected = serializers.FloatField(allow_null=True, help_text="What others, or chance, would give.")
    p = serializers.FloatField(
        allow_null=True,
        help_text="Null: chance has no part in it. Else the chance of a figure as large among honest people.",
    )
    words = serializers.CharField()
    rows = SignalRowSerializer(many=True)


class SignalsSerializer(serializers.Serializer[Any]):
    """What stood out among the newest answers of a project, what chance explains least first; at most 100."""

    answers = serializers.IntegerField(help_text="Looked at.")
    workers = serializers.IntegerField(help_text="Whose answers these are.")
    pairs = serializers.IntegerField(help_text="Of workers, compared for mistakes in common.")
    signals = SignalSerializer(many=True)
