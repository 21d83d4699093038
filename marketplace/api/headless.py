"""How signing in by the API names people."""

import dataclasses
from typing import Any

from allauth.headless.adapter import DefaultHeadlessAdapter
from django.contrib.auth.base_user import AbstractBaseUser


class Adapter(DefaultHeadlessAdapter):
    """Users by their public ids, as everywhere else."""

    def user_as_dataclass(self, user: AbstractBaseUser) -> Any:
        return dataclasses.replace(super().user_as_dataclass(user), id=user.public_id if user.pk else None)  # type: ignore[attr-defined]
