import numpy as np
import pytest

from tasks.aggregation import labelling, learned
from tasks.aggregation.learned import Learned
from tests.tasks.aggregation.test_dawid_skene import accuracy, crowd


@pytest.mark.parametrize("is_ordinal", [False, True])
@pytest.mark.parametrize("each", [2, 5])
def test_what_a_fit_has_seen_is_weighed_as_the_fit_did(is_ordinal, each):
    """With few answers a worker, too, where one coin or the ordinal model is taken."""
    (task, worker, label, tasks, workers, classes), _ = crowd(
        np.random.default_rng(1), tasks=200, workers=300 if each == 2 else 20, answers_a_task=each
    )
    made = labelling.label(task, worker, label, tasks, workers + 1, classes, is_ordinal=is_ordinal)
    posterior, _ = learned.weigh(Learned.of(made), task, worker, label, tasks)
    np.testing.assert_allclose(posterior, made.posterior, atol=1e-9)
    some = task < 50
    alone, _ = learned.weigh(Learned.of(made), task[some], worker[some], label[some], 50)
    np.testing.assert_allclose(alone, made.posterior[:50], atol=1e-9)


def test_new_answers_are_weighed_nearly_as_a_new_fit_would():
    (task, worker, label, tasks, workers, classes), truth = crowd(np.random.default_rng(2), tasks=1000)
    old = task < 900
    made = labelling.label(task[old], worker[old], label[old], tasks, workers + 1, classes)
    posterior, certain = learned.weigh(Learned.of(made), task, worker, label, tasks)
    again = labelling.label(task, worker, label, tasks, workers, classes).posterior
    assert accuracy(posterior[900:], truth[900:]) > accuracy(again[900:], truth[900:]) - 0.03
    assert np.abs(posterior[900:] - again[900:]).mean() < 0.02
    assert certain.shape == posterior.shape


def test_who_came_after_the_fit_counts_as_somebody_of_that_crowd():
    (task, worker, label, tasks, workers, classes), _ = crowd(np.random.default_rng(3))
    known = Learned.of(labelling.label(task, worker, label, tasks, workers + 1, classes))
    none, _ = learned.weigh(known, np.array([], int), np.array([], int), np.array([], int), 1)
    one, _ = learned.weigh(known, np.array([0]), np.array([workers]), np.array([1]), 1)
    assert one[0, 1] > none[0, 1]
    two, _ = learned.weigh(known, np.array([0, 0]), np.array([workers, workers - 1]), np.array([1, 1]), 1)
    assert two[0, 1] > one[0, 1]
    with pytest.raises(ValueError, match="worker"):
        learned.weigh(known, np.array([0]), np.array([workers + 1]), np.array([0]), 1)
