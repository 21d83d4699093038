"""Processes that die: a copy of this one is killed at its n-th step towards the database or the provider."""

import os
import signal
import sys
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any
from unittest import mock

from django.db import connections
from django.db.backends.base.base import BaseDatabaseWrapper
from django.db.backends.utils import CursorWrapper
from urllib3.connection import HTTPConnection

from payments import gateway

READS = ("SELECT", "SAVEPOINT", "RELEASE", "SET")


def dies(at: int, call: Callable[[], Any]) -> bool:
    """Make the call in a copy of this process that is killed at step `at`; whether it came so far.

    Steps are: before and after each commit; before a request to the provider is sent, when it is, and when it is
    answered.
    raises  RuntimeError  the call failed of itself
    """
    connections.close_all()  # the copy makes its own; two on one socket would hear each other
    sys.stdout.flush()
    if not (child := os.fork()):
        code = 1
        try:
            gateway._of.cache_clear()  # its connections to the provider are ours
            with _killed(at):
                call()
            code = 0
        except Exception:
            traceback.print_exc()
        finally:
            os._exit(code)
    _, status = os.waitpid(child, 0)
    if os.WIFSIGNALED(status):
        assert os.WTERMSIG(status) == signal.SIGKILL
        return True
    if os.waitstatus_to_exitcode(status):
        raise RuntimeError("the copy failed of itself; what it said is above")
    return False


@contextmanager
def _killed(at: int) -> Iterator[None]:
    passed = 0

    def step() -> None:
        nonlocal passed
        if passed == at:
            os.kill(os.getpid(), signal.SIGKILL)
        passed += 1

    def between_steps(verb: Callable[..., Any], before: bool = True) -> Callable[..., Any]:
        @wraps(verb)
        def stepping(*args: Any, **options: Any) -> Any:
            if before:
                step()
            result = verb(*args, **options)
            step()
            return result

        return stepping

    execute = CursorWrapper.execute

    def executed(cursor: Any, sql: Any, params: Any = None) -> Any:
        """Outside a transaction a statement is its own commit."""
        is_commit = not cursor.db.in_atomic_block and not str(sql).lstrip().upper().startswith(READS)
        return (between_steps(execute) if is_commit else execute)(cursor, sql, params)

    with (
        mock.patch.object(BaseDatabaseWrapper, "commit", between_steps(BaseDatabaseWrapper.commit)),
        mock.patch.object(CursorWrapper, "execute", executed),
        mock.patch.object(HTTPConnection, "request", between_steps(HTTPConnection.request)),
        mock.patch.object(HTTPConnection, "getresponse", between_steps(HTTPConnection.getresponse, before=False)),
    ):
        yield
