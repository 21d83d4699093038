"""Which model makes the labels of a field."""

from typing import Any

import numpy as np
import pytest

from marketplace.labels import schema as label_schema
from tasks.consensus import fields
from tasks.consensus.answers import Crowd
from tasks.consensus.labelled import Labelled, certain_of
from tasks.models import Batch

Answers = dict[tuple[int, int], Any]  # (task, worker) -> value


def labelled(spec: dict[str, Any], given: Answers, gold: dict[int, Any] | None = None) -> Labelled:
    """What one field comes to; tasks and workers are named by numbers from 100."""
    schema, errors = label_schema.check({"fields": [{"name": "it", **spec}]})
    assert not errors
    pairs = sorted(given)
    tasks, task = np.unique([task + 100 for task, _ in pairs], return_inverse=True)
    workers, worker = np.unique([worker + 100 for _, worker in pairs], return_inverse=True)
    values = [{"it": given[pair]} for pair in pairs]
    known = {int(np.searchsorted(tasks, task + 100)): {"it": truth} for task, truth in (gold or {}).items()}
    crowd = Crowd(
        tasks=tasks,
        workers=workers,
        task=task,
        worker=worker,
        codes=np.array([label_schema.codes(schema, value) for value in values]).reshape(
            len(values), len(label_schema.categorical(schema))
        ),
        values=values,
        answers=np.arange(len(values)),
        gold=known,
        known=known,
        weight=np.ones(len(tasks)),
        superseded={},
    )
    found, _ = fields.weigh(Batch(schema=schema, project_id=1), crowd)
    return found[0]


def values(one: Labelled) -> dict[int, Any]:
    at = one.code if one.posterior is not None else range(len(one.tasks))
    return {int(task) - 100: one.values[place] for task, place in zip(one.tasks, at, strict=True)}


def test_a_worker_who_reads_high_is_corrected_by_the_others():
    rng = np.random.default_rng(1)
    truth, bias = rng.normal(50, 20, 80), np.where(np.arange(20) < 2, 20.0, 0.0)
    pairs = [(t, int(w)) for t in range(80) for w in rng.permutation(20)[:4]]
    given = {(t, w): float(truth[t] + bias[w] + rng.normal(0, 1)) for t, w in pairs}
    one = labelled({"type": "number"}, given)
    away = np.array([value - truth[task] for task, value in values(one).items()])
    assert np.sqrt((away**2).mean()) < 1  # of the plain mean 4
    assert one.methods[0][0].startswith("rater model")
    assert ((one.confidence > 0) & (one.confidence < 1)).all()


def test_a_count_is_one_that_somebody_could_have_counted_and_stays_in_its_bounds():
    spec = {"type": "number", "integer": True, "min": 0, "max": 5}
    given = {(0, 0): 4, (0, 1): 4, (0, 2): 2, (1, 0): 5, (1, 1): 5, (2, 0): 0}
    one = labelled(spec, given)
    assert values(one) == {0: 4, 1: 5, 2: 0}
    assert all(isinstance(value, int) for value in one.values)
    assert np.isnan(one.confidence[2])
    assert one.certain[2] == 0


def test_gold_gets_no_label_and_teaches_how_far_a_crowd_is_off():
    rng = np.random.default_rng(2)
    truth = rng.normal(100, 30, 40)
    given = {(t, w): float(truth[t] + 10 + rng.normal(0, 2)) for t in range(40) for w in range(3)}
    one = labelled({"type": "number"}, given, {t: float(truth[t]) for t in range(15)})
    assert set(values(one)) == set(range(15, 40))
    away = np.mean([value - truth[task] for task, value in values(one).items()])
    assert abs(away) < 2  # all of them read ten too high


def test_points_of_a_scale_have_the_ordinal_model_where_answers_are_few():
    rng = np.random.default_rng(3)
    given = {(t, w): int(np.clip(t % 5 + 1 + rng.integers(-1, 2), 1, 5)) for t in range(12) for w in range(4)}
    one = labelled({"type": "rating", "points": 5}, given)
    assert one.methods == [("ordinal rater model", "1")]
    assert all(abs(value - (task % 5 + 1)) <= 1 for task, value in values(one).items())
    named = labelled({"type": "rating", "points": 5, "truth": "factual"}, given)
    assert named.methods[0][0] != "ordinal rater model"


@pytest.mark.parametrize("agreed", [True, False])
def test_a_perspective_asks_for_all_answers_however_people_agree(agreed):
    spec = {"type": "choice", "options": ["calm", "wild"], "truth": "perspective"}
    given = {(t, w): "wild" if agreed or w % 2 else "calm" for t in range(5) for w in range(4)}
    one = labelled(spec, given)
    assert one.methods == [("shares", "1")]
    np.testing.assert_allclose(one.posterior, [[0.0, 1.0] if agreed else [0.5, 0.5]] * 5)
    assert not certain_of(one.tasks, [one]).any()


SETS = {"type": "choices", "options": ["cat", "dog", "owl"]}


def test_a_set_is_decided_option_by_option():
    given: Answers = {}
    for task in range(30):
        right = [["cat"], ["cat", "dog"], [], ["owl"]][task % 4]
        given |= {(task, worker): right for worker in range(3)}
        given[task, 3] = ["cat", "dog", "owl"]  # who ticks everything
    one = labelled(SETS, given)
    assert values(one) == {task: [["cat"], ["cat", "dog"], [], ["owl"]][task % 4] for task in range(30)}
    assert one.methods[0] == ("option by option", "1")
    assert not one.method.any()
    assert ((one.confidence > 0.4) & (one.confidence < 1)).all()


def test_a_set_that_nobody_chose_says_so_and_wants_another_answer():
    given: Answers = {(task, worker): ["cat"] for task in range(20) for worker in range(3)}
    given |= {(20, 0): ["cat", "dog"], (20, 1): ["dog", "owl"], (20, 2): ["cat", "owl"]}
    one = labelled(SETS, given)
    assert one.methods[one.method[20]] == ("option by option, nobody's", "1")
    assert one.certain[20] == 0 < one.certain[0]
    assert one.confidence[20] < one.confidence[0]


def test_a_set_keeps_to_how_many_may_be_chosen():
    given: Answers = {(0, w): ["cat", "dog", "owl"] for w in range(3)} | {(1, w): [] for w in range(3)}
    assert len(values(labelled({**SETS, "max": 2}, {pair: v[:2] for pair, v in given.items()}))[0]) <= 2
    assert len(values(labelled({**SETS, "min": 1}, {pair: v or ["owl"] for pair, v in given.items()}))[1]) >= 1


def test_texts_are_put_together_word_by_word_where_the_field_says_so():
    heard = ["the cat sat on a mat", "the cat sat on the mat", "a cat sat on the mat"]
    given: Answers = {(task, worker): heard[worker] for task in range(4) for worker in range(3)}
    words = labelled({"type": "text", "merge": "words"}, given)
    assert set(values(words).values()) == {"the cat sat on the mat"}
    assert "rover" in words.methods[0][0].lower()


@pytest.mark.django_db
def test_texts_are_somebodys_answer_otherwise():
    given: Answers = {(0, 0): "Berlin", (0, 1): "berlin.", (0, 2): "Paris"}
    one = labelled({"type": "text"}, given)
    assert values(one)[0] in ("Berlin", "berlin.")
    assert one.methods == [("merge", "1")]


@pytest.mark.parametrize(
    "spec",
    [
        {"type": "choice", "options": ["cat", "dog"]},
        {"type": "choice", "options": ["cat", "dog"], "truth": "perspective"},
        {"type": "rating"},
        {"type": "number"},
        {"type": "number", "integer": True},
        SETS,
        {"type": "text", "merge": "words"},
    ],
)
@pytest.mark.parametrize("answered", [[], [(0, 0)], [(0, 0), (1, 0)], [(0, 0), (0, 1)]])
def test_few_answers_break_nothing_and_one_alone_has_no_confidence(spec, answered):
    said = {"choice": "cat", "rating": 3, "number": 7, "choices": ["dog"], "text": "a cat"}[spec["type"]]
    one = labelled(spec, dict.fromkeys(answered, said))
    assert all(value == said for value in values(one).values())
    assert len(one.tasks) == len({task for task, _ in answered})
    alone = one.support < 2
    assert np.isnan(one.confidence[alone]).all()
    assert not one.certain[alone].any()
