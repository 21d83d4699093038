"""From the answers of a crowd to the labels of each field: which model, by type and by what truth is for it."""

from collections import defaultdict
from collections.abc import Mapping
from typing import Any

import numpy as np
from scipy.special import erf

from marketplace import labels
from marketplace.labels import number
from marketplace.labels import schema as label_schema
from tasks.aggregation import dawid_skene, gains, labelling, learned, numbers, numeric, transcripts, votes
from tasks.aggregation.learned import Learned
from tasks.aggregation.votes import Floats, Ints
from tasks.consensus import worth
from tasks.consensus.answers import Crowd
from tasks.consensus.labelled import LEAST_SUPPORT, Labelled
from tasks.models import Batch
from workers.models import Reliability

Spec = dict[str, Any]

WEIGHT_LEAST = 0.05  # of an answer whose worker seems useless
DECIMALS = 6  # of a number that several made
TINY = 1e-12  # no error is 0


def weigh(batch: Batch, crowd: Crowd) -> tuple[list[Labelled], dict[str, Learned]]:
    """The labels of every field, and what was learned of the workers in those fields that have a model of them."""
    columns = {name: place for place, (name, _) in enumerate(label_schema.categorical(batch.schema))}
    found, known = [], {}
    for spec in batch.schema["fields"]:
        name = spec["name"]
        if name not in columns:
            found.append(_without_classes(spec, batch, crowd))
        elif spec["truth"] == "perspective":
            found.append(_shares(spec, crowd, crowd.codes[:, columns[name]]))
        else:
            made, known[name] = _by_class(spec, crowd, crowd.codes[:, columns[name]])
            found.append(made)
    return found, known


def weigh_again(batch: Batch, crowd: Crowd, known: Mapping[str, Learned], people: Ints) -> list[Labelled]:
    """The same for some tasks, by what was learned before.

    people  the workers whom `known` knows, in its order, sorted; others are taken for newcomers
    """
    columns = {name: place for place, (name, _) in enumerate(label_schema.categorical(batch.schema))}
    place = np.searchsorted(people, crowd.workers)
    is_known = place < len(people)
    is_known[is_known] = people[place[is_known]] == crowd.workers[is_known]
    worker = np.where(is_known, place, len(people))[crowd.worker]
    found = []
    for spec in batch.schema["fields"]:
        codes = crowd.codes[:, columns[spec["name"]]]
        if spec["truth"] == "perspective":
            found.append(_shares(spec, crowd, codes))
            continue
        here, one = codes >= 0, known[spec["name"]]
        answers = crowd.task[here], worker[here], codes[here]
        posterior, certain = learned.weigh(one, *answers, len(crowd.tasks))
        found.append(_labelled(spec, crowd, codes, posterior, certain, one))
    return found


def can_be_weighed_again(batch: Batch) -> bool:
    """Whether what is learned of its workers says all about its answers."""
    return len(label_schema.categorical(batch.schema)) == len(batch.schema["fields"])


def _by_class(spec: Spec, crowd: Crowd, codes: Ints) -> tuple[Labelled, Learned]:
    """Labels are as sure as gold shows them to be right. When to stop buying is asked of the confusions alone: there
    the wanted confidence is what an answer more could still change.
    """
    classes, here = labels.TYPES[spec["type"]].categories(spec), codes >= 0
    answers = crowd.task[here], crowd.worker[here], codes[here]
    shape = len(crowd.tasks), len(crowd.workers) + 1, len(classes)  # and a worker nobody knows: who comes later
    gold = _gold_classes(spec, crowd, classes)
    made = labelling.label(*answers, *shape, gold=gold, weight=crowd.weight, is_ordinal=spec["truth"] == "ordinal")
    certain = dawid_skene.posterior_given(*answers, made.fit.confusions, made.fit.prior, len(crowd.tasks))
    known = Learned.of(made)
    return _labelled(spec, crowd, codes, made.posterior, certain, known), known


def _shares(spec: Spec, crowd: Crowd, codes: Ints) -> Labelled:
    """Of a perspective: what share of the people sees it so. However they agree, all answers are asked for."""
    here = codes >= 0
    shape = len(crowd.tasks), len(crowd.workers), len(labels.TYPES[spec["type"]].categories(spec))
    posterior = votes.majority(crowd.task[here], crowd.worker[here], codes[here], *shape)
    return _labelled(spec, crowd, codes, posterior, np.zeros_like(posterior), None)


def _labelled(
    spec: Spec, crowd: Crowd, codes: Ints, posterior: Floats, certain: Floats, known: Learned | None
) -> Labelled:
    """Known is what was learned of the workers, who the next one is among them; None: nobody is right or wrong."""
    support = np.bincount(crowd.task[codes >= 0], minlength=len(crowd.tasks))
    places = _answered(crowd, support)
    kind = labels.TYPES[spec["type"]]
    best, enough = posterior.argmax(axis=1)[places], support[places] >= LEAST_SUPPORT
    return Labelled(
        name=spec["name"],
        tasks=crowd.tasks[places],
        values=[kind.from_text(one, spec) for one in kind.categories(spec)],
        code=best,
        posterior=posterior[places],
        confidence=np.where(enough, posterior[places, best], np.nan),
        support=support[places],
        certain=np.where(enough, certain[places, best], 0.0),
        gain=worth.by_doubt(support[places]) if known is None else gains.gains(certain[places], known.newcomer),
        between=None if known is None else np.stack(gains.likeliest(certain[places]), axis=1),
        method=np.zeros(len(places), np.int64),
        methods=[("shares", "1") if known is None else (known.method, known.version)],
    )


def _answered(crowd: Crowd, support: Ints) -> Ints:
    """Places of the tasks that have answers and get a label."""
    wanted = support > 0
    wanted[list(crowd.gold)] = False
    return np.flatnonzero(wanted)


def _gold_classes(spec: Spec, crowd: Crowd, classes: list[str]) -> Ints:
    """The class of every task in this field of which it is known; -1: it is not."""
    known = np.full(len(crowd.tasks), -1, np.int64)
    for place, truth in crowd.known.items():
        if spec["name"] in truth:
            known[place] = classes.index(labels.TYPES[spec["type"]].to_text(truth[spec["name"]], spec))
    return known


def _without_classes(spec: Spec, batch: Batch, crowd: Crowd) -> Labelled:
    given = np.array([spec["name"] in value for value in crowd.values], bool)
    answers = np.flatnonzero(given)
    support = np.bincount(crowd.task[answers], minlength=len(crowd.tasks))
    places = _answered(crowd, support)
    if spec["type"] == "number":
        made = _numbers(spec, crowd, answers, places)
    elif spec["type"] == "choices":
        made = _sets(spec, crowd, answers, places)
    elif spec["type"] == "text" and spec.get("merge") == "words":
        made = _words(spec, crowd, answers, places)
    else:
        made = _merged(spec, batch, crowd, answers, places)
    values, sure, method, methods = made
    confidence = np.where(support[places] >= LEAST_SUPPORT, sure, np.nan)
    is_perspective = spec["truth"] == "perspective"
    return Labelled(
        name=spec["name"],
        tasks=crowd.tasks[places],
        values=values,
        code=np.full(len(places), -1, np.int64),
        posterior=None,
        confidence=confidence,
        support=support[places],
        certain=np.zeros(len(places)) if is_perspective else np.nan_to_num(np.where(method > 0, 0.0, confidence)),
        gain=worth.by_doubt(support[places], np.nan_to_num(confidence) * (not is_perspective)),
        between=None,
        method=method,
        methods=methods,
    )


Made = tuple[list[Any], Floats, Ints, list[tuple[str, str]]]  # values, how sure, which method, the methods


def _numbers(spec: Spec, crowd: Crowd, answers: Ints, places: Ints) -> Made:
    """What is left when workers' biases are taken out; as sure as its error lets it lie within the tolerance.

    Of counts the median of what is left: a mean of 4, 4 and 2 nobody has counted.
    """
    said = np.array([crowd.values[n][spec["name"]] for n in answers], np.float64)
    gold = np.full(len(crowd.tasks), np.nan)
    for place, truth in crowd.known.items():
        gold[place] = truth.get(spec["name"], np.nan)
    task, worker = crowd.task[answers], crowd.worker[answers]
    fit = numeric.fit(task, worker, said, len(crowd.tasks), len(crowd.workers), gold=gold)
    made = fit.estimate
    if spec["integer"]:
        unbiased = fit.centre + (said - fit.bias[worker] - fit.centre) / np.maximum(
            fit.scale[worker], numeric.LEAST_SCALE
        )
        made = numbers.weighted_medians(
            task, unbiased, np.nan_to_num(fit.spread[worker], nan=1.0) ** -2.0, len(crowd.tasks)
        )
    estimate = np.clip(made[places], *number.bounds(spec))
    values = [round(one) if spec["integer"] else round(one, DECIMALS) for one in estimate.tolist()]
    bands = np.array([max(number.band(one, spec), 0.5 if spec["integer"] else 0.0) for one in values])
    sure = erf(bands / (np.maximum(fit.error[places], TINY) * np.sqrt(2.0)))
    return values, sure, np.zeros(len(places), np.int64), [(fit.method, str(fit.version))]


def _sets(spec: Spec, crowd: Crowd, answers: Ints, places: Ints) -> Made:
    """Each option is decided by itself, its workers' confusions with it; as sure as all decisions are right together.

    Options decided one by one can make a set that nobody chose: then another answer is wanted, and the method says it.
    """
    task, worker = crowd.task[answers], crowd.worker[answers]
    chosen = [frozenset(crowd.values[n][spec["name"]]) for n in answers]
    sizes = len(crowd.tasks), len(crowd.workers), 2
    names = [option["value"] for option in spec["options"]]
    likely = np.empty((len(places), len(names)))
    for column, name in enumerate(names):
        gold = np.full(len(crowd.tasks), -1, np.int64)
        for place, truth in crowd.known.items():
            if spec["name"] in truth:
                gold[place] = name in truth[spec["name"]]
        label = np.array([name in one for one in chosen], np.int64)
        made = labelling.label(task, worker, label, *sizes, gold=gold, weight=crowd.weight)
        likely[:, column] = made.posterior[places, 1]
    order = np.argsort(-likely, axis=1, kind="stable")
    counts = np.clip((likely > 0.5).sum(axis=1), spec["min"], spec["max"])
    is_in = np.zeros(likely.shape, bool)
    np.put_along_axis(is_in, order, np.arange(len(names)) < counts[:, None], axis=1)
    sure = np.where(is_in, likely, 1.0 - likely).prod(axis=1)
    values = [[name for name, wanted in zip(names, row, strict=True) if wanted] for row in is_in]
    seen: dict[int, set[frozenset[str]]] = defaultdict(set)
    for place, one in zip(task.tolist(), chosen, strict=True):
        seen[place].add(one)
    nobodys = [frozenset(value) not in seen[place] for place, value in zip(places.tolist(), values, strict=True)]
    return values, sure, np.array(nobodys, np.int64), [("option by option", "1"), ("option by option, nobody's", "1")]


def _words(spec: Spec, crowd: Crowd, answers: Ints, places: Ints) -> Made:
    """One text out of several, word by word."""
    said = [crowd.values[n][spec["name"]] for n in answers]
    fit = transcripts.fit(crowd.task[answers], crowd.worker[answers], said, len(crowd.tasks), len(crowd.workers))
    values = [fit.texts[place] for place in places]
    return values, fit.confidence[places], np.zeros(len(places), np.int64), [(fit.method, str(fit.version))]


def _merged(spec: Spec, batch: Batch, crowd: Crowd, answers: Ints, places: Ints) -> Made:
    """Answers that are neither classes nor numbers, merged by their type, each weighed by its worker's reliability."""
    weight = dict(Reliability.objects.filter(project=batch.project_id).values_list("worker", "accuracy"))
    weights = np.array([max(WEIGHT_LEAST, weight.get(pk, 0.5)) for pk in crowd.workers.tolist()])
    by_task: dict[int, list[int]] = defaultdict(list)
    for n in answers.tolist():
        by_task[int(crowd.task[n])].append(n)
    merged = [
        labels.TYPES[spec["type"]].merge(
            [crowd.values[n][spec["name"]] for n in by_task[place]],
            [float(weights[crowd.worker[n]]) for n in by_task[place]],
            spec,
        )
        for place in places.tolist()
    ]
    sure = np.array([one.confidence for one in merged], np.float64)
    return [one.value for one in merged], sure, np.zeros(len(places), np.int64), [("merge", "1")]
