"""How labels are decided, as docs/labels.md says it: one text for those who read it here and there."""

import re
from pathlib import Path

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from marketplace.web import markdown

TEXT: Path = settings.ROOT / "docs" / "labels.md"
PICTURE = re.compile(r"^!\[(?P<words>.+)\]\(pictures/(?P<file>[a-z]+\.svg)\)$", re.MULTILINE)


def how_labels(request: HttpRequest) -> HttpResponse:
    """The text, and each of its pictures where it stands."""
    words = TEXT.read_text(encoding="utf-8")
    parts, at = [], 0
    for picture in PICTURE.finditer(words):
        parts.append({"html": markdown.render(words[at : picture.start()]), **picture.groupdict()})
        at = picture.end()
    return render(request, "tasks/how_labels.html", {"parts": parts, "rest": markdown.render(words[at:])})
