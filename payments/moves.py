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
    AND created_at >= %(begin)s AND created_at < %(end)s {only}
    ORDER BY {side}_id {order}, id {order} LIMIT %(most)s)
"""
FROM_OTHERS = "AND {other}_id <> ALL(%(accounts)s)"
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
    with_own: bool = True  # also what moved from one of these accounts to another
    key: str = "-pk"

    def filter(self, *, pk__gt: int = 0, pk__lt: int = ALL) -> "Moves":
        return replace(self, above=max(self.above, pk__gt), below=min(self.below, pk__lt))

    def order_by(self, key: str) -> "Moves":
        return replace(self, key=key)

    def __getitem__(self, page: slice) -> list[Transfer]:
        """The first so many."""
        order = "DESC" if self.key == "-pk" else "ASC"
        sides = " UNION ALL ".join(self._side(side, order) for side in self.sides)
        values: dict[str, Any] = {
            **{"accounts": self.accounts, "above": self.above, "below": self.below},
            **{"begin": self.begin, "end": self.end, "most": page.stop},
        }
        with connection.cursor() as sql:
            sql.execute(KEYS.format(sides=sides, order=order), values)
            keys = [pk for (pk,) in sql.fetchall()]
        return list(Transfer.objects.filter(pk__in=keys).select_related(*self.related).order_by(self.key))

    def _side(self, side: Side, order: str) -> str:
        other = "debit" if side == "credit" else "credit"
        return SIDE.format(side=side, order=order, only="" if self.with_own else FROM_OTHERS.format(other=other))
