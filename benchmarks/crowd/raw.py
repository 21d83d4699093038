"""The same statements without a site: prepared psycopg in processes of its own, as fast as the database takes them."""

import multiprocessing
import random
import time
from collections.abc import Sequence
from typing import Any

import psycopg
from psycopg.types.numeric import Int8

from benchmarks.crowd.stage import GOLD_SHARE, Stage
from marketplace.core import ids, money
from tasks import seats, terms
from tasks.assignments import claiming, handing_in

ANSWER = '{"animal": "cat"}'


def cycles(stage: Stage, workers: Sequence[int], clients: int, seconds: float, size: int) -> int:
    """How many pages so many clients claim and hand in within this time."""
    agreed, project = terms.of(stage.batch), _project(stage)
    forked = multiprocessing.get_context("spawn")
    with forked.Pool(clients) as pool:
        mine = [(stage, list(workers[n::clients]), agreed, project, seconds, size) for n in range(clients)]
        return sum(pool.starmap(_client, mine))


def _project(stage: Stage) -> int:
    with psycopg.connect(stage.url) as database:
        found = database.execute("SELECT id FROM marketplace_project WHERE public_id = %s", [stage.project]).fetchone()
        assert found
        return found[0]


def _client(stage: Stage, workers: list[int], agreed: terms.Terms, project: int, seconds: float, size: int) -> int:
    give = seats.STATEMENTS["queue", False].encode()
    done, end = 0, time.perf_counter() + seconds
    with psycopg.connect(stage.url, autocommit=True, prepare_threshold=0) as database:
        cursor = database.cursor()
        while time.perf_counter() < end:
            worker = random.choice(workers)
            seen = {"worker": Int8(worker), "project": Int8(project)}
            standing = claiming.Standing(*cursor.execute(claiming.LOOK.encode(), seen).fetchall()[0])
            wanted = _wanted(standing, worker, project, agreed, size)
            rows = cursor.execute(give, wanted).fetchall()
            if rows:
                _hand_in(database, cursor, wanted, agreed)
                done += 1
    return done


def _wanted(standing: claiming.Standing, worker: int, project: int, agreed: terms.Terms, size: int) -> dict[str, Any]:
    gold = min(sum(random.random() < GOLD_SHARE for _ in range(size)), max(1, size - 1), standing.gold_left)
    fee = money.fee_micros(agreed.price_micros, agreed.fee_bp)
    numbers = {
        **{"cursor": standing.cursor, "claimed": standing.claimed, "worker": worker, "project": project},
        **{"batch": agreed.batch, "price": agreed.price_micros, "fee": fee, "lease_s": agreed.lease_s},
        **{"priority": standing.priority, "pos": standing.pos, "to_priority": seats.END[0], "to_pos": seats.END[1]},
        **{"size": size, "gold": gold, "guideline": standing.guideline},
    }
    wanted: dict[str, Any] = {name: Int8(number or 0) for name, number in numbers.items()}
    return {**wanted, "draw": random.random(), "self_selected": False, "name": ids.new("asg")}


def _hand_in(database: Any, cursor: Any, wanted: dict[str, Any], agreed: terms.Terms) -> None:
    with database.transaction():
        named = {"lease": wanted["name"], "worker": wanted["worker"]}
        held = cursor.execute(handing_in.HELD.encode(), named).fetchall()
        taken = {
            "lease": Int8(held[0][5]),
            "active_s": Int8(1),
            "accept_after_s": Int8(agreed.accept_after_s),
            "answers": [Int8(row[0]) for row in held],
            "values": [ANSWER] * len(held),
            "codes": ["{0}"] * len(held),
        }
        cursor.execute(handing_in.TAKE.encode(), taken).fetchall()
