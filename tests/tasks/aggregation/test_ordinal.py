import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.aggregation import dawid_skene, ordinal


@pytest.fixture(autouse=True)
def no_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def crowd(rng, *, tasks=500, workers=50, each=5, points=5, bias=0.5, spread=(0.4, 1.0)):
    """Points by workers who read high or low and scatter; the truth, and the workers' biases and spreads."""
    truth = rng.integers(0, points, tasks)
    task = np.repeat(np.arange(tasks), each)
    worker = np.argsort(rng.random((tasks, workers)), axis=1)[:, :each].ravel()
    biases, spreads = bias * rng.normal(size=workers), rng.uniform(*spread, workers)
    read = truth[task] + biases[worker] + spreads[worker] * rng.normal(size=len(task))
    point = np.clip(np.round(read), 0, points - 1).astype(int)
    return (task, worker, point, tasks, workers, points), truth, biases, spreads


def right(posterior, truth):
    return np.mean(posterior.argmax(axis=1) == truth)


def assert_distributions(rows):
    assert np.isfinite(rows).all()
    np.testing.assert_allclose(rows.sum(axis=-1), 1.0)


@pytest.mark.parametrize("points", [3, 5, 9])
def test_on_a_scale_it_sees_more_than_confusions_without_order(points):
    answers, truth, *_ = crowd(np.random.default_rng(1), points=points)
    fit = ordinal.fit(*answers)
    assert right(fit.posterior, truth) > right(dawid_skene.fit(*answers).posterior, truth) + 0.01
    assert_distributions(fit.posterior)
    assert_distributions(fit.opinions)
    assert_distributions(fit.prior)


def test_it_is_about_as_sure_as_it_is_right():
    answers, truth, *_ = crowd(np.random.default_rng(2), tasks=1000)
    fit = ordinal.fit(*answers)
    assert fit.posterior.max(axis=1).mean() == pytest.approx(right(fit.posterior, truth), abs=0.1)


def test_biases_spreads_and_guessing_are_recovered():
    rng = np.random.default_rng(3)
    (task, worker, point, *sizes), _, biases, spreads = crowd(rng, tasks=1500, workers=20, each=6, points=7)
    point = np.where(worker < 2, rng.integers(0, 7, len(point)), point)
    fit = ordinal.fit(task, worker, point, *sizes)
    assert np.corrcoef(fit.bias[2:], biases[2:])[0, 1] > 0.9
    assert np.corrcoef(fit.spread[2:], spreads[2:])[0, 1] > 0.7
    assert fit.guessing[:2].min() > 0.5 > fit.guessing[2:].max()


@pytest.mark.parametrize("seed", range(3))
def test_order_and_names_of_workers_and_tasks_do_not_matter(seed):
    rng = np.random.default_rng(seed)
    (task, worker, point, tasks, workers, points), *_ = crowd(rng)
    task, worker, point = (np.append(column, column[:20]) for column in (task, worker, point))
    mixed, t, w = (rng.permutation(size) for size in (len(task), tasks, workers))
    plain = ordinal.fit(task, worker, point, tasks, workers, points)
    other = ordinal.fit(t[task][mixed], w[worker][mixed], point[mixed], tasks, workers, points)
    np.testing.assert_allclose(other.posterior[t], plain.posterior, atol=1e-9)
    np.testing.assert_allclose(other.opinions[t], plain.opinions, atol=1e-9)
    np.testing.assert_allclose(other.bias[w], plain.bias, atol=1e-9)


def test_the_scale_may_be_turned_round():
    (task, worker, point, *sizes), *_ = crowd(np.random.default_rng(4))
    plain, turned = ordinal.fit(task, worker, point, *sizes), ordinal.fit(task, worker, 4 - point, *sizes)
    np.testing.assert_allclose(turned.posterior[:, ::-1], plain.posterior, atol=1e-9)
    np.testing.assert_allclose(turned.bias, -plain.bias, atol=1e-9)
    np.testing.assert_allclose(turned.spread, plain.spread, atol=1e-9)


def test_the_same_answers_in_another_order_give_the_very_same_bits():
    rng = np.random.default_rng(5)
    (task, worker, point, *sizes), *_ = crowd(rng)
    mixed = rng.permutation(len(task))
    one = ordinal.fit(task, worker, point, *sizes)
    assert np.array_equal(one.posterior, ordinal.fit(task[mixed], worker[mixed], point[mixed], *sizes).posterior)


def test_gold_holds_and_teaches():
    (task, worker, point, *sizes), truth, *_ = crowd(np.random.default_rng(6), bias=0.3)
    point = np.minimum(point + 1, 4)  # everybody reads one point high
    gold = np.where(np.arange(len(truth)) % 5 == 0, truth, -1)
    fit, without = (ordinal.fit(task, worker, point, *sizes, gold=known) for known in (gold, None))
    rest = gold < 0
    assert (fit.posterior[~rest].argmax(axis=1) == truth[~rest]).all()
    assert fit.posterior[~rest].max(axis=1).min() > 1 - 2e-6
    assert right(fit.posterior[rest], truth[rest]) > right(without.posterior[rest], truth[rest]) + 0.2
    assert fit.bias.mean() > 0.4


def test_gold_that_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="gold"):
        ordinal.fit([0], [0], [0], 1, 1, 3, gold=[3])
    with pytest.raises(ValueError, match="out of range"):
        ordinal.fit([0], [0], [3], 1, 1, 3)


def test_tasks_and_workers_without_answers_change_nothing():
    (task, worker, point, tasks, workers, points), *_ = crowd(np.random.default_rng(7))
    fit = ordinal.fit(task, worker, point, tasks, workers, points)
    padded = ordinal.fit(task, worker, point, tasks + 9, workers + 9, points)
    np.testing.assert_allclose(padded.posterior[:tasks], fit.posterior, atol=1e-12)
    np.testing.assert_allclose(padded.posterior[tasks:], np.tile(fit.prior, (9, 1)), atol=1e-2)
    np.testing.assert_allclose(padded.opinions[tasks:], np.full((9, points), 1 / points))
    assert abs(padded.bias[workers:]).max() < 0.3


def test_a_single_answer_of_somebody_unknown_is_not_sure():
    (task, worker, point, tasks, workers, points), *_ = crowd(np.random.default_rng(8))
    fit = ordinal.fit(
        np.append(task, tasks), np.append(worker, workers), np.append(point, 2), tasks + 1, workers + 1, points
    )
    assert fit.posterior[tasks].argmax() == 2
    assert fit.posterior[tasks].max() < 0.8
    alone = ordinal.fit(np.arange(30), np.zeros(30, int), np.arange(30) % 5, 30, 1, 5)
    assert alone.posterior.max() < 0.8


def test_nothing_is_ever_certain():
    task, worker = np.divmod(np.arange(4000), 40)
    fit = ordinal.fit(task, worker, np.full(4000, 2), 100, 40, 5)
    assert 0.999 < fit.posterior[:, 2].min() <= fit.posterior[:, 2].max() < 1.0


def test_two_camps_are_not_read_as_their_middle():
    rng = np.random.default_rng(9)
    (task, worker, point, tasks, workers, points), *_ = crowd(rng, bias=0.1, spread=(0.4, 0.5))
    extra = np.repeat(np.arange(workers, workers + 6), 1)
    fit = ordinal.fit(
        np.append(task, np.full(6, tasks)), np.append(worker, np.arange(6)), np.append(point, [0, 0, 0, 4, 4, 4]),
        tasks + 1, workers + len(extra), points,
    )  # fmt: skip
    assert fit.posterior[tasks, 2] < 0.05
    answers = np.bincount(np.append(task, np.full(6, tasks)), minlength=tasks + 1)
    split = ordinal.is_split(fit.opinions, answers)
    assert split[tasks]
    assert split[:tasks].mean() < 0.02


@given(
    st.lists(st.tuples(st.integers(0, 4), st.integers(0, 3), st.integers(0, 2)), max_size=25),
    st.lists(st.integers(-1, 2), min_size=5, max_size=5),
)
@settings(max_examples=100)
def test_whatever_is_answered_there_is_a_distribution(rows, gold):
    task, worker, point = (np.array([row[n] for row in rows], int) for n in range(3))
    fit = ordinal.fit(task, worker, point, 5, 4, 3, gold=np.array(gold))
    assert_distributions(fit.posterior)
    assert_distributions(fit.opinions)
    assert np.isfinite([fit.bias, fit.spread, fit.guessing]).all()


def test_no_answers_give_the_prior():
    assert ordinal.fit([], [], [], 0, 0, 3).posterior.shape == (0, 3)
    np.testing.assert_allclose(ordinal.fit([], [], [], 2, 0, 4).posterior, np.full((2, 4), 0.25))


def test_mean_and_median_point_of_a_distribution():
    rows = np.array([[1.0, 0, 0], [0, 0.5, 0.5], [0.4, 0.2, 0.4], [0.5, 0.5, 0]])
    np.testing.assert_allclose(ordinal.expected(rows), [0, 1.5, 1, 0.5])
    assert ordinal.middle(rows).tolist() == [0, 1, 1, 0]


def test_polarisation_is_0_at_one_point_and_1_where_half_is_at_each_end():
    rows = np.array([[0, 1.0, 0, 0, 0], [0.5, 0, 0, 0, 0.5], [0.2] * 5])
    np.testing.assert_allclose(ordinal.polarisation(rows), [0, 1, 0.8])
    rng = np.random.default_rng(10)
    row = rng.dirichlet(np.ones(5))
    pairs = sum(row[a] * row[b] * abs(a - b) for a in range(5) for b in range(5))
    assert ordinal.polarisation(row[None])[0] == pytest.approx(2 * pairs / 4)


@pytest.mark.parametrize(
    ("row", "split"),
    [
        ([0.5, 0, 0, 0, 0.5], True),
        ([0.4, 0.1, 0, 0.1, 0.4], True),
        ([0.1, 0.4, 0.1, 0.4, 0], True),
        ([0, 0.5, 0.5, 0, 0], False),
        ([0.2, 0.2, 0.2, 0.2, 0.2], False),
        ([0.1, 0.2, 0.4, 0.2, 0.1], False),
        ([0.8, 0, 0, 0, 0.2], False),
        ([0.3, 0.2, 0.2, 0.3, 0], False),
    ],
)
def test_a_split_has_two_camps_and_a_valley(row, split):
    rows = np.array([row, row[::-1]])
    assert ordinal.is_split(rows, np.array([10, 10])).tolist() == [split, split]
    assert not ordinal.is_split(rows, np.array([3, 3])).any()
