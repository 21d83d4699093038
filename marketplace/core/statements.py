"""Statements of the hot path: bound on the server and planned once for a connection.

Django binds values on the client and has each statement planned anew; for a page of work that is half its price.
"""

import functools
from collections.abc import Callable, Mapping
from typing import Any

import psycopg
from django.db import connection
from psycopg.types.numeric import Int8

Row = tuple[Any, ...]


def rows(statement: str, values: Mapping[str, Any]) -> list[Row]:
    """What a statement returns; outside a transaction it commits by itself. JSON comes as text.

    raises  what Django raises for the same fault
    """
    connection.close_if_health_check_failed()
    connection.ensure_connection()
    connection.validate_no_broken_transaction()
    run: Callable[..., list[Row]] = _run
    for wrapper in reversed(connection.execute_wrappers):
        run = functools.partial(wrapper, run)
    with connection.wrap_database_errors:
        return run(statement, values, False, {"connection": connection, "is_prepared": True})


def _run(statement: str, values: Mapping[str, Any], many: bool, context: Mapping[str, Any]) -> list[Row]:
    with psycopg.Cursor(context["connection"].connection) as cursor:
        cursor.execute(statement.encode(), {name: _typed(value) for name, value in values.items()}, prepare=True)
        return cursor.fetchall()


def _typed(value: Any) -> Any:
    """One type for all integers: a statement is planned anew for other types, and psycopg takes the narrowest."""
    if type(value) is int:
        return Int8(value)
    return [Int8(part) for part in value] if type(value) is list and value and type(value[0]) is int else value
