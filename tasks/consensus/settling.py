"""Which tasks have what they need, and which want another answer."""

from collections.abc import Sequence

import numpy as np

from marketplace.core import copying
from tasks import budgets, seats, wishes
from tasks.consensus import worth
from tasks.consensus.answers import Crowd
from tasks.consensus.labelled import Labelled, certain_of
from tasks.models import Batch

# Of those that wait for money not all is asked: they settle when it is
OPEN = """SELECT id, bought::int4 AS bought FROM tasks_task
          WHERE id = ANY(%(tasks)s::bigint[]) AND state = 'open' AND withdrawn = 0 ORDER BY id"""


def settle(batch: Batch, crowd: Crowd, fields: Sequence[Labelled]) -> set[int]:
    """Close tasks that are sure enough or have all that may be bought; buy another answer for the others."""
    rows = copying.read(OPEN, {"tasks": crowd.tasks.tolist()}, {"id": "i8", "bought": "i4"})
    place = np.searchsorted(crowd.tasks, rows["id"])
    gone = np.array([crowd.superseded.get(task, 0) for task in rows["id"].tolist()], np.int64)
    bought, is_sure = rows["bought"] - gone, certain_of(crowd.tasks, fields)[place] >= batch.target_confidence
    is_complete = crowd.given()[place] >= bought
    is_done = is_sure | (bought >= batch.redundancy_max)
    if batch.state == Batch.State.OPEN:
        wanting = is_complete & ~is_done
        gain = worth.of(crowd.tasks, fields)[place]
        tasks, between = worth.between(wishes.field_of(batch), rows["id"][wanting], fields)
        wishes.note(batch, tasks, between)
        budgets.buy(batch, dict(zip(rows["id"][wanting].tolist(), gain[wanting].tolist(), strict=True)))
    return set(seats.settle(rows["id"][is_complete & is_done].tolist()))
