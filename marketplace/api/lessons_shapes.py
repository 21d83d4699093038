"""Lessons as they go in and come out."""

from typing import Any

from rest_framework import serializers

from marketplace import lessons
from marketplace.api.serializers import PublicId, Strict


class LessonSerializer(Strict):
    id = PublicId()
    position = serializers.IntegerField(read_only=True)
    title = serializers.CharField(max_length=lessons.TITLE_MOST)
    text = serializers.CharField(max_length=lessons.TEXT_MOST, trim_whitespace=False, help_text="Markdown.")
    created_at = serializers.DateTimeField(read_only=True)
    retired_at = serializers.DateTimeField(read_only=True, allow_null=True, help_text="Another took its place.")

    def validate_text(self, text: Any) -> Any:
        if not text.strip():
            raise serializers.ValidationError("must not be empty")
        return text


class PlaceSerializer(Strict):
    position = serializers.IntegerField(min_value=0, max_value=1000, help_text="Counted from 0.")
