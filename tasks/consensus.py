"""From answers to labels: rows -> arrays -> aggregation -> rows, and whether a task is settled."""

import time
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import numpy as np
from django.db import transaction
from django.db.models import Count, OuterRef, Q, Subquery

from marketplace import labels
from marketplace.core import clock
from marketplace.labels import schema as label_schema
from tasks import budgets, evidence, seats
from tasks.aggregation import dawid_skene, votes
from tasks.models import Answer, Assignment, Batch, Consensus, ConsensusChange, Evidence, Gold, Task
from workers.models import Reliability

COMMITTED_WITHIN = timedelta(seconds=10)  # a submit's time is read this long before others see it, at most
REST = 3  # after a run of one second, the next waits three, while there is work to hand out
LEAST_SUPPORT = 2  # one worker alone is never sure enough to stop early
SAME = 1e-4  # a posterior that moved less is not written again
LIKELY = 0.01  # what is less so is not kept with the evidence
WEIGHT_LEAST = 0.05  # of an answer whose worker seems useless


@dataclass(frozen=True)
class Crowd:
    """The counted answers of a batch as arrays.

    tasks, workers  int[T], int[W]  primary keys, sorted
    task, worker    int[N]          which of them each answer belongs to
    codes           int[N, C]       one column per categorical field; -1: none
    values          list of N answers
    answers         int[N]          primary keys
    truth           {task position: truth} of hidden gold
    superseded      {task: how many more answers hold a seat and speak no more}
    """

    tasks: np.ndarray
    workers: np.ndarray
    task: np.ndarray
    worker: np.ndarray
    codes: np.ndarray
    values: list[dict[str, Any]]
    answers: np.ndarray
    truth: dict[int, dict[str, Any]]
    superseded: dict[int, int]


@dataclass(frozen=True)
class Result:
    """What one field of one task comes to."""

    value: Any
    code: int
    posterior: list[float] | None
    confidence: float
    support: int
    method: str
    version: str


Results = dict[int, dict[str, Result]]  # task -> field -> result
Certainty = dict[int, float]  # task -> probability that it needs no further answer, of its least certain field


def waiting() -> Iterable[Batch]:
    """Batches with answers that consensus has not seen, those that waited longest first."""
    recent = Assignment.objects.filter(
        batch=OuterRef("pk"), submitted_at__gt=OuterRef("consensus_at") - COMMITTED_WITHIN
    )
    fresh = Batch.objects.annotate(recent=Subquery(recent.order_by("submitted_at").values("pk")[:1]))
    wanted = fresh.filter(Q(consensus_at=None) | Q(recent__isnull=False, returned_at=None))
    at = clock.now()
    for batch in wanted.exclude(state=Batch.State.FILLING).order_by("consensus_at", "pk")[:100]:
        rested = batch.consensus_at is None or batch.consensus_at + timedelta(seconds=REST * batch.consensus_s) <= at
        if rested or not Task.objects.filter(batch=batch, open=True).exists():
            yield batch


def update(batch: Batch) -> None:
    """Weigh all answers of a batch again, write what changed, and settle the tasks that are sure enough."""
    started, at = time.monotonic(), clock.now()
    Batch.objects.filter(pk=batch.pk).update(consensus_at=at)
    with transaction.atomic():
        seats.hold(batch.pk)
        crowd = _load(batch)
        results, certainty = aggregate(batch, crowd)
        flipped = _write(batch, results)
        closed = _settle(batch, crowd, certainty)
        _judge(crowd, batch, results, closed | flipped)
    Batch.objects.filter(pk=batch.pk).update(consensus_s=time.monotonic() - started)


def aggregate(batch: Batch, crowd: Crowd) -> tuple[Results, Certainty]:
    """The label of every answered task, field by field; gold counts for the workers but gets no label here."""
    results: Results = defaultdict(dict)
    certainty: Certainty = {}
    columns = {name: number for number, (name, _) in enumerate(label_schema.categorical(batch.schema))}
    for spec in batch.schema["fields"]:
        if spec["name"] in columns:
            found = _by_class(spec, crowd, crowd.codes[:, columns[spec["name"]]])
        else:
            found = _by_merging(spec, batch, crowd)
        for place, result, certain in found:
            if place not in crowd.truth:
                task = int(crowd.tasks[place])
                results[task][spec["name"]] = result
                certainty[task] = min(certain, certainty.get(task, 1.0))
    return results, certainty


def _load(batch: Batch) -> Crowd:
    rows = list(
        Answer.objects.counted()
        .filter(batch=batch, attempt=0)
        .order_by("pk")
        .values_list("pk", "task", "worker", "codes", "value")
    )
    gone = Answer.objects.superseded().filter(batch=batch, attempt=0)
    width = len(label_schema.categorical(batch.schema))
    tasks, task = np.unique(np.array([row[1] for row in rows], np.int64), return_inverse=True)
    workers, worker = np.unique(np.array([row[2] for row in rows], np.int64), return_inverse=True)
    place = {int(pk): number for number, pk in enumerate(tasks)}
    gold = Gold.objects.filter(batch=batch, purpose=Gold.Purpose.HIDDEN, state__in=Gold.BELIEVED)
    known = {place[pk]: truth for pk, truth in gold.values_list("task", "truth") if pk in place}
    return Crowd(
        tasks=tasks,
        workers=workers,
        task=task,
        worker=worker,
        codes=np.array([row[3] for row in rows], np.int64).reshape(len(rows), width),
        values=[row[4] or {} for row in rows],
        answers=np.array([row[0] for row in rows], np.int64),
        truth=known,
        superseded=dict(gone.values_list("task").annotate(n=Count("pk")).order_by("task")),
    )


def _by_class(spec: dict[str, Any], crowd: Crowd, codes: np.ndarray) -> list[tuple[int, Result, float]]:
    """Results of a categorical field, each with its place among the tasks and how certain it is.

    A fit is over-confident about the answers it was made from; what is certain enough to stop buying is asked of the
    confusions alone. Disagreement about a perspective is a result, not a doubt.
    """
    classes = labels.TYPES[spec["type"]].categories(spec)
    given = codes >= 0
    shape = (len(crowd.tasks), len(crowd.workers), len(classes))
    triples = (crowd.task[given], crowd.worker[given], codes[given])
    if spec["truth"] == "perspective":
        posterior, method, version = votes.majority(*triples, *shape), "shares", "1"
        certain = np.ones_like(posterior)
    else:
        fit = dawid_skene.fit(*triples, *shape, gold=_clamped(spec, crowd, classes))
        posterior, method, version = fit.posterior, fit.method, str(fit.version)
        certain = dawid_skene.posterior_given(*triples, fit.confusions, fit.prior, len(crowd.tasks))
    support = np.bincount(crowd.task[given], minlength=len(crowd.tasks))
    best = posterior.argmax(axis=1)
    return [
        (
            task,
            Result(
                value=_value(spec, classes, int(best[task])),
                code=int(best[task]),
                posterior=posterior[task].tolist(),
                confidence=float(posterior[task, best[task]]),
                support=int(support[task]),
                method=method,
                version=version,
            ),
            float(certain[task, best[task]]) if support[task] >= LEAST_SUPPORT else 0.0,
        )
        for task in np.flatnonzero(support).tolist()
    ]


def _clamped(spec: dict[str, Any], crowd: Crowd, classes: list[str]) -> np.ndarray:
    """The class of every gold task in this field; -1: not known."""
    known = np.full(len(crowd.tasks), -1, np.int64)
    for task, truth in crowd.truth.items():
        if spec["name"] in truth:
            known[task] = classes.index(labels.TYPES[spec["type"]].to_text(truth[spec["name"]], spec))
    return known


def _value(spec: dict[str, Any], classes: list[str], code: int) -> Any:
    return labels.TYPES[spec["type"]].from_text(classes[code], spec)


def _by_merging(spec: dict[str, Any], batch: Batch, crowd: Crowd) -> list[tuple[int, Result, float]]:
    """Merge answers that have no classes, each weighed by its worker's reliability."""
    weight = dict(Reliability.objects.filter(project=batch.project_id).values_list("worker", "accuracy"))
    by_task: dict[int, list[int]] = defaultdict(list)
    for number, value in enumerate(crowd.values):
        if spec["name"] in value:
            by_task[int(crowd.task[number])].append(number)
    found = []
    for task, numbers in by_task.items():
        weights = [max(WEIGHT_LEAST, weight.get(int(crowd.workers[crowd.worker[n]]), 0.5)) for n in numbers]
        merged = labels.TYPES[spec["type"]].merge([crowd.values[n][spec["name"]] for n in numbers], weights, spec)
        result = Result(merged.value, -1, None, float(merged.confidence), len(numbers), "merge", "1")
        found.append((task, result, result.confidence if len(numbers) >= LEAST_SUPPORT else 0.0))
    return found


def _write(batch: Batch, results: Results) -> set[int]:
    """Bring the consensus rows up to date; return the tasks whose label is now another."""
    old = {(row.task_id, row.field): row for row in Consensus.objects.filter(task__batch=batch)}
    new = {(task, name): result for task, fields in results.items() for name, result in fields.items()}
    at = clock.now()
    changed = {key: result for key, result in new.items() if key not in old or not _same(old[key], result)}
    Consensus.objects.bulk_create(
        [Consensus(task_id=task, field=name, updated_at=at, **vars(changed[task, name])) for task, name in changed],
        batch_size=2000,
        update_conflicts=True,
        unique_fields=["task", "field"],
        update_fields=[*Result.__dataclass_fields__, "updated_at"],
    )
    unanswered = [row for key, row in old.items() if key not in new]
    Consensus.objects.filter(pk__in=[row.pk for row in unanswered]).delete()
    flipped = [old[key] for key, result in changed.items() if key in old and old[key].value != result.value]
    ConsensusChange.objects.bulk_create([_history(row, at) for row in flipped + unanswered], batch_size=2000)
    return {row.task_id for row in flipped}


def _history(row: Consensus, at: datetime) -> ConsensusChange:
    kept = {name: getattr(row, name) for name in ("field", "value", "confidence", "support", "method", "version")}
    return ConsensusChange(task_id=row.task_id, at=at, **kept)


def _same(row: Consensus, new: Result) -> bool:
    return (
        row.value == new.value
        and row.support == new.support
        and (row.method, row.version) == (new.method, new.version)
        and np.allclose(row.posterior or [row.confidence], new.posterior or [new.confidence], atol=SAME)
    )


def _settle(batch: Batch, crowd: Crowd, certainty: Certainty) -> set[int]:
    """Close tasks that are sure enough or have all that may be bought; buy another answer for the others."""
    answered = dict(
        zip(crowd.tasks.tolist(), np.bincount(crowd.task, minlength=len(crowd.tasks)).tolist(), strict=True)
    )
    open_tasks = Task.objects.filter(batch=batch, state=Task.State.OPEN, pk__in=list(answered))
    whole = open_tasks.filter(withdrawn=0)  # of the others not all is asked: they wait for money
    asked = ((task, bought - crowd.superseded.get(task, 0)) for task, bought in whole.values_list("pk", "bought"))
    complete = [(task, bought) for task, bought in asked if answered[task] >= bought]
    sure = {task for task, _ in complete if certainty.get(task, 0.0) >= batch.target_confidence}
    done = [task for task, bought in complete if task in sure or bought >= batch.redundancy_max]
    if batch.state == Batch.State.OPEN:
        budgets.buy(batch, [task for task, bought in complete if task not in sure and bought < batch.redundancy_max])
    return set(seats.settle(done))


def _judge(crowd: Crowd, batch: Batch, results: Results, tasks: set[int]) -> None:
    """Write what the labels of these tasks say of the answers to them, in place of what earlier labels said."""
    closed = set(Task.objects.filter(pk__in=tasks, state=Task.State.CLOSED, gold=None).values_list("pk", flat=True))
    kinds = {spec["name"]: spec["truth"] for spec in batch.schema["fields"]}
    earlier = Evidence.objects.filter(kind=Evidence.Kind.CONSENSUS, answer__task__in=closed)
    evidence.void(earlier, "label changed")
    columns = [
        (column, name)
        for column, (name, _) in enumerate(label_schema.categorical(batch.schema))
        if kinds[name] != "perspective"
    ]
    judged: list[tuple[int, float]] = []
    truths: dict[int, evidence.Truths] = {}
    for number, task in enumerate(crowd.tasks[crowd.task].tolist()):
        if task not in closed:
            continue
        said = {
            name: (posterior, posterior[crowd.codes[number, column]])
            for column, name in columns
            if crowd.codes[number, column] >= 0
            and name in results[task]
            and (posterior := results[task][name].posterior)
        }
        if said:
            answer = int(crowd.answers[number])
            judged.append((answer, sum(share for _, share in said.values()) / len(said)))
            truths[answer] = {name: _likely(posterior) for name, (posterior, _) in said.items()}
    rows = Answer.objects.select_related("batch__project").in_bulk([pk for pk, _ in judged])
    evidence.add(Evidence.Kind.CONSENSUS, [(rows[pk], share) for pk, share in judged], truths)


def _likely(posterior: list[float]) -> dict[str, float]:
    """The classes that may be right, by number."""
    return {str(code): round(share, 3) for code, share in enumerate(posterior) if share >= LIKELY}
