"""Public ids: what others see in place of a primary key."""

import secrets
from typing import Any

from django.db import models

ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's base 32: no i, l, o, u
LENGTH = 16  # 80 bits


def new(prefix: str) -> str:
    return f"{prefix}_" + "".join(secrets.choice(ALPHABET) for _ in range(LENGTH))


class PublicIdField(models.CharField):
    """A random, unique, unguessable name such as `prj_7m2k…`, made when the row is."""

    def __init__(self, prefix: str, **options: Any) -> None:
        self.prefix = prefix
        super().__init__(**{"max_length": 24, "unique": True, "editable": False, **options})

    def get_default(self) -> str:
        return new(self.prefix)

    def deconstruct(self) -> Any:
        name, path, _, options = super().deconstruct()
        return name, path, [self.prefix], options
