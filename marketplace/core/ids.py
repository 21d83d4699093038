"""Public ids: what others see in place of a primary key."""

import base64
import os
from typing import Any

from django.db import models

ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"  # Crockford's base 32: no i, l, o, u
LENGTH = 16  # 80 bits
OURS = bytes.maketrans(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", ALPHABET.encode())


def new(prefix: str) -> str:
    return f"{prefix}_{base64.b32encode(os.urandom(LENGTH * 5 // 8)).translate(OURS).decode()}"


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
