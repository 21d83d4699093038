import numpy as np
import pytest

from tasks.aggregation import dawid_skene, labelling
from tests.tasks.aggregation.test_dawid_skene import accuracy, crowd


def shared_mistakes(rng, tasks=600, classes=2):
    """Answers whose mistakes come together: a third of the tasks look like another class to everybody."""
    answers, truth = crowd(rng, tasks=tasks, classes=classes, accuracy=(0.8, 0.95), answers_a_task=7)
    hard = rng.random(tasks) < 0.3
    misleading = np.where(hard & (rng.random(tasks) < 0.5), (truth + 1) % classes, truth)
    task, worker, label, *sizes = answers
    right = rng.random(len(task)) < 0.85
    label = np.where(right, misleading[task], (misleading[task] + 1) % classes)
    return (task, worker, label, *sizes), truth


def test_labels_are_about_as_often_right_as_they_are_sure():
    answers, truth = shared_mistakes(np.random.default_rng(1))
    gold = np.where(np.arange(600) < 120, truth, -1)
    made = labelling.label(*answers, gold=gold)
    rest = slice(120, None)
    sure, right = made.posterior[rest].max(axis=1).mean(), accuracy(made.posterior[rest], truth[rest])
    assert dawid_skene.fit(*answers).posterior[rest].max(axis=1).mean() > right + 0.1
    assert sure == pytest.approx(right, abs=0.06)
    assert (made.compared, made.checked.tasks.sum()) == (120, 120)
    assert made.checked.error() < 0.1


def test_without_gold_the_usual_temperature_is_taken_and_nothing_is_claimed_to_be_checked():
    answers, truth = crowd(np.random.default_rng(2))
    made = labelling.label(*answers)
    assert (made.compared, made.checked) == (0, None)
    assert made.temperature == pytest.approx(4.0, rel=1e-3)
    assert made.posterior.max() < 0.999
    assert accuracy(made.posterior, truth) > 0.9


def test_one_answer_alone_is_not_known_and_gold_is():
    made = labelling.label([0, 1, 1, 2, 2], [0, 0, 1, 2, 2], [0, 1, 1, 0, 0], 5, 3, 2, gold=[-1, -1, -1, -1, 1])
    assert made.is_known.tolist() == [False, True, False, False, True]  # who answers twice is one worker
    assert made.posterior[4].argmax() == 1
    assert made.posterior[4].max() > 0.999


def test_the_model_that_gold_finds_right_more_often_is_taken():
    rng = np.random.default_rng(3)
    (task, worker, label, *sizes), truth = crowd(rng, tasks=800, workers=8, answers_a_task=5, classes=3)
    one_way = (worker < 5) & (truth[task] == 2)  # most take class 2 for class 1: no coin says that
    label = np.where(one_way, 1, label)
    gold = np.where(np.arange(800) < 200, truth, -1)
    made = labelling.label(task, worker, label, *sizes, gold=gold)
    assert made.fit.method == dawid_skene.CONFUSIONS
    assert accuracy(made.posterior[200:], truth[200:]) > 0.85
    without = labelling.label(task, worker, label, *sizes)
    assert accuracy(without.posterior[200:], truth[200:]) < 0.75


def test_a_coin_is_taken_where_gold_finds_it_more_often_right():
    rng = np.random.default_rng(6)
    answers, truth = crowd(rng, tasks=400, workers=10, classes=8, accuracy=(0.2, 0.7))
    gold = np.where(np.arange(400) < 200, truth, -1)
    confusions, coin = (
        accuracy(dawid_skene.fit(*answers, one_coin=one_coin).posterior, truth) for one_coin in (False, True)
    )
    assert coin > confusions + 0.05
    assert labelling.label(*answers, gold=gold).fit.method == dawid_skene.ONE_COIN


@pytest.mark.parametrize(
    "answers",
    [
        ([], [], [], 0, 0, 2),
        ([], [], [], 3, 0, 2),
        ([0], [0], [0], 1, 1, 2),
        ([0, 1, 2], [0, 0, 0], [0, 1, 0], 3, 1, 2),
        ([0, 0, 0], [0, 1, 2], [1, 1, 1], 1, 3, 2),
        ([0] * 9, list(range(9)), [0] * 5 + [1] * 4, 1, 9, 7),
    ],
)
def test_too_little_to_know_gives_neither_nan_nor_certainty(answers):
    made = labelling.label(*answers)
    assert np.isfinite(made.posterior).all()
    assert (made.posterior.max(axis=1, initial=0.0) < 1.0).all()
    np.testing.assert_allclose(made.posterior.sum(axis=1), 1.0)


def test_order_and_names_do_not_matter():
    rng = np.random.default_rng(4)
    (task, worker, label, tasks, workers, classes), truth = crowd(rng)
    gold = np.where(np.arange(tasks) < 60, truth, -1)
    plain = labelling.label(task, worker, label, tasks, workers, classes, gold=gold)
    mixed, w, k = (rng.permutation(size) for size in (len(task), workers, classes))
    other = labelling.label(
        task[mixed], w[worker][mixed], k[label][mixed], tasks, workers, classes, gold=np.where(gold < 0, -1, k[gold])
    )
    np.testing.assert_allclose(other.posterior[:, k], plain.posterior, atol=1e-6)


def test_what_was_thought_before_is_a_start_that_leads_to_the_same_labels():
    answers, _ = crowd(np.random.default_rng(5))
    cold = labelling.label(*answers)
    warm = labelling.label(*answers, start=cold.fit.posterior)
    assert (warm.posterior.argmax(axis=1) == cold.posterior.argmax(axis=1)).mean() > 0.99
    with pytest.raises(ValueError, match="start"):
        labelling.label(*answers, start=cold.posterior[:5])
