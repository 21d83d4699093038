"""The history of every move that matters, off the hot path."""

from typing import Any

from django.db import models

from marketplace.models import AuditEvent, User


def record(actor: User | None, verb: str, target: models.Model, **facts: Any) -> None:
    """Write who did what to which row, in the transaction that does it."""
    AuditEvent.objects.create(
        actor_id=actor.pk if actor else None,
        verb=verb,
        target_type=target._meta.model_name or "",
        target_id=target.pk,
        facts=facts,
    )
