"""Bodies as the database can keep them, and no longer than they may be."""

from typing import IO, Any

from django.conf import settings
from django.core.exceptions import RequestDataTooBig
from rest_framework.exceptions import ParseError
from rest_framework.parsers import JSONParser

from marketplace.core import strictjson


class StrictJSONParser(JSONParser):
    """JSON of at most BODY_MOST_BYTES, in UTF-8, without NaN, double keys, NUL characters or deep nesting."""

    def parse(self, stream: IO[Any], media_type: str | None = None, parser_context: Any = None) -> Any:
        raw = stream.read(settings.BODY_MOST_BYTES + 1)
        if len(raw) > settings.BODY_MOST_BYTES:
            raise RequestDataTooBig
        try:
            return strictjson.loads(raw)
        except ValueError as exc:
            raise ParseError(str(exc)) from exc
