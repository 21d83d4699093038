"""What each worker answers where each class is right: counts kept beside reliability, and the posterior they give."""

from collections.abc import Collection
from datetime import datetime

import numpy as np
from django.conf import settings

from marketplace.core import clock
from marketplace.models import Project
from workers import reliability, scoring
from workers.models import Confusion

CLASSES_MOST = 50  # of a field with more, whole confusions are not kept: their square is a row's size

ROUNDING = 1e-9

Cell = tuple[str, str]  # the class that was right, the class that was answered
Counts = dict[tuple[int, str], dict[Cell, float]]  # (worker, field) -> cells


def add(project: Project, counts: Counts, at: datetime | None = None) -> None:
    """Add what was answered (or, with negative counts, take it back); `at` as in `reliability.add`."""
    if not counts:
        return
    reliability.lock()
    worth = scoring.weight(at or clock.now(), settings.RELIABILITY_HALF_LIFE_DAYS)
    there = Confusion.objects.filter(
        project=project, worker__in={worker for worker, _ in counts}, field__in={field for _, field in counts}
    )
    rows = {(row.worker_id, row.field): row for row in there}
    for (worker, field), cells in sorted(counts.items()):
        row = rows.get((worker, field)) or Confusion(worker_id=worker, project=project, field=field, classes=[])
        rows[worker, field] = _with(row, cells, worth)
    touched = [rows[key] for key in sorted(counts)]
    Confusion.objects.bulk_create([row for row in touched if row.pk is None], batch_size=500)
    Confusion.objects.bulk_update([row for row in touched if row.pk], ["classes", "counts"], batch_size=500)


def replace(
    project: Project, counts: Counts, workers: Collection[int] | None = None, at: datetime | None = None
) -> None:
    """Set the counts of a project, or of these workers there, as counted from the evidence from scratch."""
    reliability.lock()
    there = Confusion.objects.filter(project=project)
    for row in there if workers is None else there.filter(worker__in=workers):
        row.counts = [0.0] * len(row.counts)
        row.save(update_fields=["counts"])
    add(project, counts, at)


def of(project: Project, field: str, classes: list[str]) -> dict[int, np.ndarray]:
    """For each worker of whom something is known, float[K, K]: how likely each answer is where each class is right."""
    worth = scoring.weight(clock.now(), settings.RELIABILITY_HALF_LIFE_DAYS)
    found = {row.worker_id: _counts(row, classes) / worth for row in _of(project, field)}
    pooled = sum(found.values(), np.zeros((len(classes), len(classes))))
    return {worker: scoring.confusion(counts, pooled) for worker, counts in found.items()}


def counts(project: Project, field: str, classes: list[str]) -> dict[int, np.ndarray]:
    """The counts themselves, as of now: float[K, K], [truth, answer]."""
    worth = scoring.weight(clock.now(), settings.RELIABILITY_HALF_LIFE_DAYS)
    return {row.worker_id: _counts(row, classes) / worth for row in _of(project, field)}


def _of(project: Project, field: str) -> list[Confusion]:
    return list(Confusion.objects.filter(project=project, field=field).order_by("worker"))


def _counts(row: Confusion, classes: list[str]) -> np.ndarray:
    """What the row counts of these classes; those it never met are zero."""
    kept = np.array(row.counts).reshape(len(row.classes), len(row.classes))
    place = {name: number for number, name in enumerate(row.classes)}
    index = [place.get(name, -1) for name in classes]
    wider = np.pad(kept, ((0, 1), (0, 1)))  # -1: the row and column of zeros
    return np.asarray(wider[np.ix_(index, index)])


def _with(row: Confusion, cells: dict[Cell, float], worth: float) -> Confusion:
    """The row with these cells added; classes it did not know (a schema may be revised) are put behind."""
    met = sorted({name for cell in cells for name in cell} - set(row.classes))
    classes = [*row.classes, *met]
    table = _counts(row, classes).copy() if row.classes else np.zeros((len(met), len(met)))
    place = {name: number for number, name in enumerate(classes)}
    for (truth, answer), count in cells.items():
        cell = place[truth], place[answer]
        table[cell] += count * worth
        if abs(table[cell]) < ROUNDING * abs(count * worth):  # all of it was taken back
            table[cell] = 0.0
    row.classes, row.counts = classes, np.maximum(table, 0.0).ravel().tolist()
    return row
