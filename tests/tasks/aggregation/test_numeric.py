import warnings

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.aggregation import numeric
from tasks.aggregation.numbers import medians, ordered


@pytest.fixture(autouse=True)
def no_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def crowd(rng, *, tasks=400, workers=40, each=5, bias=5.0, spread=(2.0, 8.0), scales=0.0):
    """Answers on a scale of 100 by workers with a bias, a spread and a scale of their own; and what is behind them."""
    truth = rng.uniform(0, 100, tasks)
    task = np.repeat(np.arange(tasks), each)
    worker = np.argsort(rng.random((tasks, workers)), axis=1)[:, :each].ravel()
    biases, spreads = bias * rng.normal(size=workers), rng.uniform(*spread, workers)
    stretch = 1 + scales * rng.normal(size=workers)
    value = 50 + stretch[worker] * (truth[task] - 50) + biases[worker] + spreads[worker] * rng.normal(size=len(task))
    return (task, worker, value, tasks, workers), truth, biases, spreads, stretch


def mean(answers):
    task, _, value, tasks, _ = answers
    return np.bincount(task, value, tasks) / np.bincount(task, minlength=tasks)


def error(estimate, truth):
    return np.sqrt(np.mean((estimate - truth) ** 2))


def assert_same(one, other, **within):
    for name in ("estimate", "error", "bias", "scale", "spread"):
        np.testing.assert_allclose(getattr(one, name), getattr(other, name), err_msg=name, **within)


@pytest.mark.parametrize("seed", range(3))
def test_biased_and_noisy_workers_are_seen_through(seed):
    answers, truth, biases, spreads, _ = crowd(np.random.default_rng(seed), tasks=1000)
    fit = numeric.fit(*answers)
    assert error(fit.estimate, truth) < 0.75 * error(mean(answers), truth)
    np.testing.assert_allclose(fit.bias - fit.bias.mean(), biases - biases.mean(), atol=3)
    assert np.corrcoef(fit.spread, spreads)[0, 1] > 0.9
    assert np.median(fit.spread / spreads) == pytest.approx(1, abs=0.15)


def test_scales_are_learned_where_tasks_differ_enough():
    answers, truth, _, _, stretch = crowd(np.random.default_rng(1), scales=0.3)
    fit, without = numeric.fit(*answers), numeric.fit(*answers, scales=False)
    assert (fit.method, without.method) == ("rater model with scales", "rater model")
    assert error(fit.estimate, truth) < 0.8 * error(without.estimate, truth)
    assert np.corrcoef(fit.scale, stretch)[0, 1] > 0.95
    assert np.all(without.scale == 1)


def test_scales_are_left_alone_where_answers_scatter_as_far_as_tasks_differ():
    rng = np.random.default_rng(2)
    (task, worker, value, *sizes), *_ = crowd(rng)
    assert numeric.fit(task, worker, value + 60 * rng.normal(size=len(value)), *sizes).method == "rater model"


def test_a_tenth_of_guessers_and_gross_slips_hardly_move_it():
    rng = np.random.default_rng(3)
    (task, worker, value, *sizes), truth, *_ = crowd(rng)
    honest = error(numeric.fit(task, worker, value, *sizes).estimate, truth)
    spoilt = np.where(worker < 4, rng.uniform(0, 100, len(value)), value)
    spoilt = np.where(rng.random(len(value)) < 0.03, spoilt * 10, spoilt)
    fit = numeric.fit(task, worker, spoilt, *sizes)
    assert error(fit.estimate, truth) < 1.5 * honest
    assert error(mean((task, worker, spoilt, *sizes)), truth) > 5 * honest
    assert fit.spread[:4].min() > 2 * np.median(fit.spread[4:])


def test_one_gross_slip_changes_an_estimate_less_than_a_standard_error():
    answers, *_ = crowd(np.random.default_rng(4))
    before = numeric.fit(*answers)
    task, worker, value, *sizes = answers
    value = value.copy()
    value[0] += 1e6
    after = numeric.fit(task, worker, value, *sizes)
    assert abs(after.estimate[0] - before.estimate[0]) < 3 * before.error[0]
    np.testing.assert_allclose(after.estimate[1:], before.estimate[1:], atol=1.0)


@pytest.mark.parametrize("each", [2, 5, 15])
@pytest.mark.parametrize("scales", [0.0, 0.2])
def test_the_truth_lies_within_two_standard_errors_nineteen_times_in_twenty(each, scales):
    within = []
    for seed in range(8):
        answers, truth, *_ = crowd(np.random.default_rng(seed), each=each, scales=scales)
        fit = numeric.fit(*answers)
        within.append(np.mean(np.abs(fit.estimate - truth) <= 1.96 * fit.error))
    assert 0.88 < np.mean(within) < 0.99


def test_a_task_whose_answers_disagree_is_less_sure():
    (task, worker, value, *sizes), *_ = crowd(np.random.default_rng(5))
    at = np.flatnonzero(task == 0)
    value[at] = value[at].mean() + np.array([-30, -15, 0, 15, 30])
    fit = numeric.fit(task, worker, value, *sizes)
    assert fit.error[0] > 1.5 * np.median(fit.error)


@pytest.mark.parametrize("scales", [False, True])
def test_order_and_names_of_workers_and_tasks_do_not_matter(scales):
    rng = np.random.default_rng(6)
    (task, worker, value, tasks, workers), *_ = crowd(rng)
    task, worker, value = np.append(task, task[:30]), np.append(worker, worker[:30]), np.append(value, value[:30] + 1)
    mixed, t, w = (rng.permutation(size) for size in (len(task), tasks, workers))
    plain = numeric.fit(task, worker, value, tasks, workers, scales=scales)
    other = numeric.fit(t[task][mixed], w[worker][mixed], value[mixed], tasks, workers, scales=scales)
    np.testing.assert_allclose(other.estimate[t], plain.estimate, rtol=1e-7)
    np.testing.assert_allclose(other.error[t], plain.error, rtol=1e-7)
    np.testing.assert_allclose(other.bias[w], plain.bias, atol=1e-7)
    np.testing.assert_allclose(other.spread[w], plain.spread, rtol=1e-7)


def test_the_same_answers_in_another_order_give_the_very_same_bits():
    rng = np.random.default_rng(7)
    (task, worker, value, *sizes), *_ = crowd(rng)
    task, worker, value = np.tile(task, 3), np.tile(worker, 3), rng.normal(size=3 * len(value))
    mixed = rng.permutation(len(task))
    one = numeric.fit(task, worker, value, *sizes)
    assert_same(numeric.fit(task[mixed], worker[mixed], value[mixed], *sizes), one, rtol=0, atol=0)


@pytest.mark.parametrize(("factor", "offset"), [(1e-6, 0.0), (1000.0, -7e5), (-1.0, 100.0)])
def test_another_unit_gives_the_same_answer_in_that_unit(factor, offset):
    (task, worker, value, *sizes), *_ = crowd(np.random.default_rng(8))
    plain, other = numeric.fit(task, worker, value, *sizes), numeric.fit(task, worker, factor * value + offset, *sizes)
    np.testing.assert_allclose(other.estimate, factor * plain.estimate + offset, rtol=1e-6)
    np.testing.assert_allclose(other.error, abs(factor) * plain.error, rtol=1e-6)
    np.testing.assert_allclose(other.spread, abs(factor) * plain.spread, rtol=1e-6)


def test_gold_holds_and_shows_what_a_whole_crowd_gets_wrong():
    (task, worker, value, *sizes), truth, *_ = crowd(np.random.default_rng(9))
    value = 20 + 0.7 * value
    gold = np.where(np.arange(len(truth)) % 10 == 0, truth, np.nan)
    rest = np.isnan(gold)
    fit, without = (numeric.fit(task, worker, value, *sizes, gold=known) for known in (gold, None))
    assert np.array_equal(fit.estimate[~rest], truth[~rest])
    assert np.all(fit.error[~rest] == 0)
    assert error(fit.estimate[rest], truth[rest]) < 0.5 * error(without.estimate[rest], truth[rest])
    assert np.median(fit.scale) == pytest.approx(0.7, abs=0.05)


def test_workers_with_few_answers_are_thought_to_be_like_the_others():
    (task, worker, value, tasks, workers), *_ = crowd(np.random.default_rng(10), bias=1.0)
    fit = numeric.fit(
        np.append(task, 0), np.append(worker, workers), np.append(value, value[0] + 20), tasks, workers + 2
    )
    assert abs(fit.bias[workers]) < 10
    assert fit.spread[workers] < 3 * np.median(fit.spread)
    assert fit.spread[workers + 1] == pytest.approx(np.median(fit.spread), rel=0.5)
    assert fit.bias[workers + 1] == pytest.approx(0, abs=1)


def test_a_single_answer_is_only_as_sure_as_its_worker_is_known():
    (task, worker, value, tasks, workers), *_ = crowd(np.random.default_rng(11))
    fit = numeric.fit(
        np.append(task, [tasks, tasks + 1]), np.append(worker, [0, workers]), np.append(value, [40.0, 60.0]),
        tasks + 3, workers + 1,
    )  # fmt: skip
    assert fit.error[tasks] > fit.spread[0]
    assert fit.estimate[tasks] == pytest.approx(40 - fit.bias[0], abs=4)
    assert np.isnan(fit.error[tasks + 1])
    assert fit.estimate[tasks + 1] == pytest.approx(60, abs=4)
    assert np.isnan([fit.estimate[tasks + 2], fit.error[tasks + 2]]).all()


def test_one_worker_alone_is_taken_at_her_word_and_no_error_is_claimed():
    fit = numeric.fit(np.arange(5), np.zeros(5, int), np.arange(5) * 1.5, 6, 2)
    np.testing.assert_array_equal(fit.estimate, [0, 1.5, 3, 4.5, 6, np.nan])
    assert np.isnan(fit.error).all()
    assert np.isnan(fit.spread).all()


def test_repeating_herself_makes_nobody_surer():
    fit = numeric.fit([0, 0, 0], [0, 0, 0], [1.0, 2.0, 3.0], 1, 1)
    assert fit.estimate.tolist() == [2.0]
    assert np.isnan(fit.error).all()


def test_perfect_agreement_is_exact_up_to_the_unit_of_the_answers():
    task, worker = np.divmod(np.arange(40), 4)
    fit = numeric.fit(task, worker, task.astype(float), 10, 4)
    np.testing.assert_array_equal(fit.estimate, np.arange(10))
    np.testing.assert_allclose(fit.error, 1 / np.sqrt(12 * 4))
    alike = numeric.fit(task, worker, np.full(40, 3.0), 10, 4)
    np.testing.assert_array_equal(alike.estimate, np.full(10, 3.0))
    assert np.isnan(alike.error).all()


def test_what_three_or_more_say_alike_is_the_answer():
    rng = np.random.default_rng(12)
    (task, worker, value, *sizes), *_ = crowd(rng, bias=15)
    value = np.where(task == 7, 33.0, value)
    assert numeric.fit(task, worker, value, *sizes).estimate[7] == 33.0


def test_gold_alone_and_against_everybody():
    none = np.array([], np.int64)
    assert numeric.fit(none, none, none, 1, 0, gold=[4.0]).estimate.tolist() == [4.0]
    task, worker = np.divmod(np.arange(40), 4)
    fit = numeric.fit(task, worker, np.full(40, 5.0), 10, 4, gold=[7.0] * 5 + [np.nan] * 5)
    assert np.isfinite(fit.estimate).all()
    assert fit.estimate[9] == pytest.approx(7, abs=0.3)  # of 5


def test_no_answers_are_fine():
    assert numeric.fit([], [], [], 0, 0).estimate.shape == (0,)
    fit = numeric.fit([], [], [], 2, 1)
    assert np.isnan(fit.estimate).all()
    assert fit.bias.tolist() == [0.0]


@given(
    st.lists(
        st.tuples(
            st.integers(0, 4),
            st.integers(0, 3),
            st.sampled_from([0.0, 1.0, 2.0, -1e59, 1e30]) | st.floats(-1e59, 1e59),
        ),
        max_size=25,
    ),
    st.lists(st.none() | st.floats(-100, 100), min_size=5, max_size=5),
    st.sampled_from([None, False, True]),
)
@settings(max_examples=200)
def test_whatever_is_answered_every_answered_task_has_a_value(rows, gold, scales):
    task, worker, value = (np.array([row[n] for row in rows], kind) for n, kind in enumerate((int, int, float)))
    known = np.array([np.nan if value is None else value for value in gold])
    fit = numeric.fit(task, worker, value, 5, 4, gold=known, scales=scales)
    answered = np.isin(np.arange(5), task) | ~np.isnan(known)
    assert np.array_equal(np.isfinite(fit.estimate), answered)
    assert np.all(fit.error[np.isfinite(fit.error)] >= 0)
    assert np.isfinite(fit.bias).all()
    assert np.isfinite(fit.scale).all()
    pairs = len({(t, w) for t, w, _ in rows if np.isnan(known[t])})
    if pairs <= 1 and np.isnan(known).all():
        assert np.isnan(fit.error).all()


@pytest.mark.parametrize(
    ("task", "worker", "value"),
    [([3], [0], [1.0]), ([0], [2], [1.0]), ([0], [-1], [1.0]), ([0, 1], [0], [1.0]), ([0.5], [0], [1.0])]
    + [([0], [0], [bad]) for bad in (np.nan, np.inf, 1e61)],
)
def test_answers_that_do_not_fit_are_refused(task, worker, value):
    with pytest.raises(ValueError, match=r"out of range|integer arrays|finite number"):
        ordered(task, worker, value, 3, 2)


@pytest.mark.parametrize("gold", [[1.0, 2.0], [np.inf]])
def test_gold_that_does_not_fit_is_refused(gold):
    with pytest.raises(ValueError, match="gold"):
        numeric.fit([0], [0], [1.0], 1, 1, gold=gold)


def test_the_median_is_the_middle_answer_or_between_the_two_in_the_middle():
    answers = ordered([0, 0, 0, 1, 1, 3, 3, 3], [0, 1, 2, 0, 1, 0, 0, 1], [9.0, 1.0, 2.0, 4.0, 5.0, 1, 3, 8], 4, 3)
    np.testing.assert_array_equal(medians(answers), [2.0, 4.5, np.nan, 5.0])
