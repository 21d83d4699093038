"""Alpha against its definition, pair by pair, on every scale; what must not matter; and how sure it says it is."""

from itertools import permutations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.aggregation import agreement, distances
from tasks.aggregation.agreement import krippendorff_alpha

TASKS, WORKERS, CLASSES = 8, 6, 4
ANSWERS = st.lists(
    st.tuples(st.integers(0, TASKS - 1), st.integers(0, WORKERS - 1), st.integers(0, CLASSES - 1)), max_size=60
)
NUMBERS = np.array([0.0, 0.5, 3.0, 40.0])
SETS = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 1]], bool)
APART = np.array([[0, 0.2, 1, 3], [0.2, 0, 0.5, 0.1], [1, 0.5, 0, 0], [3, 0.1, 0, 0]])
SCALES = {
    "nominal": distances.NOMINAL,
    "ordinal": distances.ORDINAL,
    "interval": distances.interval(NUMBERS),
    "ratio": distances.ratio(NUMBERS),
    "jaccard": distances.jaccard(SETS),
    "masi": distances.masi(SETS),
    "table": distances.table(APART),
}
ROWS = [
    "1 2 3 3 2 1 4 1 2 . . .",
    "1 2 3 3 2 2 4 1 2 5 . 3",
    ". 3 3 3 2 3 4 2 2 5 1 .",
    "1 2 3 3 2 4 4 1 2 5 1 .",
]
EXAMPLE = np.array(
    [(t, w, int(cell) - 1) for w, row in enumerate(ROWS) for t, cell in enumerate(row.split()) if cell != "."]
).T


def apart(scale, pooled):
    """Distances of each two classes, float[K, K], as the textbook defines them."""
    found = np.zeros((CLASSES, CLASSES))
    for a, b in permutations(range(CLASSES), 2):
        low, high = min(a, b), max(a, b)
        one, other = set(np.flatnonzero(SETS[a])), set(np.flatnonzero(SETS[b]))
        jaccard = len(one & other) / len(one | other)
        found[a, b] = {
            "nominal": 1.0,
            "ordinal": (sum(pooled[low : high + 1]) - (pooled[a] + pooled[b]) / 2) ** 2,
            "interval": (NUMBERS[a] - NUMBERS[b]) ** 2,
            "ratio": ((NUMBERS[a] - NUMBERS[b]) / (NUMBERS[a] + NUMBERS[b])) ** 2,
            "jaccard": 1 - jaccard,
            "masi": 1 - jaccard * (2 / 3 if one <= other or other <= one else 1 / 3),
            "table": APART[a, b],
        }[scale]
    return found


def first_answers(answers):
    """The smallest label of each worker to each task."""
    kept = {}
    for task, worker, label in answers:
        kept[task, worker] = min(label, kept.get((task, worker), label))
    return kept


def by_definition(answers, scale):
    """1 - observed / expected disagreement, pair by pair; None without a pair."""
    kept = first_answers(answers)
    units = [[label for (task, _), label in kept.items() if task == unit] for unit in range(TASKS)]
    units = [unit for unit in units if len(unit) > 1]
    pooled = [label for unit in units for label in unit]
    if not pooled:
        return None
    far = apart(scale, np.bincount(pooled, minlength=CLASSES))
    observed = sum(sum(far[a, b] for a, b in permutations(unit, 2)) / (len(unit) - 1) for unit in units) / len(pooled)
    expected = sum(far[a, b] for a, b in permutations(pooled, 2)) / (len(pooled) * (len(pooled) - 1))
    return 1 - observed / expected if expected else 1.0


def columns(answers):
    return np.array(answers, np.int64).reshape(-1, 3).T


def crowd(rng, tasks=200, *, accuracy=0.8, classes=3, each=4):
    truth, task = rng.integers(0, classes, tasks), np.repeat(np.arange(tasks), each)
    right = rng.random(len(task)) < accuracy
    label = np.where(right, truth[task], rng.integers(0, classes, len(task)))
    return task, np.tile(np.arange(each), tasks), label, tasks, classes


@pytest.mark.parametrize(
    ("scale", "value"),
    [
        (distances.NOMINAL, 0.743),
        (distances.ORDINAL, 0.815),
        (distances.interval(np.arange(1.0, 6.0)), 0.849),
        (distances.ratio(np.arange(1.0, 6.0)), 0.797),
    ],
)
def test_krippendorffs_own_example(scale, value):
    assert krippendorff_alpha(*EXAMPLE, 12, 5, scale) == pytest.approx(value, abs=0.0005)


@pytest.mark.parametrize("scale", SCALES)
@given(answers=ANSWERS)
def test_the_count_matrix_agrees_with_the_definition(scale, answers):
    found = krippendorff_alpha(*columns(answers), TASKS, CLASSES, SCALES[scale])
    assert found == pytest.approx(by_definition(answers, scale), abs=1e-9)


@pytest.mark.parametrize("scale", SCALES)
@given(answers=ANSWERS, seed=st.integers(0, 99))
def test_who_answered_which_task_when_changes_nothing(scale, answers, seed):
    rng = np.random.default_rng(seed)
    task, worker, label = columns(sorted((t, w, k) for (t, w), k in first_answers(answers).items()))
    order = rng.permutation(len(task))
    mixed = rng.permutation(TASKS)[task][order], rng.permutation(WORKERS)[worker][order], label[order]
    kind = SCALES[scale]
    one = agreement.alpha(task, worker, label, TASKS, CLASSES, kind, resamples=20)
    assert agreement.alpha(*mixed, TASKS, CLASSES, kind, resamples=20) == one


@pytest.mark.parametrize("scale", SCALES)
def test_neither_the_value_nor_its_interval_depends_on_who_answered_which_task(scale):
    rng = np.random.default_rng(3)
    task, worker, label, tasks, classes = crowd(rng, classes=CLASSES)
    order = rng.permutation(len(task))
    mixed = rng.permutation(tasks)[task][order], rng.permutation(4)[worker][order], label[order]
    one, other = (
        agreement.alpha(*answers, tasks, classes, SCALES[scale], resamples=50)
        for answers in ((task, worker, label), mixed)
    )
    assert one == other
    assert one.low < one.value < one.high


@pytest.mark.parametrize("scale", ["nominal", "ordinal"])
@given(answers=ANSWERS, seed=st.integers(0, 99))
def test_names_of_classes_do_not_matter_nor_which_end_of_a_scale_is_up(scale, answers, seed):
    kept = [(task, worker, label) for (task, worker), label in first_answers(answers).items()]
    task, worker, label = columns(kept)
    names = np.random.default_rng(seed).permutation(CLASSES) if scale == "nominal" else np.arange(CLASSES)[::-1]
    one, other = (
        krippendorff_alpha(task, worker, said, TASKS, CLASSES, SCALES[scale]) for said in (label, names[label])
    )
    assert one == pytest.approx(other, abs=1e-9)


@given(answers=ANSWERS, shift=st.floats(-1e6, 1e6), unit=st.floats(1e-100, 1e100))
def test_the_unit_and_the_zero_of_an_interval_scale_do_not_matter(answers, shift, unit):
    other = distances.interval((NUMBERS + round(shift)) * unit)
    one, moved = (krippendorff_alpha(*columns(answers), TASKS, CLASSES, d) for d in (SCALES["interval"], other))
    assert one == pytest.approx(moved, abs=1e-7)


@pytest.mark.parametrize("scale", SCALES)
@pytest.mark.parametrize("said", [[0, 0, 1, 1], [2, 2, 2, 2], [3, 3, 0, 0]])
def test_unanimity_is_one_also_in_a_single_class(scale, said):
    assert krippendorff_alpha([0, 0, 1, 1], [0, 1, 0, 1], said, 2, 4, SCALES[scale]) == 1.0


def test_a_schema_of_one_class_is_unanimous():
    assert krippendorff_alpha([0, 0], [0, 1], [0, 0], 1, 1) == 1.0
    assert krippendorff_alpha([0, 0], [0, 1], [0, 0], 1, 1, distances.interval([7.0])) == 1.0
    with pytest.raises(ValueError, match="out of range"):
        krippendorff_alpha([0, 0], [0, 1], [0, 1], 1, 1)


def test_values_that_count_as_the_same_are_unanimous():
    answers = [0, 0, 1, 1], [0, 1, 0, 1], [0, 1, 1, 0]
    assert krippendorff_alpha(*answers, 2, 2, distances.interval([0.1, 0.1])) == 1.0
    assert krippendorff_alpha(*answers, 2, 2, distances.table(np.zeros((2, 2)))) == 1.0


@pytest.mark.parametrize("scale", SCALES)
def test_without_a_pair_there_is_no_agreement(scale):
    assert krippendorff_alpha([], [], [], 0, 4, SCALES[scale]) is None
    assert krippendorff_alpha([0, 1], [0, 1], [0, 1], 2, 4, SCALES[scale]) is None
    assert agreement.alpha([0, 1], [0, 1], [0, 1], 2, 4, SCALES[scale]) == agreement.Alpha(None, None, None, 0, 0)


def test_nobody_agrees_with_herself():
    assert krippendorff_alpha([0, 0], [7, 7], [1, 1], 1, 2) is None
    once = krippendorff_alpha([0, 0, 1, 1], [0, 1, 0, 1], [0, 1, 1, 1], 2, 2)
    assert krippendorff_alpha([0, 0, 1, 1, 1], [0, 1, 0, 1, 1], [0, 1, 1, 1, 1], 2, 2) == once


@pytest.mark.parametrize("scale", ["nominal", "ordinal", "interval", "table"])
def test_the_interval_is_that_of_tasks_drawn_again_and_counted_anew(scale):
    """Against the slow way: draw tasks, put all their answers together as new tasks, and take alpha of that."""
    rng = np.random.default_rng(4)
    task, worker, label, tasks, classes = crowd(rng, 40, classes=CLASSES, each=3)
    found = agreement.alpha(task, worker, label, tasks, classes, SCALES[scale], resamples=4000)
    slow = []
    for _ in range(1000):
        drawn = rng.integers(0, tasks, tasks)
        again = (np.repeat(np.arange(tasks), 3), np.tile(np.arange(3), tasks), label.reshape(tasks, 3)[drawn].ravel())
        slow.append(krippendorff_alpha(*again, tasks, classes, SCALES[scale]))
    low, high = np.quantile(slow, [0.025, 0.975])
    assert found.value == krippendorff_alpha(task, worker, label, tasks, classes, SCALES[scale])
    assert found.low == pytest.approx(low, abs=0.04)
    assert found.high == pytest.approx(high, abs=0.04)


def test_the_interval_holds_the_truth_about_as_often_as_it_says():
    rng = np.random.default_rng(5)
    truth = krippendorff_alpha(*crowd(rng, 100_000))
    held = [
        found.low <= truth <= found.high
        for found in (agreement.alpha(*crowd(rng, 30), resamples=300) for _ in range(200))
    ]
    assert 0.9 <= np.mean(held) <= 0.99


def test_too_few_tasks_or_nothing_but_agreement_have_no_interval():
    rng = np.random.default_rng(6)
    few = agreement.alpha(*crowd(rng, 9))
    assert few.value is not None
    assert (few.low, few.high, few.tasks, few.answers) == (None, None, 9, 36)
    agreed = agreement.alpha(*crowd(rng, 50, accuracy=1))
    assert (agreed.value, agreed.low, agreed.high) == (1.0, None, None)
    assert agreement.alpha(*crowd(rng, 10)).low is not None


def test_answers_that_stand_alone_are_not_counted():
    found = agreement.alpha([0, 0, 1, 2, 2, 2], [0, 1, 0, 0, 1, 1], [0, 0, 1, 0, 1, 1], 4, 2)
    assert (found.tasks, found.answers) == (2, 4)


def test_each_period_has_the_alpha_of_its_own_answers():
    rng = np.random.default_rng(7)
    task, worker, label, tasks, classes = crowd(rng)
    period = rng.integers(0, 3, len(task))
    found = agreement.alpha_by(period, 5, task, worker, label, tasks, classes, resamples=50)
    for one in range(3):
        rows = period == one
        assert found[one] == agreement.alpha(task[rows], worker[rows], label[rows], tasks, classes, resamples=50)
    assert found[3:] == [agreement.Alpha(None, None, None, 0, 0)] * 2
    assert agreement.alpha_by([], 1, [], [], [], 0, 2)[0].value is None
    assert agreement.alpha_by([], 0, [], [], [], 0, 2) == []


@pytest.mark.parametrize("period", [[0, 1], [0, 1, 5], [0, 1, -1], [0, 1, 0.5]])
def test_periods_that_do_not_fit_are_refused(period):
    with pytest.raises(ValueError, match="part"):
        agreement.alpha_by(period, 2, [0, 0, 1], [0, 1, 0], [0, 1, 0], 2, 2)


@pytest.mark.parametrize(
    ("task", "worker", "label"),
    [([0, 3], [0, 1], [0, 1]), ([0, 0], [0], [0, 1]), ([0, 0], [0, 1], [0, 2]), ([0, 0], [0, -1], [0, 1])],
)
def test_answers_that_do_not_fit_are_refused_also_by_period(task, worker, label):
    with pytest.raises(ValueError, match=r"out of range|one length"):
        agreement.alpha_by([0, 0], 1, task, worker, label, 2, 2)
    with pytest.raises(ValueError, match=r"out of range|one length"):
        agreement.alpha(task, worker, label, 2, 2)


@pytest.mark.parametrize("scale", ["interval", "ratio", "jaccard", "table"])
def test_a_distance_of_other_values_is_refused(scale):
    with pytest.raises(ValueError, match="one value for each class"):
        krippendorff_alpha([0, 0], [0, 1], [0, 1], 1, 2, SCALES[scale])
