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
