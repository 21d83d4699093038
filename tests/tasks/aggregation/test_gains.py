from itertools import product

import numpy as np
import pytest

from tasks.aggregation.gains import AHEAD, gains, likeliest


def good(classes: int, accuracy: float) -> np.ndarray:
    """Confusions of somebody right with this probability about every class."""
    wrong = (1.0 - accuracy) / (classes - 1)
    return np.where(np.eye(classes, dtype=bool), accuracy, wrong)


def by_hand(posterior: np.ndarray, confusions: np.ndarray) -> float:
    """Every way the next answers can turn out, one by one, for two classes."""
    best = 0.0
    for answers in range(1, AHEAD + 1):
        then = 0.0
        for said in product(range(2), repeat=answers):
            likely = [posterior[k] * np.prod([confusions[k, label] for label in said]) for k in range(2)]
            then += max(likely)
        best = max(best, (then - posterior.max()) / answers)
    return best


@pytest.mark.parametrize("seed", range(5))
def test_two_classes_by_every_way_it_can_turn_out(seed):
    luck = np.random.default_rng(seed)
    posterior, confusions = luck.dirichlet([1, 1], 4), luck.dirichlet([1, 1], 2)
    found = gains(posterior, confusions)
    np.testing.assert_allclose(found, [by_hand(row, confusions) for row in posterior], atol=1e-12)


def test_a_coin_and_somebody_right_nine_times_in_ten():
    """One answer lifts an even chance to .9; the best of more would be less for each."""
    np.testing.assert_allclose(gains(np.array([[0.5, 0.5]]), good(2, 0.9)), [0.4])


def test_what_one_answer_cannot_turn_is_worth_something_where_several_can():
    sure = np.array([[0.96, 0.04]])
    one_step = np.maximum(sure[:, :1] * [0.8, 0.2], sure[:, 1:] * [0.2, 0.8]).sum(axis=1) - 0.96
    np.testing.assert_allclose(one_step, 0.0, atol=1e-12)
    assert 0.0 < gains(sure, good(2, 0.8))[0] < 0.01


def test_the_more_doubt_the_more_an_answer_is_worth():
    doubt = np.array([[share, 1.0 - share] for share in (0.5, 0.6, 0.7, 0.8, 0.9, 0.99)])
    assert (np.diff(gains(doubt, good(2, 0.75))) < 0).all()


def test_an_answer_of_somebody_who_guesses_is_worth_nothing():
    np.testing.assert_allclose(gains(np.array([[0.5, 0.3, 0.2]]), good(3, 1 / 3)), 0.0, atol=1e-12)


def test_doubt_between_classes_that_the_crowd_mixes_up_is_worth_less():
    mixed_up = np.array([[0.55, 0.42, 0.03], [0.42, 0.55, 0.03], [0.02, 0.02, 0.96]])
    between, clear = gains(np.array([[0.5, 0.5, 0.0], [0.5, 0.0, 0.5]]), mixed_up)
    assert 0 < 3 * between < clear


def test_the_order_of_tasks_and_the_names_of_classes_never_show():
    luck = np.random.default_rng(4)
    posterior, confusions = luck.dirichlet([1] * 5, 30), luck.dirichlet([1] * 5, 5)
    names, tasks = luck.permutation(5), luck.permutation(30)
    found = gains(posterior, confusions)
    np.testing.assert_allclose(gains(posterior[tasks][:, names], confusions[np.ix_(names, names)]), found[tasks])


@pytest.mark.parametrize("classes", [2, 3, 60])
def test_extremes_are_neither_below_nothing_nor_not_a_number(classes):
    sure = np.eye(classes)
    for confusions in (np.eye(classes), good(classes, 0.7), np.roll(np.eye(classes), 1, axis=1), sure[::-1]):
        for posterior in (sure, np.full((2, classes), 1 / classes), np.zeros((0, classes))):
            found = gains(posterior, confusions)
            assert np.isfinite(found).all()
            assert (found >= 0).all()


def test_the_likeliest_two_are_never_the_same():
    first, second = likeliest(np.array([[0.2, 0.5, 0.3], [1.0, 0.0, 0.0], [1 / 3, 1 / 3, 1 / 3]]))
    assert first.tolist() == [1, 0, 0]
    assert second.tolist() == [2, 1, 1]


@pytest.mark.parametrize(("posterior", "confusions"), [((3, 1), (1, 1)), ((3, 2), (3, 3)), ((3,), (3, 3))])
def test_shapes_that_do_not_fit_are_refused(posterior, confusions):
    with pytest.raises(ValueError, match="must be"):
        gains(np.ones(posterior), np.ones(confusions))
