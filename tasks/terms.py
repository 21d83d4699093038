"""What a batch pinned when it was published, kept in memory: it never changes."""

import functools
from dataclasses import dataclass
from typing import Any

from tasks.models import Batch

KEPT = 1_000


@dataclass(frozen=True, slots=True)
class Terms:
    batch: int
    batch_id: str  # public, as the next
    project_id: str
    schema: dict[str, Any]
    currency: str
    price_micros: int
    fee_bp: int
    tiers: tuple[dict[str, Any], ...]
    page_size: int
    lease_s: int
    accept_after_s: int
    gold_share: float
    pick_column: str


@functools.lru_cache(KEPT)
def of(batch: int) -> Terms:
    """The terms of a batch, by its primary key."""
    row = Batch.objects.select_related("project").get(pk=batch)
    return Terms(
        batch=batch,
        batch_id=row.public_id,
        project_id=row.project.public_id,
        schema=row.schema,
        currency=row.currency,
        price_micros=row.price_micros,
        fee_bp=row.fee_bp,
        tiers=tuple(row.tiers),
        page_size=row.page_size,
        lease_s=row.lease_s,
        accept_after_s=row.accept_after_s,
        gold_share=row.gold_share,
        pick_column=row.pick_column,
    )
