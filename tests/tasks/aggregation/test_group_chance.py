"""Whether groups differ by more than chance: against counting all ways to draw, and what it says of drawn crowds."""

from itertools import combinations

import numpy as np
import pytest

from tasks.aggregation.group_chance import group_chance


def chance(task, worker, label, said, **options):
    options = {"groups": np.unique(said[said >= 0]), "classes": np.arange(2), **options}
    sizes = (int(task.max()) + 1, len(said), 2)
    return group_chance(np.asarray(task), np.asarray(worker), np.asarray(label), said, *sizes, **options)


def crowd(rng, shift=0.0, workers=40, tasks=60, each=8):
    said = np.repeat([0, 1], workers // 2)
    task = np.repeat(np.arange(tasks), each)
    worker = np.concatenate([rng.choice(workers, each, replace=False) for _ in range(tasks)])
    own = rng.normal(0, 0.1, workers)  # people differ, whichever group they are in
    likely = 0.4 + own[worker] + shift * (said[worker] == 0)
    return task, worker, (rng.random(len(task)) < likely).astype(np.int64), said


def test_two_groups_of_three_by_all_ways_to_draw():
    """Everybody answers one task; three say the second class, and are the group: two of the twenty ways do as much."""
    label = np.array([1, 1, 1, 0, 0, 0])
    said = np.array([0, 0, 0, 1, 1, 1])
    ways = sum(set(drawn) in ({0, 1, 2}, {3, 4, 5}) for drawn in combinations(range(6), 3)) / 20
    found = chance(np.zeros(6, np.int64), np.arange(6), label, said, draws=20_000)
    assert found == pytest.approx([ways, ways], abs=0.01)


def test_without_a_difference_it_is_small_as_often_as_it_says():
    """Answers of one person go together; the test takes people, not answers, so it stays honest."""
    smallest = [chance(*crowd(np.random.default_rng(seed)), draws=199).min() for seed in range(200)]
    assert np.mean(np.array(smallest) <= 0.05) < 0.1


def test_a_difference_is_found():
    assert chance(*crowd(np.random.default_rng(1), shift=0.25)).max() < 0.01


def test_renaming_workers_and_the_order_of_answers_change_little():
    task, worker, label, said = crowd(np.random.default_rng(2), shift=0.06)
    order, names = np.random.default_rng(3).permutation(len(task)), np.random.default_rng(4).permutation(len(said))
    renamed = np.empty_like(said)
    renamed[names] = said
    one = chance(task, worker, label, said)
    other = chance(task[order], names[worker][order], label[order], renamed)
    np.testing.assert_allclose(one, other, atol=0.05)


def test_nothing_to_compare_is_chance():
    task, worker = np.zeros(4, np.int64), np.arange(4)
    said = np.array([0, 0, 1, 1])
    assert chance(task, worker, np.ones(4, np.int64), said).tolist() == [1.0, 1.0]  # all alike
    assert chance(task, worker, np.ones(4, np.int64), said, classes=np.zeros(0, np.int64)).tolist() == [1.0, 1.0]
    assert len(chance(task, worker, np.ones(4, np.int64), said, groups=np.zeros(0, np.int64))) == 0
