"""Tasks drawn again: as often as chance would have it, the same in any order, and nothing said of too little."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from tasks.aggregation import bootstrap

ROWS = arrays.arrays(np.float64, st.tuples(st.integers(0, 30), st.integers(1, 4)), elements=st.integers(0, 2))


def mean(sums):
    return sums[:, :1] / sums[:, 1:]


@given(ROWS)
def test_equal_rows_are_one_row_that_is_drawn_more_often(rows):
    found = bootstrap.distinct(rows)
    assert found.n_tasks == len(rows)
    expected = sorted(rows.tolist())
    assert sorted(np.repeat(found.rows.toarray(), found.often, axis=0).tolist()) == expected
    assert len(found.often) == len({tuple(row) for row in expected})


@given(ROWS, st.integers(0, 99))
def test_the_order_of_tasks_never_shows(rows, seed):
    def figure(sums):
        return sums

    mixed = np.random.default_rng(seed).permutation(rows)
    one, other = (bootstrap.of_sums(given, figure, resamples=30) for given in (rows, mixed))
    np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("kinds", [2, 200])
def test_each_resample_has_as_many_tasks_and_each_task_is_as_likely(kinds):
    rows = np.arange(200.0)[:, None] % kinds
    found = bootstrap.distinct(rows)
    drawn = np.concatenate(list(bootstrap.draws(found, resamples=2000, width=10_000)))
    assert drawn.shape == (2000, kinds)
    assert (drawn.sum(axis=1) == 200).all()
    each = 200 / kinds
    np.testing.assert_allclose(drawn.mean(axis=0), each, atol=5 * np.sqrt(each / 2000))
    np.testing.assert_allclose(drawn.var(axis=0).mean(), each * (1 - 1 / kinds), rtol=0.1)


def test_a_mean_lies_between_what_the_textbook_says():
    rng = np.random.default_rng(1)
    values = rng.normal(5, 2, 500)
    value, low, high = bootstrap.of_sums(np.stack([values, np.ones(500)], axis=1), mean, resamples=4000)
    assert value[0] == pytest.approx(values.mean())
    half = 1.96 * values.std() / np.sqrt(500)
    np.testing.assert_allclose([low[0], high[0]], [values.mean() - half, values.mean() + half], atol=0.02)


def test_the_same_seed_says_the_same_and_another_does_not():
    rows = np.stack([np.random.default_rng(1).random(100), np.ones(100)], axis=1)
    one, same, other = (bootstrap.of_sums(rows, mean, seed=seed) for seed in (1, 1, 2))
    assert one == same
    assert one != other


def test_too_few_tasks_or_tasks_all_alike_say_nothing():
    few = np.random.default_rng(1).random((bootstrap.LEAST_TASKS - 1, 2))
    value, *bounds = bootstrap.of_sums(few, mean)
    assert value[0] == pytest.approx(few[:, 0].sum() / few[:, 1].sum())
    assert np.isnan(bounds).all()
    value, *bounds = bootstrap.of_sums(np.ones((50, 2)), mean)
    assert value.tolist() == [1.0]
    assert np.isnan(bounds).all()
    value, *bounds = bootstrap.of_sums(np.zeros((0, 2)), lambda sums: sums)
    assert value.tolist() == [0.0, 0.0]
    assert np.isnan(bounds).all()


def test_what_is_defined_in_no_resample_is_unknown_and_the_rest_is_not():
    values = np.stack([np.arange(100.0), np.full(100, np.nan)], axis=1)
    low, high = bootstrap.bounds(values, 50)
    assert low[0] < high[0]
    assert np.isnan([low[1], high[1]]).all()


def test_few_tasks_make_it_wider():
    values = np.arange(1000.0)[:, None]
    (few_low, few_high), (low, high) = bootstrap.bounds(values, 10), bootstrap.bounds(values, 10_000)
    assert few_low < low < high < few_high
