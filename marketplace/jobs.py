"""Background steps of the offer."""

import logging

from django.db import OperationalError

from marketplace import accounts, datasets
from marketplace.core import jobs, limits, replies
from marketplace.models import Import

IMPORTS_A_STEP = 4
log = logging.getLogger(__name__)


def imports() -> bool:
    """Take every dataset's first unfinished import one step on, those that have come least far first."""
    unfinished = Import.objects.filter(state__in=[Import.State.WAITING, Import.State.RUNNING])
    firsts = unfinished.order_by("dataset", "version").distinct("dataset")
    for run in Import.objects.filter(pk__in=firsts.values("pk")).order_by("bytes_done")[:IMPORTS_A_STEP]:
        try:
            datasets.import_step(run.pk)
        except OperationalError:  # the database is away: nothing was written, and it can be tried again
            raise
        except Exception:
            log.exception("import %s stopped at line %s", run.public_id, run.line)
            datasets.give_up(run.pk, f"an error of ours stopped it after line {run.line}")
    return unfinished.exists()


def forget_replies() -> bool:
    """Delete stored answers to requests that nobody can repeat any more."""
    return replies.forget()


def forget_counts() -> bool:
    """Delete counts of what was done whose time is over."""
    return limits.forget()


def forget_failed_jobs() -> bool:
    """Keep of the jobs that failed only the latest."""
    return jobs.forget_failed()


def end_sessions(user_pk: int, since: str = "") -> None:
    """Delete the sessions of a person who was erased, step by step."""
    if onward := accounts.end_sessions(user_pk, since):
        jobs.enqueue("marketplace.jobs.end_sessions", user_pk, onward)
