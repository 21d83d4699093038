"""What statements cost: every one a call makes is explained before it runs."""

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from django.db import connection, transaction

BIG = {"marketplace_item", "marketplace_itemalias", "tasks_task", "tasks_assignment", "tasks_answer", "tasks_evidence"}
EXPLAINED = ("SELECT", "INSERT", "UPDATE", "DELETE", "WITH")
TYPES = {int: "bigint", float: "double precision", bool: "boolean"}


@dataclass
class Cost:
    """Buffers touched by all statements of a call, and those that read a big table from end to end."""

    buffers: int = 0
    statements: list[tuple[int, str]] = field(default_factory=list)
    scans: list[str] = field(default_factory=list)

    def told(self) -> str:
        return "\n".join(f"{buffers:8} {sql}" for buffers, sql in [*self.statements, (self.buffers, "in all")])


def of(call: Callable[[], Any], mode: str = "custom") -> Cost:
    """Make the call and take it back; what its statements cost.

    mode  how those bound on the server are planned: for their values ("custom"), or for any ("generic")
    """
    cost, busy = Cost(), []

    def explained(execute: Any, sql: str, params: Any, many: bool, context: Any) -> Any:
        if not busy and not many and sql.lstrip().upper().startswith(EXPLAINED):
            busy.append(sql)
            if context.get("is_prepared"):
                _explain_prepared(cost, sql, params, mode)
            else:
                _explain(cost, sql, params)
            busy.clear()
        return execute(sql, params, many, context)

    with transaction.atomic(), connection.execute_wrapper(explained):
        call()
        transaction.set_rollback(True)
    return cost


def _explain(cost: Cost, sql: str, params: Any) -> None:
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) {sql}", params)
            _note(cost, sql, cursor.fetchone()[0][0]["Plan"])
        transaction.set_rollback(True)


def _explain_prepared(cost: Cost, statement: str, values: Any, mode: str) -> None:
    names = list(dict.fromkeys(re.findall(r"%\((\w+)\)s", statement)))
    types = [TYPES.get(type(values[name]), "unknown") for name in names]
    numbered = re.sub(r"%\((\w+)\)s", lambda found: f"${names.index(found[1]) + 1}", statement).replace("%%", "%")
    with transaction.atomic():
        with connection.cursor() as cursor:
            cursor.execute(f"SET LOCAL plan_cache_mode = force_{mode}_plan")
            cursor.execute(f"PREPARE explained ({', '.join(types)}) AS {numbered.replace('%', '%%')}")
            given = ", ".join(["%s"] * len(names))
            wanted = f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) EXECUTE explained ({given})"
            cursor.execute(wanted, [values[name] for name in names])
            _note(cost, statement, cursor.fetchone()[0][0]["Plan"])
            cursor.execute("DEALLOCATE explained")
        transaction.set_rollback(True)


def _note(cost: Cost, sql: str, plan: dict[str, Any]) -> None:
    buffers = _touched(plan) + sum(_touched(node) for node in _at_the_end(plan))
    cost.buffers += buffers
    cost.statements.append((buffers, " ".join(sql.split())[:160]))
    cost.scans += [
        f"{node['Node Type']} on {node['Relation Name']}: {sql[:300]}" for node in _nodes(plan) if _scans(node)
    ]


def _touched(node: dict[str, Any]) -> int:
    return node["Shared Hit Blocks"] + node["Shared Read Blocks"]


def _at_the_end(plan: dict[str, Any]) -> list[dict[str, Any]]:
    """Parts of a statement that change rows and are read by no other part: they run after the root, uncounted there."""
    nodes = list(_nodes(plan))
    read = {f"CTE {node.get('CTE Name')}" for node in nodes}
    return [
        node for node in nodes if node.get("Subplan Name", "").startswith("CTE ") and node["Subplan Name"] not in read
    ]


def _nodes(plan: dict[str, Any]) -> Iterator[dict[str, Any]]:
    yield plan
    for child in plan.get("Plans", []):
        yield from _nodes(child)


def _scans(node: dict[str, Any]) -> bool:
    return node["Node Type"] == "Seq Scan" and node["Relation Name"] in BIG
