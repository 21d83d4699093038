"""The history of every move that matters, off the hot path."""

from collections.abc import Iterable, Mapping
from typing import Any

from django.db import models

from marketplace.models import AuditEvent, User


def record(actor: User | None, verb: str, target: models.Model, **facts: Any) -> None:
    """Write who did what to which row, in the transaction that does it."""
    _event(actor, verb, target, facts).save()


def record_all(actor: User | None, verb: str, targets: Iterable[tuple[models.Model, Mapping[str, Any]]]) -> None:
    """Write who did the same to many rows, each with its facts."""
    AuditEvent.objects.bulk_create([_event(actor, verb, target, facts) for target, facts in targets], batch_size=2_000)


def _event(actor: User | None, verb: str, target: models.Model, facts: Mapping[str, Any]) -> AuditEvent:
    return AuditEvent(
        actor_id=actor.pk if actor else None,
        verb=verb,
        target_type=target._meta.model_name or "",
        target_id=target.pk,
        facts=dict(facts),
    )
