"""How often somebody may do something: counted exactly in the database, or about right in the memory of a process."""

import math
import time
from itertools import islice
from threading import Lock

from django.conf import settings
from django.db import connection
from django.db.models import F
from django.utils.crypto import salted_hmac

from marketplace.core import clock
from marketplace.core.errors import TooManyRequests
from marketplace.core.models import Count

CALLERS_MOST = 100_000  # remembered by a process; beyond that, those who called least lately begin anew

_busy_until: dict[tuple[str, object], float] = {}
_lock = Lock()


def spend(what: str, *whom: object) -> None:
    """Count one more of this, exactly, however many servers there are; raise TooManyRequests where it is one too many.

    `settings.LIMITS` says how many in how long. Called outside of a transaction it holds no lock when it returns, and
    what was tried counts, whatever becomes of it.
    """
    most, within_s = settings.LIMITS[what]
    if not most:
        return
    with connection.cursor() as cursor:
        cursor.execute(
            """INSERT INTO core_count AS kept (what, whom, times, until)
               VALUES (%s, %s, 1, statement_timestamp() + make_interval(secs => %s))
               ON CONFLICT (what, whom) DO UPDATE SET
                   times = CASE WHEN kept.until > statement_timestamp() THEN kept.times + 1 ELSE 1 END,
                   until = CASE WHEN kept.until > statement_timestamp() THEN kept.until ELSE excluded.until END
               RETURNING times, extract(epoch FROM until - statement_timestamp())""",
            [what, _sealed(whom), within_s],
        )
        times, left_s = cursor.fetchone()
    if times > most:
        raise TooManyRequests(retry_after_s=max(1, math.ceil(left_s)))


def give_back(what: str, *whom: object) -> None:
    """Take one back that was counted just now."""
    Count.objects.filter(what=what, whom=_sealed(whom), times__gt=0).update(times=F("times") - 1)


def forgive(what: str, *whom: object) -> None:
    """Begin to count anew."""
    Count.objects.filter(what=what, whom=_sealed(whom)).delete()


def forget(limit: int = 5_000) -> bool:
    """Delete counts whose time is over; True while there are more."""
    over = Count.objects.filter(until__lte=clock.now())
    gone, _ = over.filter(pk__in=over.order_by("until").values("pk")[:limit]).delete()
    return gone >= limit


def keep_pace(what: str, whom: object, at: float | None = None) -> None:
    """Raise TooManyRequests for a caller who is too fast for this process; of a few microseconds, without the database.

    `settings.PACES` says how many a second in the long run, and how many may come at once after a pause.
    """
    a_second, at_once = settings.PACES[what]
    if not a_second:
        return
    now = time.monotonic() if at is None else at
    with _lock:
        busy_until = max(now, _busy_until.pop((what, whom), now)) + 1 / a_second
        wait_s = busy_until - now - at_once / a_second
        is_refused = wait_s > 1e-9
        _busy_until[what, whom] = busy_until - is_refused / a_second  # what is refused costs nothing
        if len(_busy_until) > CALLERS_MOST:
            _forget_callers(now)
    if is_refused:
        raise TooManyRequests(retry_after_s=math.ceil(wait_s))


def _forget_callers(now: float) -> None:
    """Keep at most half of them: first those go of whom nothing is to be remembered, then who called least lately."""
    for key in [key for key, busy_until in _busy_until.items() if busy_until <= now]:
        del _busy_until[key]
    for key in list(islice(_busy_until, max(0, len(_busy_until) - CALLERS_MOST // 2))):
        del _busy_until[key]


def _sealed(whom: tuple[object, ...]) -> str:
    """Names and addresses stand in no table but their own."""
    return salted_hmac("limits", repr(whom)).hexdigest()
