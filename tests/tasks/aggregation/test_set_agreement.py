"""Mean pairwise F1 against counting by hand, of sets and of what was matched elsewhere."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.aggregation import set_agreement

TASKS, WORKERS, LABELS = 6, 5, 4
ANSWERS = st.lists(
    st.tuples(st.integers(0, TASKS - 1), st.integers(0, WORKERS - 1), st.tuples(*[st.booleans()] * LABELS)),
    max_size=40,
    unique_by=lambda answer: answer[:2],
)


def columns(answers):
    task, worker = np.array([answer[:2] for answer in answers], np.int64).reshape(-1, 2).T
    return task, worker, np.array([answer[2] for answer in answers], bool).reshape(-1, LABELS)


def f1_by_hand(answers):
    """Micro, macro, tasks and pairs."""
    both, total, by_task, pairs = 0, 0, [], 0
    for task in range(TASKS):
        sets = [{n for n, chosen in enumerate(given) if chosen} for one, _, given in answers if one == task]
        scores = [2 * len(a & b) / (len(a) + len(b)) if a or b else 1.0 for a, b in combinations(sets, 2)]
        both += sum(2 * len(a & b) for a, b in combinations(sets, 2))
        total += sum(len(a) + len(b) for a, b in combinations(sets, 2))
        pairs += len(scores)
        by_task += [sum(scores) / len(scores)] if scores else []
    if not by_task:
        return None, None, 0, 0
    return both / total if total else 1.0, sum(by_task) / len(by_task), len(by_task), pairs


def of_sets(answers):
    return set_agreement.pairwise_f1_of_sets(*columns(answers), TASKS, WORKERS)


@given(ANSWERS)
def test_sets_give_what_counting_by_hand_gives(answers):
    found = of_sets(answers)
    assert (found.micro, found.macro, found.tasks, found.pairs) == pytest.approx(f1_by_hand(answers))


@given(ANSWERS)
def test_pairs_counted_elsewhere_give_the_same(answers):
    rows = [
        (a[0], sum(np.array(a[2]) & np.array(b[2])), sum(a[2]), sum(b[2]))
        for a, b in combinations(answers, 2)
        if a[0] == b[0]
    ]
    task, *counts = np.array(rows, np.int64).reshape(-1, 4).T
    found = set_agreement.pairwise_f1(task, *counts, TASKS)
    assert (found.micro, found.macro, found.tasks, found.pairs) == pytest.approx(f1_by_hand(answers))


@pytest.mark.parametrize("at_once", [1, 7, 10**6])
def test_neither_blocks_nor_order_nor_names_show(monkeypatch, at_once):
    rng = np.random.default_rng(1)
    task, worker = np.divmod(np.arange(400), 4)
    chosen = rng.random((400, LABELS)) < 0.5
    one = set_agreement.pairwise_f1_of_sets(task, worker, chosen, 100, 4, resamples=50)
    order = rng.permutation(400)
    monkeypatch.setattr(set_agreement, "AT_ONCE", at_once)
    mixed = rng.permutation(100)[task][order], rng.permutation(4)[worker][order], chosen[order][:, rng.permutation(4)]
    other = set_agreement.pairwise_f1_of_sets(*mixed, 100, 4, resamples=50)
    assert (other.micro, other.macro) == pytest.approx((one.micro, one.macro))
    assert one.micro_low < one.micro < one.micro_high
    assert one.macro_low < one.macro < one.macro_high
    mixed = (*mixed[:2], chosen[order])
    assert set_agreement.pairwise_f1_of_sets(*mixed, 100, 4, resamples=50) == one


def test_a_worker_who_answers_twice_counts_once():
    once = [(0, 0, (False, False, True, False)), (0, 1, (True, False, True, False))]
    assert of_sets([*once, (0, 1, (True, True, True, True))]).pairs == 1
    assert of_sets([*once, (0, 1, (True, True, True, True))]) == of_sets(once)
    assert of_sets([once[0], once[0]]).micro is None


def test_two_who_saw_nothing_agree():
    nothing = (False,) * LABELS
    found = of_sets([(0, 0, nothing), (0, 1, nothing)])
    assert (found.micro, found.macro) == (1.0, 1.0)
    empty = set_agreement.pairwise_f1_of_sets([0, 0], [0, 1], np.zeros((2, 0), bool), 1, 2)
    assert (empty.micro, empty.macro) == (1.0, 1.0)


def test_a_task_with_many_things_weighs_more_only_in_micro():
    # task 0: 90 of 100 matched; task 1: 0 of 1
    found = set_agreement.pairwise_f1([0, 1], [90, 0], [100, 1], [100, 1], 2)
    assert (found.micro, found.macro) == (pytest.approx(180 / 202), pytest.approx(0.45))


def test_the_interval_is_that_of_tasks_drawn_again():
    rng = np.random.default_rng(2)
    one, other = rng.integers(1, 6, (2, 60))
    matched = rng.integers(0, np.minimum(one, other) + 1)
    found = set_agreement.pairwise_f1(np.arange(60), matched, one, other, 60, resamples=4000)
    drawn = rng.integers(0, 60, (4000, 60))
    both, total = 2 * matched[drawn], (one + other)[drawn]
    micro, macro = both.sum(axis=1) / total.sum(axis=1), (both / total).mean(axis=1)
    expected = [*np.quantile(micro, [0.025, 0.975]), *np.quantile(macro, [0.025, 0.975])]
    assert [found.micro_low, found.micro_high, found.macro_low, found.macro_high] == pytest.approx(expected, abs=0.015)


def test_few_tasks_have_no_interval_and_no_pair_has_nothing():
    few = set_agreement.pairwise_f1(np.arange(9), np.ones(9), np.arange(1, 10), np.ones(9), 9)
    assert few.micro is not None
    assert few.micro_low is few.macro_high is None
    assert set_agreement.pairwise_f1([], [], [], [], 3).macro is None
    assert of_sets([]).micro is None


@pytest.mark.parametrize(
    ("task", "matched", "one", "other"),
    [
        ([0], [2], [1], [3]),
        ([0], [-1], [1], [1]),
        ([9], [0], [1], [1]),
        ([0, 1], [0], [1], [1]),
        ([0], [np.nan], [1], [1]),
    ],
)
def test_pairs_that_do_not_fit_are_refused(task, matched, one, other):
    with pytest.raises(ValueError, match=r"one length|out of range|between 0 and"):
        set_agreement.pairwise_f1(task, matched, one, other, 2)
