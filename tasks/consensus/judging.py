"""What labels say of the answers they were made from, and so of the people who gave them."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from marketplace.labels import schema as label_schema
from tasks import evidence
from tasks.consensus.answers import Crowd
from tasks.consensus.labelled import Labelled
from tasks.models import Answer, Batch, Evidence, Task

LIKELY = 0.01  # what is less so is not kept with the evidence
STEP = 5_000  # answers judged at a time


def judge(batch: Batch, crowd: Crowd, fields: Sequence[Labelled], tasks: set[int]) -> None:
    """Write what the labels of these tasks say of the answers to them, in place of what earlier labels said."""
    closed = Task.objects.filter(pk__in=tasks, state=Task.State.CLOSED, gold=None).values_list("pk", flat=True)
    judged = np.array(sorted(closed), np.int64)
    if not len(judged):
        return
    earlier = Evidence.objects.filter(kind=Evidence.Kind.CONSENSUS, answer__task__in=judged.tolist())
    evidence.void(earlier, "label changed")
    telling = _telling(batch, fields)
    answers = np.flatnonzero(np.isin(crowd.tasks[crowd.task], judged))
    for start in range(0, len(answers) if telling else 0, STEP):
        _add(crowd, telling, answers[start : start + STEP])


def _telling(batch: Batch, fields: Sequence[Labelled]) -> dict[int, Labelled]:
    """The fields with a right class, each with its column among the codes."""
    kinds = {spec["name"]: spec["truth"] for spec in batch.schema["fields"]}
    columns = {name: place for place, (name, _) in enumerate(label_schema.categorical(batch.schema))}
    return {columns[one.name]: one for one in fields if one.name in columns and kinds[one.name] != "perspective"}


def _add(crowd: Crowd, telling: dict[int, Labelled], answers: np.ndarray) -> None:
    likely: dict[int, list[float]] = {}
    truths: dict[int, evidence.Truths] = {}
    for column, one in telling.items():
        code = crowd.codes[answers, column]
        place = np.searchsorted(one.tasks, crowd.tasks[crowd.task[answers]])
        here = np.flatnonzero(code >= 0)
        assert one.posterior is not None
        shares = one.posterior[place[here]].astype(np.float32)
        for answer, said, share in zip(crowd.answers[answers[here]].tolist(), code[here], shares, strict=True):
            likely.setdefault(answer, []).append(float(share[said]))
            truths.setdefault(answer, {})[one.name] = _likely(share.tolist())
    rows: dict[int, Any] = Answer.objects.select_related("batch__project").in_bulk(list(likely))
    judged = [(rows[answer], sum(shares) / len(shares)) for answer, shares in likely.items()]
    evidence.add(Evidence.Kind.CONSENSUS, judged, truths)


def _likely(posterior: list[float]) -> dict[str, float]:
    """The classes that may be right, by number."""
    return {str(code): round(share, 3) for code, share in enumerate(posterior) if share >= LIKELY}
