"""What the last fit of a batch learned of its workers, kept until the next."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from io import BytesIO
from typing import Any

import numpy as np
from django.conf import settings
from django.db.models import F

from tasks.aggregation.learned import Learned
from tasks.aggregation.votes import Ints
from tasks.consensus import fields
from tasks.consensus.answers import Crowd
from tasks.models import Batch, Fit

GROWTH = 0.05  # so many more answers, and the workers are looked at anew: all fits together cost 20 of the last
LEAST_REST = timedelta(minutes=1)  # until the answers that came since a fit have theirs
REST = 20  # or longer: so many times what the last fit took
MOST_BYTES = 64 << 20  # of what is kept: a batch of which there is more is fitted each time


@dataclass(frozen=True)
class Known:
    """workers int[W], sorted; what was learned of them in each field, with a newcomer behind them."""

    workers: Ints
    fields: Mapping[str, Learned]


def is_due(batch: Batch, at: datetime) -> bool:
    """Whether all answers are to be weighed together, and not the new ones alone."""
    if batch.weighed_to is None or (batch.fit_due_at is not None and batch.fit_due_at <= at):
        return True
    sizes = Fit.objects.filter(batch=batch).values_list("answers", "since").first()
    return sizes is None or sizes[1] > GROWTH * sizes[0]


def keep(batch: Batch, crowd: Crowd, learned: Mapping[str, Learned], at: datetime, seconds: float) -> None:
    """Keep what a fit learned, if fitting again would cost more than keeping it."""
    Batch.objects.filter(pk=batch.pk).update(weighed_to=at, fit_due_at=None)
    document = _document(Known(crowd.workers, learned))
    if (
        len(crowd.answers) < settings.FIT_KEPT_FROM_ANSWERS
        or not fields.can_be_weighed_again(batch)
        or len(document) > MOST_BYTES
    ):
        Fit.objects.filter(batch=batch).delete()
        return
    kept = {"answers": len(crowd.answers), "since": 0, "seconds": seconds, "at": at, "learned": document}
    Fit.objects.update_or_create(batch=batch, defaults=kept)


def known(batch: Batch) -> Known:
    """What was kept."""
    document = Fit.objects.values_list("learned", flat=True).get(batch=batch)
    with np.load(BytesIO(document), allow_pickle=False) as arrays:
        names = arrays["names"].tolist()
        learned = {name: _learned(arrays, place) for place, name in enumerate(names)}
        return Known(arrays["workers"], learned)


def note(batch: Batch, more: int, at: datetime) -> None:
    """Say that so many new answers are weighed, and when all of them are to be."""
    fit = Fit.objects.defer("learned").get(batch=batch)
    due_at = fit.at + max(LEAST_REST, timedelta(seconds=REST * fit.seconds)) if fit.since + more else None
    Fit.objects.filter(batch=batch).update(since=F("since") + more)
    Batch.objects.filter(pk=batch.pk).update(weighed_to=at, fit_due_at=due_at)


ARRAYS = ("says", "common", "confusions", "prior")


def _document(known: Known) -> bytes:
    arrays: dict[str, Any] = {"workers": known.workers, "names": np.array(list(known.fields), np.str_)}
    for place, one in enumerate(known.fields.values()):
        arrays |= {f"{place} {name}": getattr(one, name).astype(np.float32) for name in ARRAYS}
        arrays[f"{place} model"] = np.array([one.method, one.version], np.str_)
        arrays[f"{place} temperature"] = np.array(one.temperature)
    stream = BytesIO()
    np.savez(stream, **arrays)
    return stream.getvalue()


def _learned(arrays: Mapping[str, np.ndarray], place: int) -> Learned:
    method, version = arrays[f"{place} model"].tolist()
    parts = {name: arrays[f"{place} {name}"].astype(np.float64) for name in ARRAYS}
    return Learned(**parts, temperature=float(arrays[f"{place} temperature"]), method=method, version=version)
