import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import fisher_exact

from tasks.aggregation import dawid_skene, suspects


def predicted(rng, *, tasks=1000, classes=4, sharp=4.0, common=None):
    """The true classes, and a model's probabilities of them."""
    truth = rng.choice(classes, tasks, p=common)
    scores = rng.normal(0, 1, (tasks, classes))
    scores[np.arange(tasks), truth] += sharp
    weights = np.exp(scores)
    return truth, weights / weights.sum(axis=1, keepdims=True)


def mislabel(rng, truth, share, classes):
    """The classes with this share of them exchanged for another."""
    wrong = rng.random(len(truth)) < share
    return np.where(wrong, (truth + rng.integers(1, classes, len(truth))) % classes, truth)


def quality(found, wrong):
    """Precision and recall."""
    hits = wrong[found.task].sum()
    return hits / max(len(found.task), 1), hits / wrong.sum()


@pytest.mark.parametrize("share", [0.03, 0.1, 0.3])
@pytest.mark.parametrize("common", [None, [0.7, 0.2, 0.07, 0.03]])
def test_planted_errors_are_found_and_little_else(share, common):
    rng = np.random.default_rng(1)
    truth, probability = predicted(rng, tasks=2000, common=common)
    label = mislabel(rng, truth, share, 4)
    found = suspects.mislabelled(label, probability)
    precision, recall = quality(found, label != truth)
    assert precision > 0.9
    assert recall > 0.7
    hits = label[found.task] != truth[found.task]
    assert (found.instead == truth[found.task])[hits].mean() > 0.95
    assert (np.diff(found.score) <= 1e-9).all()
    assert 0.5 < found.score.min() <= found.score.max() <= 1.0


def test_a_weak_model_still_does_far_better_than_chance_and_best_at_the_top():
    rng = np.random.default_rng(2)
    truth, probability = predicted(rng, tasks=3000, sharp=2.0)
    label = mislabel(rng, truth, 0.05, 4)
    found = suspects.mislabelled(label, probability)
    precision, recall = quality(found, label != truth)
    assert precision > 0.25
    assert recall > 0.6
    assert (label != truth)[found.task[:30]].mean() > 2 * precision


def test_errors_are_found_by_what_a_crowd_says():
    rng = np.random.default_rng(3)
    truth = rng.integers(0, 3, 500)
    task, worker = np.repeat(np.arange(500), 5), rng.integers(0, 25, 2500)
    said = np.where(rng.random(2500) < 0.8, truth[task], rng.integers(0, 3, 2500))
    posterior = dawid_skene.fit(task, worker, said, 500, 25, 3).posterior
    label = mislabel(rng, truth, 0.1, 3)
    precision, recall = quality(suspects.mislabelled(label, posterior), label != truth)
    assert precision > 0.85
    assert recall > 0.8
    assert len(suspects.mislabelled(posterior.argmax(axis=1), posterior).task) == 0


def test_where_nothing_is_wrong_nothing_is_suspected():
    truth, probability = predicted(np.random.default_rng(4), sharp=7.0)
    assert len(suspects.mislabelled(truth, probability).task) == 0
    assert len(suspects.mislabelled(truth, np.eye(4)[truth]).task) == 0
    assert len(suspects.mislabelled(truth, np.full((1000, 4), 0.25)).task) == 0


def test_what_two_sources_doubt_comes_first_and_one_is_enough():
    label = np.repeat([0, 1, 0], [20, 20, 2])
    sure = np.where(label[:, None] == np.arange(2), 0.9, 0.1)
    posterior, model = sure.copy(), sure.copy()
    posterior[40:] = model[41] = [0.05, 0.95]
    found = suspects.mislabelled(label, posterior, model)
    assert found.task.tolist() == [41, 40]
    assert found.instead.tolist() == [1, 1]
    np.testing.assert_allclose(found.score, [0.95, 0.525])
    model[40] = np.nan
    assert suspects.mislabelled(label, posterior, model).score.tolist() == pytest.approx([0.95, 0.95])


def test_unlabelled_unknown_few_and_unseen():
    nothing = suspects.mislabelled([], np.zeros((0, 3)))
    assert (len(nothing.task), len(nothing.score), len(nothing.instead)) == (0, 0, 0)
    assert len(suspects.mislabelled([0], [[0.1, 0.9]]).task) == 0  # nothing else to say what 1 looks like
    assert len(suspects.mislabelled([0, 0, 0], [[1.0]] * 3).task) == 0
    assert len(suspects.mislabelled([-1, -1], [[0.1, 0.9], [0.9, 0.1]]).task) == 0
    assert len(suspects.mislabelled([0, 1], [[np.nan, np.nan]] * 2).task) == 0
    found = suspects.mislabelled(
        [0, 0, 1, 1, -1, 0], [[0.9, 0.1], [0.1, 0.9], [0.1, 0.9], [0.2, 0.8]] + [[0.1, 0.9]] * 2
    )
    assert found.task.tolist() == [1, 5]
    assert found.instead.tolist() == [1, 1]
    np.testing.assert_allclose(found.score, 0.9)


def test_other_orders_and_names_change_nothing():
    rng = np.random.default_rng(6)
    truth, probability = predicted(rng, sharp=3.0)
    probability[:40] = probability[0]
    label = mislabel(rng, truth, 0.1, 4)
    label[:40] = (truth[0] + 1) % 4
    plain = suspects.mislabelled(label, probability)
    t, k = rng.permutation(1000), rng.permutation(4)
    back = np.argsort(t)
    other = suspects.mislabelled(k[label][back], probability[back][:, np.argsort(k)])
    score, instead = np.zeros(1000), np.full(1000, -1)
    score[plain.task], instead[plain.task] = plain.score, k[plain.instead]
    assert sorted(back[other.task]) == sorted(plain.task)
    np.testing.assert_allclose(other.score, score[back[other.task]])
    assert other.instead.tolist() == instead[back[other.task]].tolist()


@pytest.mark.parametrize(
    ("label", "probability"),
    [
        ([2], [[0.5, 0.5]]),
        ([-2], [[0.5, 0.5]]),
        ([0.0], [[0.5, 0.5]]),
        ([0], [[1.5, 0.5]]),
        ([0, 0], [[1.0, 0.0]]),
        ([0], [1]),
    ],
)
def test_labels_and_probabilities_that_do_not_fit_are_refused(label, probability):
    with pytest.raises(ValueError, match=r"out of range|one row|integer|a class"):
        suspects.mislabelled(label, probability)


def test_equal_things_with_different_labels_are_told_of():
    group = np.array([5, 5, 5, 7, 7, 9, 9, -1, -1, 3])
    label = np.array([0, 0, 1, 2, 1, 1, 1, 0, 1, 0])
    found = suspects.contradictions(group, label, 3)
    assert found.task.tolist() == [2, 3, 4]
    assert found.instead.tolist() == [0, 1, 2]
    np.testing.assert_allclose(found.score, [2 / 3, 0.5, 0.5])


def test_the_surer_of_two_contradicts_the_other():
    probability = np.array([[0.99, 0.01], [0.4, 0.6], [np.nan, np.nan], [0.4, 0.6]])
    found = suspects.contradictions([0, 0, 1, 1], [0, 1, 0, 1], 2, probability)
    assert found.task.tolist() == [3, 1]
    np.testing.assert_allclose(found.score, [0.7, 0.695])


def test_planted_contradictions_are_found():
    rng = np.random.default_rng(7)
    group = np.repeat(np.arange(200), 3)
    truth = np.repeat(rng.integers(0, 4, 200), 3)
    label = mislabel(rng, truth, 0.05, 4)
    precision, recall = quality(suspects.contradictions(group, label, 4), label != truth)
    assert precision > 0.9
    assert recall > 0.85
    assert len(suspects.contradictions(group, truth, 4).task) == 0


def test_groups_of_one_and_none_contradict_nobody():
    assert len(suspects.contradictions([], [], 2).task) == 0
    assert len(suspects.contradictions([0, 1, 2], [0, 1, 0], 2).task) == 0
    assert len(suspects.contradictions([0, 0, 0], [0, -1, 0], 2).task) == 0
    assert len(suspects.contradictions([0, 0], [0, 0], 1).task) == 0
    with pytest.raises(ValueError, match="group"):
        suspects.contradictions([0], [0, 1], 2)
    with pytest.raises(ValueError, match="one row"):
        suspects.contradictions([0, 0], [0, 1], 2, np.zeros((2, 3)))


@given(st.lists(st.tuples(st.integers(-1, 3), st.integers(-1, 2)), max_size=15))
def test_a_group_is_doubted_where_its_labels_differ_and_only_there(rows):
    group, label = (np.array([row[n] for row in rows], np.int64) for n in range(2))
    found = suspects.contradictions(group, label, 3)
    differing = {g for g in set(group) - {-1} if len(set(label[group == g]) - {-1}) > 1}
    assert set(group[found.task]) == differing
    assert (found.instead != label[found.task]).all()
    assert ((found.score > 0) & (found.score <= 1)).all()


def test_a_planted_drift_is_found_and_no_other():
    rng = np.random.default_rng(8)
    period = np.repeat(np.arange(20), 300)
    label = rng.choice(10, 6000, p=np.linspace(1, 10, 10) / 55)
    moved = (period == 15) & (label == 9) & (rng.random(6000) < 0.8)
    label[moved] = 2
    found = suspects.drifts(label, period, 10, 20)
    assert {(2, 15), (9, 15)} <= set(zip(found.label, found.period, strict=True))
    assert (found.period == 15).sum() == 2
    assert len(found.label) <= 4  # what follows may look moved against what now came before
    rise = np.flatnonzero((found.label == 2) & (found.period == 15))[0]
    assert found.before[rise] < 0.08 < 0.15 < found.then[rise]
    assert (np.diff(found.p) >= 0).all()


def test_where_nothing_moves_hardly_anything_is_told_of():
    rng = np.random.default_rng(9)
    told = 0
    for classes, periods, labels in ((50, 60, 20_000), (3, 5, 60), (200, 10, 300), (2, 100, 5000)):
        common = rng.dirichlet(np.full(classes, 0.3))
        for _ in range(10):
            found = suspects.drifts(
                rng.choice(classes, labels, p=common), rng.integers(0, periods, labels), classes, periods
            )
            told += len(found.label) > 0
    assert told <= 4


def test_a_shift_too_small_to_matter_is_not_told_of_however_sure():
    label = np.concatenate([np.arange(1_000_000) % 100 < 50, np.arange(1_000_000) % 100 < 52]).astype(int)
    assert len(suspects.drifts(label, np.repeat([0, 1], 1_000_000), 2, 2).p) == 0
    label = np.concatenate([np.arange(10_000) % 100 < 50, np.arange(10_000) % 100 < 60]).astype(int)
    assert len(suspects.drifts(label, np.repeat([0, 1], 10_000), 2, 2).p) == 2


def test_the_chance_is_twice_that_of_the_smaller_tail():
    label, period = np.repeat([0, 1, 0, 1], [3, 37, 14, 6]), np.repeat([0, 1], [40, 20])
    found = suspects.drifts(label, period, 2, 2)
    tails = [fisher_exact([[14, 6], [3, 37]], alternative=side).pvalue for side in ("less", "greater")]
    np.testing.assert_allclose(found.p, 2 * min(tails))
    np.testing.assert_allclose(found.alarms, found.p)


def test_a_class_never_seen_before_is_a_drift():
    label, period = np.concatenate([np.tile([0, 1], 100), np.full(30, 2)]), np.repeat([0, 4], [200, 30])
    found = suspects.drifts(label, period, 5, 6)
    assert (found.label[0], found.period[0], found.before[0], found.then[0]) == (2, 4, 0.0, 1.0)


def test_one_period_one_class_and_no_labels_drift_nowhere():
    assert len(suspects.drifts([], [], 3, 0).p) == 0
    assert len(suspects.drifts([0, 1, 1], [0, 0, 0], 2, 1).p) == 0
    assert len(suspects.drifts([0] * 50, [0, 1] * 25, 1, 2).p) == 0
    assert len(suspects.drifts([-1] * 50, [0, 1] * 25, 2, 2).p) == 0
    for wrong in ([2], [-1], [0, 0], [0.5]):
        with pytest.raises(ValueError, match="period"):
            suspects.drifts([0], wrong, 2, 2)


def test_drifts_do_not_depend_on_the_order_of_labels():
    rng = np.random.default_rng(10)
    label, period = rng.integers(0, 4, 2000), rng.integers(0, 6, 2000)
    label[period == 3] = np.minimum(label[period == 3], 2)
    mixed = rng.permutation(2000)
    one, other = suspects.drifts(label, period, 4, 6), suspects.drifts(label[mixed], period[mixed], 4, 6)
    assert len(one.p) > 0
    for name in ("label", "period", "before", "then", "p", "alarms"):
        assert np.array_equal(getattr(one, name), getattr(other, name))
