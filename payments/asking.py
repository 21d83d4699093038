"""Sweeps that ask the provider: one step asks for row after row, and ends before a job may be killed.

What is to be asked again waits twice as long after every time, so that what keeps failing holds up nothing else.
"""

import logging
import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any

from django.db.models import QuerySet

from marketplace.core.errors import Conflict
from payments.gateway import NotNow

FIRST_RETRY, LAST_RETRY = timedelta(seconds=10), timedelta(hours=1)
STEP_S = 20  # no row is begun later: it may ask three times, 30 s each, and a job has 120 s
log = logging.getLogger(__name__)


class ProviderSilent(Conflict):
    title = "The payment provider does not answer now"


def wait(tries: int) -> timedelta:
    """How long after it is asked for once more what was asked for so often before is due again."""
    return min(FIRST_RETRY * 2 ** min(tries, 20), LAST_RETRY)


def each(what: str, due: "QuerySet[Any, int]", verb: Callable[[int], object], limit: int) -> bool:
    """Call a verb with the first keys of these, as long as the time of a step lasts; True: there may be more.

    One that fails is told, and holds up no other. It must not be due any more: the verb sees to it before it asks.
    """
    keys, began = list(due[:limit]), time.monotonic()
    for key in keys:
        try:
            verb(key)
        except NotNow as error:
            log.warning("%s %s waits: %s", what, key, error)
        except Exception:
            log.exception("%s %s: nobody knows what came of it, it will be asked again", what, key)
        if time.monotonic() - began > STEP_S:
            return True
    return len(keys) == limit
