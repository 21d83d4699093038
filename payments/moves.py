"""What moved on some accounts, a page at a time: read off each account's own index, and only as far as the page goes.

Asked for the accounts all at once, the database may walk through everybody's transfers to find those of somebody who
has stopped, or sort a month of them for a page.
"""

from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any, Literal

from django.db import connection

from payments.models import Transfer

KEYS = """
SELECT DISTINCT id FROM unnest(%(accounts)s::bigint[]) account (of) CROSS JOIN LATERAL ({sides}) found
ORDER BY id {order} LIMIT %(most)s
"""
# Compared as pairs, they are read off the index of both, never off that of the keys of everybody
SIDE = """
(SELECT id FROM payments_transfer
    WHERE ({side}_id, id) > (account.of, %(above)s) AND ({side}_id, id) < (account.of, %(below)s)
    AND created_at >= %(begin)s AND created_at < %(end)s {without}
    ORDER BY {side}_id {order}, id {order} LIMIT %(most)s)
"""
WITHOUT = "AND NOT EXISTS (SELECT 1 FROM payments_entry e WHERE e.id = entry_id AND e.kind = ANY(%(without)s))"
ALL = 2**63 - 1
LONG_AGO, NEVER = datetime.min.replace(tzinfo=UTC), datetime.max.replace(tzinfo=UTC)
Side = Literal["debit", "credit"]


@dataclass(frozen=True)
class Moves:
    """Transfers that debited or credited one of these accounts, each once; narrowed, ordered and cut as a query is."""

    accounts: list[int]
    sides: tuple[Side, ...] = ("debit", "credit")
    related: tuple[str, ...] = ("entry", "debit", "credit")
    above: int = 0  # keys, themselves not among what is read
    below: int = ALL
    begin: datetime = LONG_AGO
    end: datetime = NEVER
    without: tuple[str, ...] = ()  # kinds of entries that are left out
    key: str = "-pk"

    def filter(self, *, pk__gt: int = 0, pk__lt: int = ALL) -> "Moves":
        return replace(self, above=max(self.above, pk__gt), below=min(self.below, pk__lt))

    def order_by(self, key: str) -> "Moves":
        return replace(self, key=key)

    def __getitem__(self, page: slice) -> list[Transfer]:
        """The first so many."""
        order = "DESC" if self.key == "-pk" else "ASC"
        without = WITHOUT if self.without else ""
        sides = " UNION ALL ".join(SIDE.format(side=side, order=order, without=without) for side in self.sides)
        values: dict[str, Any] = {
            **{"accounts": self.accounts, "above": self.above, "below": self.below},
            **{"begin": self.begin, "end": self.end, "most": page.stop},
            "without": list(self.without),
        }
        with connection.cursor() as sql:
            sql.execute(KEYS.format(sides=sides, order=order), values)
            keys = [pk for (pk,) in sql.fetchall()]
        return list(Transfer.objects.filter(pk__in=keys).select_related(*self.related).order_by(self.key))
