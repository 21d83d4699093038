"""The bias report against counting by hand, and what it must not tell of anybody."""

from dataclasses import fields

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.aggregation import bootstrap
from tasks.aggregation.group_shifts import group_shifts

TASKS, WORKERS, CLASSES, GROUPS, K = 12, 30, 4, 4, 3
SEEDS = st.integers(0, 2**32 - 1)


def drawn(seed):
    """Answers of workers of whom some are lazy, and what each said of herself; small enough for all that can happen."""
    rng = np.random.default_rng(seed)
    seen = rng.random((TASKS, WORKERS)) < rng.choice([0.0, 0.1, 0.5], WORKERS)
    labels = rng.choice(CLASSES, (TASKS, WORKERS), p=[0.7, 0.25, 0.04, 0.01])
    answers = [(task, worker, labels[task, worker]) for task, worker in np.argwhere(seen).tolist()]
    return answers, rng.choice([-1, 0, 1, 2, 3], WORKERS, p=rng.dirichlet(np.ones(5)))


def crowd(rng, tasks=400, workers=60, each=10, shift=0.0, sizes=(20, 20, 20)):
    """Two classes, the second as likely as each task's own share, and more by `shift` for those of group 0."""
    said = np.repeat(np.arange(len(sizes)), sizes)
    task = np.repeat(np.arange(tasks), each)
    worker = np.concatenate([rng.choice(workers, each, replace=False) for _ in range(tasks)])
    likely = rng.uniform(0.1, 0.6, tasks)[task] + shift * (said[worker] == 0)
    return task, worker, (rng.random(len(task)) < likely).astype(np.int64), said, tasks, workers, 2, len(sizes)


def small(answers, said, **options):
    task, worker, label = np.array(answers, np.int64).reshape(-1, 3).T
    options = {"least_workers": K, "resamples": 20, **options}
    return group_shifts(task, worker, label, np.array(said), TASKS, WORKERS, CLASSES, GROUPS, **options)


def assert_same(one, other):
    for field in fields(one):
        np.testing.assert_array_equal(getattr(one, field.name), getattr(other, field.name), err_msg=field.name)


def shares_by_hand(answers, said, group, label):
    """Means over tasks that both sides answered, of the part of each side's answers that say this label."""
    ours, theirs = [], []
    for task in range(TASKS):
        sides = [
            [one for there, worker, one in answers if there == task and (said[worker] == group) == is_ours]
            for is_ours in (True, False)
        ]
        if all(sides):
            ours.append(sides[0].count(label) / len(sides[0]))
            theirs.append(sides[1].count(label) / len(sides[1]))
    return np.mean(ours), np.mean(theirs), len(ours)


@given(SEEDS)
def test_shares_are_those_counted_by_hand_in_whole_percents(seed):
    answers, said = drawn(seed)
    found = small(answers, said)
    for row, group in enumerate(found.group):
        for column, label in enumerate(found.classes):
            if np.isnan(found.share[row, column]):
                continue
            ours, theirs, tasks = shares_by_hand(answers, said, group, label)
            assert found.tasks[row] == tasks
            assert found.share[row, column] == pytest.approx(ours, abs=0.00501)
            assert found.others[row, column] == pytest.approx(theirs, abs=0.00501)
            assert found.shift[row, column] == pytest.approx(ours - theirs, abs=0.00501)
    for figures in (found.share, found.others, found.shift, found.low, found.high, found.variation, found.by_chance):
        hundredths = figures[~np.isnan(figures)] * 100
        np.testing.assert_allclose(hundredths, np.round(hundredths), atol=1e-9)


@given(SEEDS)
def test_every_group_shown_has_k_members_and_so_has_the_crowd_that_is_not(seed):
    answers, said = drawn(seed)
    found = small(answers, said)
    active = {worker for _, worker, _ in answers}
    crowd = {worker for worker in active if said[worker] not in found.group.tolist()}
    assert len(crowd) == 0 or len(crowd) >= K or not len(found.group)
    assert found.withheld == bool(crowd)
    for row, group in enumerate(found.group):
        members = [worker for worker in active if said[worker] == group]
        given = [sum(worker == one for _, worker, _ in answers) for one in members]
        assert found.workers[row] == len(members) >= K
        assert max(given) <= sum(given) / 2


@given(SEEDS)
def test_a_class_shown_was_said_by_k_or_nobody_and_so_were_those_that_are_not_taken_together(seed):
    answers, said = drawn(seed)
    found = small(answers, said)
    shown = set(found.classes.tolist())
    said_by = {label: {worker for _, worker, one in answers if one == label} for label in range(CLASSES)}
    assert all(not said_by[label] or len(said_by[label]) >= K for label in shown)
    crowd = set().union(*(said_by[label] for label in set(range(CLASSES)) - shown))
    assert not crowd or len(crowd) >= K or not any(said_by[label] for label in shown)


@given(SEEDS)
def test_what_those_said_who_are_withheld_changes_nothing(seed):
    """As if they had kept silent: so nothing that is shown tells what any of them said."""
    answers, said = drawn(seed)
    found = small(answers, said)
    if len(found.group):
        silent = [one if one in found.group.tolist() else -1 for one in said]
        assert_same(small(answers, silent), found)


@given(SEEDS)
def test_who_is_who_and_what_comes_first_change_nothing(seed):
    rng, (answers, said) = np.random.default_rng(seed), drawn(seed)
    tasks, workers = rng.permutation(TASKS), rng.permutation(WORKERS)
    mixed = [(tasks[task], workers[worker], label) for task, worker, label in answers]
    renamed = np.empty(WORKERS, np.int64)
    renamed[workers] = said
    assert_same(small([mixed[place] for place in rng.permutation(len(mixed))], renamed), small(answers, said))


def test_the_names_of_groups_and_classes_do_not_matter():
    rng = np.random.default_rng(1)
    task, worker, label, said, *sizes = crowd(rng, shift=0.2)
    one = group_shifts(task, worker, label, said, *sizes)
    names = np.array([2, 0, 1])
    other = group_shifts(task, worker, 1 - label, names[said], *sizes)
    for name in ("share", "others", "shift"):
        np.testing.assert_allclose(getattr(other, name)[names][:, ::-1], getattr(one, name), atol=1e-9)
    np.testing.assert_allclose(other.low[names][:, ::-1], one.low, atol=0.02)
    np.testing.assert_array_equal(other.variation[names], one.variation)


def test_a_drawn_shift_is_found_and_chance_is_not_taken_for_one():
    found = group_shifts(*crowd(np.random.default_rng(2), shift=0.25))
    assert found.shift[0] == pytest.approx([-0.25, 0.25], abs=0.03)
    assert (found.low[0, 1], found.high[0, 1]) == pytest.approx((0.25, 0.25), abs=0.06)
    assert found.low[0, 1] < found.shift[0, 1] < found.high[0, 1]
    assert found.variation[0] > 5 * found.by_chance[0]
    none = group_shifts(*crowd(np.random.default_rng(3)))
    assert ((none.low <= 0) & (none.high >= 0)).all()
    assert (none.variation <= 3 * none.by_chance + 0.01).all()


def test_a_shift_is_not_due_to_which_tasks_a_group_was_given():
    """The group answers mostly the second half, where everybody says yes; on the same tasks all say the same."""
    rng = np.random.default_rng(4)
    task, worker = np.divmod(np.arange(200 * 20), 20)
    kept = (worker >= 10) | (task >= 100) | (rng.random(len(task)) < 0.1)
    label = (task >= 100).astype(np.int64)
    said = (np.arange(20) >= 10).astype(np.int64)
    found = group_shifts(task[kept], worker[kept], label[kept], said, 200, 20, 2, 2)
    assert found.shift.tolist() == [[0, 0], [0, 0]]
    assert found.variation.tolist() == [0, 0]
    assert np.isnan(found.low).all()


def test_the_interval_is_that_of_tasks_drawn_again():
    rng = np.random.default_rng(5)
    task, worker, label, said, tasks, *sizes = crowd(rng, tasks=40, shift=0.2)
    found = group_shifts(task, worker, label, said, tasks, *sizes, resamples=4000)
    ours = said[worker] == 0
    parts = [np.bincount(task[rows], label[rows], tasks) / np.bincount(task[rows], minlength=tasks) for rows in (ours, ~ours)]  # fmt: skip  # noqa: E501
    difference = (parts[0] - parts[1])[~np.isnan(parts[0] - parts[1])]
    drawn = difference[rng.integers(0, len(difference), (4000, len(difference)))].mean(axis=1)
    low, high = np.quantile(drawn, [0.025, 0.975])
    assert (found.low[0, 1], found.high[0, 1]) == pytest.approx((low, high), abs=0.021)


def test_a_group_that_is_too_small_takes_the_next_with_it():
    """Sizes 6, 7, 4 and nobody silent: showing the first two would give the four away."""
    answers = crowd(np.random.default_rng(6), workers=17, sizes=(6, 7, 4))
    found = group_shifts(*answers)
    assert (found.group.tolist(), found.workers.tolist(), found.withheld) == ([1], [7], True)
    task, worker, label, said, *sizes = crowd(np.random.default_rng(6), workers=18, sizes=(6, 7, 4, 1))
    silent = np.where(said == 3, -1, said)  # one silent person makes five: that is a crowd
    assert group_shifts(task, worker, label, silent, *sizes).group.tolist() == [0, 1]


def test_a_group_that_is_mostly_one_person_is_withheld():
    task, worker = np.divmod(np.arange(100 * 20), 20)
    said = np.arange(20) // 10
    kept = (worker >= 10) | (worker == 0) | (task < 5)  # nine give 5 answers each and the tenth a hundred
    label = np.random.default_rng(7).integers(0, 2, len(task))
    found = group_shifts(task[kept], worker[kept], label[kept], said, 100, 20, 2, 2)
    assert found.group.tolist() == [1]


def test_all_others_are_not_two_people():
    task, worker = np.divmod(np.arange(50 * 12), 12)
    label = np.random.default_rng(8).integers(0, 2, len(task))
    said = np.array([0] * 6 + [1] * 6)
    kept = (worker < 8) | (task >= 40)  # four of the others answer ten tasks only
    kept &= (worker >= 6) | (task < 40)  # which the group did not
    found = group_shifts(task[kept], worker[kept], label[kept], said, 50, 12, 2, 2)
    assert found.group.tolist() == [0, 1]
    assert np.isnan(found.share).all()
    assert np.isnan(found.others).all()
    assert np.isnan([found.variation, found.by_chance]).all()


def test_a_class_that_one_person_said_is_not_shown_nor_can_it_be_subtracted():
    task, worker, label, said, tasks, workers, _, groups = crowd(np.random.default_rng(9), shift=0.1)
    label = np.where(worker == 7, 2, label)
    found = group_shifts(task, worker, label, said, tasks, workers, 5, groups)
    assert found.classes.tolist() == [0, 3, 4]  # 1 was said by fewer than 0; 3 and 4 by nobody
    assert (found.share[:, 0] < 1).all()
    assert found.share[:, 1:].max() == 0


def test_few_tasks_have_no_interval():
    found = group_shifts(*crowd(np.random.default_rng(10), tasks=bootstrap.LEAST_TASKS - 1, each=40))
    assert np.isfinite(found.shift).all()
    assert np.isnan(found.low).all()
    assert np.isnan(found.by_chance).all()


def test_the_drawn_cases_are_of_every_kind():
    found = [small(*drawn(seed)) for seed in range(200)]
    assert sum(np.isfinite(one.share).any() for one in found) > 50
    assert sum(one.withheld and len(one.group) > 0 for one in found) > 20
    assert sum(0 < len(one.classes) < CLASSES for one in found) > 50
    assert sum(not len(one.group) for one in found) > 5


@pytest.mark.parametrize("said", [[-1] * WORKERS, [0, 1, 2, 3] * 7 + [0, 0], [0] * WORKERS])
def test_nobody_enough_or_no_others_show_nothing(said):
    answers = [(0, worker, 0) for worker in range(5)]
    found = small(answers, said)
    assert np.isnan(found.share).all()
    assert len(small([], said).group) == 0
    assert not small([], said).withheld


@pytest.mark.parametrize(
    ("group", "least"), [([0], 5), ([0, 9], 5), ([0, -2], 5), ([0.0, 1.0], 5), ([0, 1], 1), ([0, 1], 0)]
)
def test_groups_that_do_not_fit_are_refused(group, least):
    with pytest.raises(ValueError, match=r"group must|out of range|least_workers"):
        group_shifts([0, 0], [0, 1], [0, 1], group, 1, 2, 2, 2, least_workers=least)
