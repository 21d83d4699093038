"""Each two workers against counting by hand; what must not matter; and what is left out where there are too many."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.aggregation import answer_pairs, worker_pairs

TASKS, WORKERS, CLASSES = 8, 6, 3
ANSWERS = st.lists(
    st.tuples(st.integers(0, TASKS - 1), st.integers(0, WORKERS - 1), st.integers(0, CLASSES - 1)), max_size=60
)


def by_hand(answers, least):
    """Shared tasks, agreement and Cohen's kappa of each two workers, from their two columns."""
    said = {}
    for task, worker, label in sorted(answers, reverse=True):
        said[worker, task] = label
    found = {}
    for one, other in combinations(range(WORKERS), 2):
        tasks = [task for task in range(TASKS) if (one, task) in said and (other, task) in said]
        if len(tasks) < least:
            continue
        a, b = ([said[worker, task] for task in tasks] for worker in (one, other))
        agreed = sum(x == y for x, y in zip(a, b, strict=True)) / len(tasks)
        chance = sum(a.count(k) * b.count(k) for k in range(CLASSES)) / len(tasks) ** 2
        found[one, other] = (len(tasks), agreed, (agreed - chance) / (1 - chance) if chance < 1 else None)
    return found


def compared(answers, **options):
    task, worker, label = np.array(answers, np.int64).reshape(-1, 3).T
    return worker_pairs.worker_pairs(task, worker, label, TASKS, WORKERS, CLASSES, **options)


def as_pairs(found):
    kappa = [None if np.isnan(value) else value for value in found.kappa]
    rows = zip(found.one.tolist(), found.other.tolist(), found.shared, found.agreed, kappa, strict=True)
    return {(one, other): rest for one, other, *rest in rows}


def assert_same(found, expected):
    assert found.keys() == expected.keys()
    for pair, values in expected.items():
        assert list(found[pair]) == pytest.approx(list(values))


@given(ANSWERS, st.integers(1, 4))
def test_it_is_what_counting_by_hand_gives(answers, least):
    found = compared(answers, least_shared=least)
    assert_same(as_pairs(found), by_hand(answers, least))
    assert (found.left_out, found.complete_from) == (0, least)


def test_a_textbook_table():
    """Fifty tasks: both yes 20, only one 5, only the other 10, both no 15; chance is .5, so kappa is .4."""
    one, other = [1] * 25 + [0] * 25, [1] * 20 + [0] * 5 + [1] * 10 + [0] * 15
    task = np.tile(np.arange(50), 2)
    found = worker_pairs.worker_pairs(task, np.repeat([0, 1], 50), np.array(one + other), 50, 2, 2)
    assert (found.shared.tolist(), found.agreed.tolist()) == ([50], [0.7])
    assert found.kappa[0] == pytest.approx(0.4)


@given(ANSWERS, st.integers(0, 99))
def test_who_is_who_and_what_comes_first_change_nothing(answers, seed):
    rng = np.random.default_rng(seed)
    task, worker, label = np.array(answers, np.int64).reshape(-1, 3).T
    tasks, workers = rng.permutation(TASKS), rng.permutation(WORKERS)
    mixed = rng.permutation(np.stack([tasks[task], workers[worker], label], axis=1))
    renamed = {
        (min(workers[one], workers[other]), max(workers[one], workers[other])): rest
        for (one, other), rest in as_pairs(compared(answers, least_shared=1)).items()
    }
    assert_same(as_pairs(compared(mixed, least_shared=1)), renamed)


@given(ANSWERS, st.integers(1, 8), st.integers(1, 20))
def test_too_many_pairs_leave_those_who_share_least_and_it_says_so(answers, most, at_once):
    full = compared(answers, least_shared=1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(worker_pairs, "AT_ONCE", at_once)
        found = compared(answers, least_shared=1, most=most)
    order = np.lexsort((full.other, full.one, -full.shared))
    expected = set(list(zip(full.one[order].tolist(), full.other[order].tolist(), strict=True))[:most])
    assert set(as_pairs(found)) == expected
    assert_same(as_pairs(found), {pair: rest for pair, rest in as_pairs(full).items() if pair in expected})
    assert found.left_out == len(full.one) - len(expected)
    complete = {pair for pair, (shared, *_) in as_pairs(full).items() if shared >= found.complete_from}
    assert complete <= expected
    left = [shared for pair, (shared, *_) in as_pairs(full).items() if pair not in expected]
    assert found.complete_from == max([1, *(shared + 1 for shared in left)])


def test_what_was_left_out_earlier_is_not_forgotten(monkeypatch):
    """Pairs of workers that share 5, 3 and 1 tasks, looked at one after the other; one is kept."""
    monkeypatch.setattr(worker_pairs, "AT_ONCE", 1)
    answers = [
        (shared * 10 + n, who, 0)
        for shared, pair in ((5, (0, 1)), (3, (2, 3)), (1, (4, 5)))
        for n in range(shared)
        for who in pair
    ]
    task, worker, label = np.array(answers).T
    found = worker_pairs.worker_pairs(task, worker, label, 60, 6, 2, least_shared=1, most=1)
    assert (found.one.tolist(), found.left_out, found.complete_from) == ([0], 2, 4)


def test_memory_is_bounded_by_blocks(monkeypatch):
    """A hundred workers who all answer a hundred tasks: half a million pairs of answers, never more than asked."""
    rng = np.random.default_rng(1)
    task, worker = np.divmod(np.arange(10_000), 100)
    sizes, blocks = [], answer_pairs.blocks

    def watched(*given):
        for ours, theirs in blocks(*given):
            sizes.append(len(ours))
            yield ours, theirs

    monkeypatch.setattr(worker_pairs, "AT_ONCE", 20_000)
    monkeypatch.setattr(answer_pairs, "blocks", watched)
    found = worker_pairs.worker_pairs(task, worker, rng.integers(0, 2, 10_000), 100, 100, 2)
    assert sum(sizes) == 100 * 99 / 2 * 100
    assert max(sizes) <= 20_000
    assert len(found.one) == 4950
    assert np.abs(found.kappa.mean()) < 0.01


def test_two_who_always_say_the_same_one_thing_have_no_kappa():
    found = worker_pairs.worker_pairs(np.tile(np.arange(12), 2), np.repeat([0, 1], 12), np.ones(24, int), 12, 2, 2)
    assert found.agreed.tolist() == [1.0]
    assert np.isnan(found.kappa).all()


def test_too_few_shared_tasks_and_no_answers_are_no_pair():
    assert len(compared([(0, 0, 1), (0, 1, 1)]).one) == 0
    assert len(compared([]).one) == 0
    assert len(worker_pairs.worker_pairs([], [], [], 0, 0, 2).one) == 0


@pytest.mark.parametrize("wrong", [{"least_shared": 0}, {"most": 0}])
def test_settings_that_make_no_sense_are_refused(wrong):
    with pytest.raises(ValueError, match="1 or more"):
        compared([], **wrong)
