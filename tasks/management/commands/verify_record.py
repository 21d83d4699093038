"""Verify a signed record of this site or another, without a network."""

import json
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from marketplace.core import signing
from workers import documents


class Command(BaseCommand):
    help = "Verify a worker's signed record, and say what it says."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("file", help="the signed record")
        parser.add_argument("--key", help="a JWKS file of the issuer's public keys; without it, those of the settings")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            with Path(options["file"]).open() as file:
                document = file.read(signing.MOST_BYTES + 2)  # one more, and one for the end of the line
            told = documents.told(_verified(document, options["key"]))
        except (OSError, ValueError) as error:
            raise CommandError(str(error)) from error
        except signing.NotVerified as refusal:
            raise CommandError(f"not verified: {refusal.detail}") from refusal
        self.stdout.write(self.style.SUCCESS(told["said"]))
        self.stdout.write(json.dumps(told["record"], indent=2, ensure_ascii=False))


def _verified(document: str, key: str | None) -> signing.Claims:
    """By these keys, whoever the issuer is, or by those that the settings trust."""
    if key is None:
        return documents.verify(document)
    return documents.checked(document, _Anybody(signing.keys_of(json.loads(Path(key).read_text()))))


class _Anybody(dict[str, list[signing.Jwk]]):
    """The same keys for every issuer: who calls the command vouches for whose they are."""

    def __init__(self, keys: list[signing.Jwk]) -> None:
        super().__init__()
        self.keys_of_all = keys

    def __contains__(self, issuer: object) -> bool:
        return True

    def __missing__(self, issuer: str) -> list[signing.Jwk]:
        return self.keys_of_all
