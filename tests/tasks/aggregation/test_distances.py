"""Distances on paper, sets as codes, and what is refused. Alpha made of them is in test_agreement."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from tasks.aggregation import distances

SETS = arrays.arrays(bool, st.tuples(st.integers(0, 12), st.integers(0, 10)))


@given(SETS)
def test_sets_come_back_from_their_codes_and_each_has_one(chosen):
    code, sets = distances.coded(chosen)
    assert np.array_equal(sets[code], chosen)
    assert len({tuple(row) for row in sets.tolist()}) == len(sets) == len(np.unique(code))


@given(SETS, st.integers(0, 99))
def test_codes_do_not_depend_on_the_order_of_answers(chosen, seed):
    order = np.random.default_rng(seed).permutation(len(chosen))
    code, sets = distances.coded(chosen)
    mixed, same = distances.coded(chosen[order])
    assert np.array_equal(mixed, code[order])
    assert np.array_equal(same, sets)


def test_how_far_sets_are_apart():
    # nothing; a; ab; bc
    sets = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 1]], bool)
    jaccard = [[0, 1, 1, 1], [1, 0, 1 / 2, 1], [1, 1 / 2, 0, 2 / 3], [1, 1, 2 / 3, 0]]
    masi = [[0, 1, 1, 1], [1, 0, 2 / 3, 1], [1, 2 / 3, 0, 8 / 9], [1, 1, 8 / 9, 0]]
    np.testing.assert_allclose(distances.jaccard(sets).apart, jaccard, atol=1e-15)
    np.testing.assert_allclose(distances.masi(sets).apart, masi, atol=1e-15)


def test_a_ratio_scale_has_a_zero():
    np.testing.assert_allclose(distances.ratio([0, 1, 3]).apart, [[0, 1, 1], [1, 0, 1 / 4], [1, 1 / 4, 0]])


def test_numbers_of_any_size_stay_finite():
    for values in ([-1.7e308, 1.7e308], [0, 5e-300], [1e300, 1e300], []):
        places = distances.interval(values).places
        assert np.isfinite(places).all()
        assert np.abs(places).max(initial=0) <= 1
    assert np.isfinite(distances.ratio([0, 1.7e308, 1.6e308]).apart).all()


def test_what_rounding_does_to_a_table_is_mended():
    found = distances.table([[1e-17, 0.5], [0.5 + 1e-12, -1e-17]]).apart
    assert found.tolist() == found.T.tolist()
    assert np.diagonal(found).tolist() == [0, 0]


@pytest.mark.parametrize(
    "apart",
    [[[0, 1]], [0, 1], [[0, 1], [2, 0]], [[1, 0], [0, 1]], [[0, -1], [-1, 0]], [[0, np.nan], [np.nan, 0]]],
)
def test_what_is_no_distance_is_refused(apart):
    with pytest.raises(ValueError, match="distances must be"):
        distances.table(apart)


def test_what_is_no_number_or_too_many_is_refused():
    with pytest.raises(ValueError, match="finite numbers"):
        distances.interval([0, np.inf])
    with pytest.raises(ValueError, match="not be negative"):
        distances.ratio([-1, 2])
    with pytest.raises(ValueError, match="at most"):
        distances.ratio(np.arange(distances.MOST_VALUES + 1))
    with pytest.raises(ValueError, match="true and false"):
        distances.coded(np.array([[0, 1]]))


def test_how_far_texts_are_apart():
    texts = [(), ("a", "cat"), ("a", "big", "cat"), ("the", "dog")]
    apart = [[0, 1, 1, 1], [1, 0, 1 / 3, 1], [1, 1 / 3, 0, 1], [1, 1, 1, 0]]
    np.testing.assert_allclose(distances.edits(texts).apart, apart, atol=1e-15)
    assert distances.edits([]).n_values == 0
