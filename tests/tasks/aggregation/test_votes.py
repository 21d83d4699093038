import numpy as np
import pytest

from tasks.aggregation import votes


def test_majority_is_the_share_of_answers_and_uniform_without_any():
    shares = votes.majority([0, 0, 0, 2], [0, 1, 2, 0], [1, 1, 0, 2], 3, 3, 3)
    np.testing.assert_allclose(shares, [[1 / 3, 2 / 3, 0], [1 / 3, 1 / 3, 1 / 3], [0, 0, 1]])


def test_the_order_of_answers_never_shows():
    rng = np.random.default_rng(1)
    answers = rng.integers(0, 3, (3, 50))
    mixed = answers[:, rng.permutation(50)]
    one, other = votes.ordered(*answers, 3, 3, 3), votes.ordered(*mixed, 3, 3, 3)
    assert all(np.array_equal(getattr(one, name), getattr(other, name)) for name in ("task", "worker", "label"))


def test_workers_of_a_task_are_counted_once_each():
    assert votes.ordered([0, 0, 0, 2], [4, 4, 1, 4], [0, 1, 0, 0], 3, 5, 2).workers().tolist() == [2, 0, 1]


@pytest.mark.parametrize(
    ("task", "worker", "label", "classes"),
    [
        ([0], [0], [2], 2),
        ([0], [0], [-1], 2),
        ([3], [0], [0], 2),
        ([0], [9], [0], 2),
        ([0, 1], [0], [0], 2),
        ([0.5], [0], [0], 2),
        ([0], [0], [0], 1),
    ],
)
def test_answers_that_do_not_fit_are_refused(task, worker, label, classes):
    with pytest.raises(ValueError, match=r"out of range|one length|two classes"):
        votes.ordered(task, worker, label, 3, 3, classes)


def test_no_answers_are_fine():
    assert votes.majority([], [], [], 0, 0, 2).shape == (0, 2)
    assert votes.majority([], [], [], 2, 0, 2).tolist() == [[0.5, 0.5], [0.5, 0.5]]
