"""The death of a process, at any statement it sends."""

from contextlib import AbstractContextManager
from typing import Any

from django.db import connection


class Crash(BaseException):
    """The process is gone: nothing may catch it."""


def crash_at(statement: int) -> AbstractContextManager[Any]:
    """Runs until the n-th statement."""
    seen = 0

    def wrapper(execute: Any, *args: Any) -> Any:
        nonlocal seen
        seen += 1
        if seen == statement:
            raise Crash
        return execute(*args)

    return connection.execute_wrapper(wrapper)
