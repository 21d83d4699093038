"""What statements cost: every one a call makes is explained before it runs."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from django.db import connection, transaction

BIG = {"marketplace_item", "marketplace_itemalias", "tasks_task", "tasks_assignment", "tasks_answer", "tasks_evidence"}
EXPLAINED = ("SELECT", "INSERT", "UPDATE", "DELETE", "WITH")


@dataclass
class Cost:
    """Buffers touched by all statements of a call, and those that read a big table from end to end."""

    buffers: int = 0
    statements: list[tuple[int, str]] = field(default_factory=list)
    scans: list[str] = field(default_factory=list)

    def told(self) -> str:
        return "\n".join(f"{buffers:8} {sql}" for buffers, sql in [*self.statements, (self.buffers, "in all")])


def of(call: Callable[[], Any]) -> Cost:
    """Make the call and take it back; what its statements cost."""
    cost, busy = Cost(), []

    def explained(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if not busy and not many and sql.lstrip().upper().startswith(EXPLAINED):
            busy.append(sql)
            _explain(cost, sql, params)
            busy.clear()
        return execute(sql, params, many, context)

    with transaction.atomic():
        with connection.execute_wrapper(explained):
            call()
        transaction.set_rollback(True)
    return cost


def _explain(cost: Cost, sql: str, params: Any) -> None:
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {sql}", params)
            plan = cursor.fetchone()[0][0]["Plan"]
        transaction.set_rollback(True)
    buffers = plan["Shared Hit Blocks"] + plan["Shared Read Blocks"]
    cost.buffers += buffers
    cost.statements.append((buffers, " ".join(sql.split())[:160]))
    cost.scans += [
        f"{node['Node Type']} on {node['Relation Name']}: {sql[:300]}" for node in _nodes(plan) if _scans(node)
    ]


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for child in plan.get("Plans", []):
        yield from _nodes(child)


def _scans(node: dict[str, Any]) -> bool:
    return node["Node Type"] == "Seq Scan" and node["Relation Name"] in BIG
