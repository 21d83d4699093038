"""Workers of a project who are paid to the same place."""

from tasks.signals.finding import Found
from tasks.signals.rows import Seen
from workers.models import Worker

ROWS_SHOWN = 10


def same(seen: Seen) -> list[Found]:
    """Each group of workers with answers here who are paid to one place; households are, and so is one person twice."""
    here = {row.worker for row in seen.rows}
    known = Worker.objects.filter(pk__in=here).exclude(kin=[]).order_by("pk")
    user: dict[int, int] = {}
    kin: dict[int, list[int]] = {}
    for worker in known:
        user[worker.user_id], kin[worker.pk] = worker.pk, worker.kin
    found: list[Found] = []
    told: set[tuple[int, ...]] = set()
    for key, users in kin.items():
        group = tuple(sorted({key, *(user[one] for one in users if one in user)}))
        if len(group) > 1 and group not in told:
            told.add(group)
            found.append(_found(seen, list(group)))
    return found


def _found(seen: Seen, group: list[int]) -> Found:
    rows = []
    for worker in group:
        mine = [place for place, row in enumerate(seen.rows) if row.worker == worker][-ROWS_SHOWN:]
        rows.append((mine, f"the newest answers of one of the {len(group)}"))
    words = f"{len(group)} workers here are paid to the same place, as a family may be, or one person twice"
    return Found("same_payee", group, "", float(len(group)), None, None, words, rows)
