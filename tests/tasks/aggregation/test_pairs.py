"""Pairs of answers by class: exact small cases, counting by hand, and what must not matter."""

from itertools import combinations

import numpy as np
import pytest

from tasks.aggregation import agreement


def by_hand(unit, label, classes):
    agreeing, differing = np.zeros(classes, int), np.zeros((classes, classes), int)
    for one in set(unit):
        for a, b in combinations([label[n] for n in range(len(unit)) if unit[n] == one], 2):
            if a == b:
                agreeing[a] += 1
            else:
                differing[a, b] += 1
                differing[b, a] += 1
    return agreeing, differing


def random_answers(seed):
    rng = np.random.default_rng(seed)
    units, classes, n = int(rng.integers(1, 9)), int(rng.integers(2, 6)), int(rng.integers(0, 60))
    return rng.integers(0, units, n), rng.integers(0, classes, n), units, classes


def test_a_small_case():
    # unit 0: cat cat dog; unit 1: dog dog; unit 2: cat alone
    found = agreement.pairs(np.array([0, 0, 0, 1, 1, 2]), np.array([0, 0, 1, 1, 1, 0]), 3, 3)
    assert found.agreeing.tolist() == [1, 1, 0]
    assert found.differing.tolist() == [[0, 2, 0], [2, 0, 0], [0, 0, 0]]
    assert found.units.tolist() == [1, 2, 0]
    assert found.specific()[:2].tolist() == [0.5, 0.5]
    assert np.isnan(found.specific()[2])


@pytest.mark.parametrize("seed", range(50))
def test_it_is_what_counting_by_hand_gives(seed):
    unit, label, units, classes = random_answers(seed)
    found = agreement.pairs(unit, label, units, classes)
    agreeing, differing = by_hand(unit.tolist(), label.tolist(), classes)
    assert found.agreeing.tolist() == agreeing.tolist()
    assert found.differing.tolist() == differing.tolist()


@pytest.mark.parametrize("seed", range(10))
def test_other_names_for_units_and_classes_change_nothing(seed):
    unit, label, units, classes = random_answers(seed)
    rng = np.random.default_rng(100 + seed)
    other_unit, other_class = rng.permutation(units), rng.permutation(classes)
    found = agreement.pairs(unit, label, units, classes)
    renamed = agreement.pairs(other_unit[unit], other_class[label], units, classes)
    assert renamed.agreeing[other_class].tolist() == found.agreeing.tolist()
    assert renamed.differing[np.ix_(other_class, other_class)].tolist() == found.differing.tolist()


def test_all_agree_and_all_oppose():
    unit = np.repeat(np.arange(5), 2)
    assert agreement.pairs(unit, np.zeros(10, np.int64), 5, 2).specific()[0] == 1
    assert agreement.pairs(unit, np.tile([0, 1], 5), 5, 2).specific().tolist() == [0, 0]


def test_nothing_is_no_pair():
    found = agreement.pairs(np.array([], np.int64), np.array([], np.int64), 0, 2)
    assert found.agreeing.tolist() == [0, 0]
    assert np.isnan(found.specific()).all()


def test_the_bounds_of_specific_agreement_hold_it_where_enough_tasks_have_the_class():
    rng = np.random.default_rng(1)
    unit, label = np.repeat(np.arange(300), 3), rng.choice(3, 900, p=[0.6, 0.39, 0.01])
    specific = agreement.pairs(unit, label, 300, 4).specific()
    low, high = agreement.specific_bounds(unit, label, 300, 4)
    assert ((low[:2] < specific[:2]) & (specific[:2] < high[:2])).all()
    assert (high - low < 0.15)[:2].all()
    assert np.isnan(low[2:]).all()
    assert np.isnan(high[2:]).all()


def test_the_bounds_of_specific_agreement_are_those_of_units_drawn_again():
    rng = np.random.default_rng(2)
    units = 40
    label = rng.integers(0, 2, (units, 3))
    unit = np.repeat(np.arange(units), 3)
    slow = [
        agreement.pairs(unit, label[rng.integers(0, units, units)].ravel(), units, 2).specific() for _ in range(2000)
    ]
    low, high = agreement.specific_bounds(unit, label.ravel(), units, 2, resamples=4000)
    np.testing.assert_allclose([low, high], np.quantile(slow, [0.025, 0.975], axis=0), atol=0.03)


def test_bounds_of_nothing_are_unknown():
    low, high = agreement.specific_bounds(np.array([], np.int64), np.array([], np.int64), 0, 2)
    assert np.isnan([low, high]).all()
