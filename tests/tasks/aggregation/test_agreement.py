from itertools import permutations

import numpy as np
import pytest

from tasks.aggregation.agreement import krippendorff_alpha


def by_definition(task, label):
    """1 - observed / expected disagreement, pair by pair."""
    units = [label[task == unit] for unit in np.unique(task)]
    units = [unit for unit in units if len(unit) > 1]
    pooled = np.concatenate(units)
    observed = sum(sum(a != b for a, b in permutations(unit, 2)) / (len(unit) - 1) for unit in units) / len(pooled)
    expected = sum(a != b for a, b in permutations(pooled, 2)) / (len(pooled) * (len(pooled) - 1))
    return 1 - observed / expected


def test_krippendorffs_own_example():
    rows = [
        "1 2 3 3 2 1 4 1 2 . . .",
        "1 2 3 3 2 2 4 1 2 5 . 3",
        ". 3 3 3 2 3 4 2 2 5 1 .",
        "1 2 3 3 2 4 4 1 2 5 1 .",
    ]
    cells = [(t, w, int(cell) - 1) for w, row in enumerate(rows) for t, cell in enumerate(row.split()) if cell != "."]
    assert krippendorff_alpha(*np.array(cells).T, 12, 5) == pytest.approx(0.743, abs=0.0005)


def test_the_count_matrix_agrees_with_the_definition():
    rng = np.random.default_rng(1)
    for _ in range(20):
        seen = rng.random((12, 5)) < 0.6
        task, worker = np.nonzero(seen)
        label = rng.integers(0, 3, len(task))
        assert krippendorff_alpha(task, worker, label, 12, 3) == pytest.approx(by_definition(task, label))


def test_unanimity_is_one_also_in_a_single_class():
    assert krippendorff_alpha([0, 0, 1, 1], [0, 1, 0, 1], [0, 0, 1, 1], 2, 2) == 1.0
    assert krippendorff_alpha([0, 0, 1, 1], [0, 1, 0, 1], [1, 1, 1, 1], 2, 2) == 1.0


def test_without_a_pair_there_is_no_agreement():
    assert krippendorff_alpha([], [], [], 0, 2) is None
    assert krippendorff_alpha([0, 1], [0, 1], [0, 1], 2, 2) is None


def test_nobody_agrees_with_herself():
    assert krippendorff_alpha([0, 0], [7, 7], [1, 1], 1, 2) is None
    once = krippendorff_alpha([0, 0, 1, 1], [0, 1, 0, 1], [0, 1, 1, 1], 2, 2)
    assert krippendorff_alpha([0, 0, 1, 1, 1], [0, 1, 0, 1, 1], [0, 1, 1, 1, 1], 2, 2) == once
