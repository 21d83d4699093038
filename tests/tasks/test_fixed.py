"""What was bought beside a fixed number of answers: whichever is cheaper, it is said."""

import numpy as np
import pytest

from tasks.demo import fixed

TASKS, WORKERS = 300, 20


def people(accuracy, seed=1):
    """What each of twenty workers says of each task, int[T, W], and what is right."""
    luck = np.random.default_rng(seed)
    truth = luck.integers(0, 3, TASKS)
    is_right = luck.random((TASKS, WORKERS)) < accuracy
    return np.where(is_right, truth[:, None], (truth[:, None] + luck.integers(1, 3, (TASKS, WORKERS))) % 3), truth


def compared(said, truth, given):
    return fixed.compare(given, truth, WORKERS, 3, lambda task, worker: int(said[task, worker]))


def until_three_agree(said):
    """Answers to each task of workers in turn until three say the same, nine at most."""
    given = []
    for task, row in enumerate(said):
        counts = np.zeros(3, int)
        for worker in np.random.default_rng(task).permutation(WORKERS)[:9].tolist():
            given.append((task, worker, int(row[worker])))
            counts[row[worker]] += 1
            if counts.max() == 3:
                break
    return given


def test_where_doubt_decides_a_fixed_number_needs_more():
    said, truth = people(accuracy=0.7)
    given = until_three_agree(said)
    found = compared(said, truth, given)
    assert found.bought == len(given)
    assert found.right > 0.85
    assert found.needed > 1.15 * found.bought
    assert f"would have needed {found.needed:,} for" in found.words()


def test_where_one_answer_is_enough_it_is_said_that_more_were_bought_than_needed():
    said, truth = people(accuracy=1.0)
    found = compared(said, truth, until_three_agree(said))
    assert (found.bought, found.right, found.needed) == (3 * TASKS, 1.0, TASKS)
    assert found.words() == (
        "bought 900 answers; fixed redundancy would have needed only 300 for the same accuracy, 100.00% without gold"
    )


def test_what_no_fixed_number_that_was_tried_reaches_is_said_too():
    said, truth = people(accuracy=0.5)
    given = [(task, worker, int(said[task, worker])) for task in range(TASKS) for worker in range(WORKERS)]
    found = compared(said, truth, given)
    assert (found.bought, found.tried, found.needed) == (6_000, 9, None)
    assert "more than 9 of every task for" in found.words()


def test_the_same_answers_tell_the_same():
    said, truth = people(accuracy=0.7)
    given = until_three_agree(said)
    assert compared(said, truth, given) == compared(said, truth, given)


def test_nobody_is_asked_twice_about_a_task_and_only_who_worked_is_asked():
    said, truth = people(accuracy=0.8)
    pairs = [(task, (task + turn) % 5) for task in range(TASKS) for turn in range(2)]
    given = [(task, worker, int(said[task, worker])) for task, worker in pairs]
    asked = set()

    def ask(task, worker):
        asked.add((task, worker))
        return int(said[task, worker])

    assert fixed.compare(given, truth, WORKERS, 3, ask).tried == 5
    assert {worker for _, worker in asked} == set(range(5))
    assert not asked & set(pairs)


def test_an_answer_that_is_no_class_is_refused():
    with pytest.raises(ValueError, match="range"):
        fixed.compare([(0, 0, 5)], np.array([0]), 1, 3, lambda task, worker: 0)
