"""`manage.py pictures`: draws the pictures of docs/labels.md."""

from argparse import ArgumentParser
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand

from tasks.web import pictures


class Command(BaseCommand):
    help = "Draw the pictures of docs/labels.md; the same ones each time, until the code that they show changes."

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--folder", type=Path, default=pictures.PLACE, help="where to, if not docs/pictures")

    def handle(self, *args: Any, **options: Any) -> None:
        for path in pictures.write(options["folder"]):
            self.stdout.write(path.name)
