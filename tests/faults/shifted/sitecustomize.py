"""Imported by every Python process that finds it on its path: the clock of that process is ahead by CLOCK_AHEAD_S."""

import datetime
import os
import time
from typing import Any

AHEAD_S = float(os.environ.get("CLOCK_AHEAD_S", 0))
Real = datetime.datetime
real_time, real_time_ns = time.time, time.time_ns


class Kind(type):
    """Every datetime counts as one of the shifted kind."""

    def __instancecheck__(cls, value: Any) -> bool:
        return isinstance(value, Real)

    def __subclasscheck__(cls, kind: type) -> bool:
        return issubclass(kind, Real)


class Shifted(Real, metaclass=Kind):
    """datetime.datetime, ahead."""

    @classmethod
    def now(cls, tz: datetime.tzinfo | None = None) -> Any:
        return Real.now(tz) + datetime.timedelta(seconds=AHEAD_S)

    @classmethod
    def utcnow(cls) -> Any:
        return Real.now(datetime.UTC).replace(tzinfo=None) + datetime.timedelta(seconds=AHEAD_S)


if AHEAD_S:
    time.time = lambda: real_time() + AHEAD_S
    time.time_ns = lambda: real_time_ns() + int(AHEAD_S * 1_000_000_000)
    datetime.datetime = Shifted  # type: ignore[misc]
