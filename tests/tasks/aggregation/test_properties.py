"""What holds of labels whatever is answered: names never show, nothing is certain, nothing breaks, money settles."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.aggregation import dawid_skene, labelling, votes
from tasks.aggregation.buying import Policy, replay
from tests.tasks.aggregation.test_dawid_skene import accuracy, assert_distributions, crowd

TASKS, WORKERS, CLASSES = 7, 5, 3
ANSWERS = st.lists(
    st.tuples(st.integers(0, TASKS - 1), st.integers(0, WORKERS - 1), st.integers(0, CLASSES - 1)), max_size=40
)
GOLD = st.lists(st.integers(-1, CLASSES - 1), min_size=TASKS, max_size=TASKS)
SEED = st.integers(0, 9)
MODEL = st.sampled_from([None, True, False])


def columns(answers):
    return np.array(answers, np.int64).reshape(-1, 3).T


def renamed(answers, seed):
    """The answers in another order, of tasks, workers and classes with other names; and the names."""
    luck = np.random.default_rng(seed)
    names = [luck.permutation(size) for size in (TASKS, WORKERS, CLASSES)]
    mixed = columns(answers)[:, luck.permutation(len(answers))]
    return [new[column] for new, column in zip(names, mixed, strict=True)], names


@given(answers=ANSWERS, gold=GOLD, one_coin=MODEL, seed=SEED)
def test_names_and_order_never_show_in_a_fit(answers, gold, one_coin, seed):
    (task, worker, label), (t, w, k) = renamed(answers, seed)
    known = np.array(gold)
    other_known = np.empty(TASKS, np.int64)
    other_known[t] = np.where(known < 0, -1, k[known])
    plain = dawid_skene.fit(*columns(answers), TASKS, WORKERS, CLASSES, gold=known, one_coin=one_coin)
    other = dawid_skene.fit(task, worker, label, TASKS, WORKERS, CLASSES, gold=other_known, one_coin=one_coin)
    np.testing.assert_allclose(other.posterior[t][:, k], plain.posterior, atol=1e-6)
    np.testing.assert_allclose(other.confusions[w][:, k][:, :, k], plain.confusions, atol=1e-6)
    np.testing.assert_allclose(other.prior[k], plain.prior, atol=1e-6)
    assert other.method == plain.method


@given(answers=ANSWERS, seed=SEED)
def test_names_and_order_never_show_in_labels_or_votes(answers, seed):
    changed, (t, _, k) = renamed(answers, seed)
    plain = labelling.label(*columns(answers), TASKS, WORKERS, CLASSES)
    other = labelling.label(*changed, TASKS, WORKERS, CLASSES)
    np.testing.assert_allclose(other.posterior[t][:, k], plain.posterior, atol=1e-6)
    assert other.is_known[t].tolist() == plain.is_known.tolist()
    counted = votes.majority(*columns(answers), TASKS, WORKERS, CLASSES)
    np.testing.assert_array_equal(votes.majority(*changed, TASKS, WORKERS, CLASSES)[t][:, k], counted)


@given(answers=ANSWERS, gold=GOLD, seed=SEED)
def test_names_of_workers_and_classes_never_show_in_labels_with_gold(answers, gold, seed):
    (_, w, k), known = renamed(answers, seed)[1], np.array(gold)
    task, worker, label = columns(answers)
    plain = labelling.label(task, worker, label, TASKS, WORKERS, CLASSES, gold=known)
    other = labelling.label(task, w[worker], k[label], TASKS, WORKERS, CLASSES, gold=np.where(known < 0, -1, k[known]))
    np.testing.assert_allclose(other.posterior[:, k], plain.posterior, atol=1e-5)
    assert other.temperature == pytest.approx(plain.temperature, rel=1e-4)


@given(answers=ANSWERS, gold=GOLD, one_coin=MODEL, classes=st.integers(CLASSES, 6))
def test_whatever_is_answered_there_is_neither_nan_nor_certainty(answers, gold, one_coin, classes):
    """One worker, one answer, one class, answers twice, classes nobody said, tasks nobody did: all of it is in here."""
    known = np.array(gold)
    fit = dawid_skene.fit(*columns(answers), TASKS, WORKERS, classes, gold=known, one_coin=one_coin)
    made = labelling.label(*columns(answers), TASKS, WORKERS, classes, gold=known)
    for rows in (fit.posterior, fit.confusions, fit.pooled, fit.prior[None], made.posterior):
        assert_distributions(rows)
        assert rows.max() < 1.0
    assert (made.posterior[known >= 0].argmax(axis=1) == known[known >= 0]).all()
    assert np.isfinite(made.temperature)
    assert made.temperature > 0


@given(answers=ANSWERS, gold=GOLD)
def test_a_single_worker_has_no_confidence_and_several_have(answers, gold):
    made = labelling.label(*columns(answers), TASKS, WORKERS, CLASSES, gold=np.array(gold))
    asked = [{worker for task, worker, _ in answers if task == one} for one in range(TASKS)]
    assert made.is_known.tolist() == [
        len(workers) > 1 or truth >= 0 for workers, truth in zip(asked, gold, strict=True)
    ]


def spam(rng, worker, truth, classes):
    return rng.integers(0, classes, len(worker))


def agreement(rng, worker, truth, classes):
    return truth


def one_class(rng, worker, truth, classes):
    return np.zeros(len(worker), np.int64)


def adversaries(rng, worker, truth, classes):
    return np.where(worker % 3 == 0, (truth + 1) % classes, truth)


@pytest.mark.parametrize("classes", [2, 5])
@pytest.mark.parametrize(
    ("says", "right", "sure"),
    [(spam, 0.0, 0.75), (agreement, 1.0, 1.0), (one_class, 0.0, 1.0), (adversaries, 0.95, 1.0)],
    ids=["spam", "agreement", "one class", "adversaries"],
)
def test_bad_crowds_give_labels_as_good_as_they_can_be_and_none_is_certain(says, right, sure, classes):
    rng = np.random.default_rng(7)
    (task, worker, _, *sizes), truth = crowd(rng, tasks=120, workers=9, classes=classes, answers_a_task=5)
    made = labelling.label(task, worker, says(rng, worker, truth[task], classes), *sizes)
    assert_distributions(made.posterior)
    assert accuracy(made.posterior, truth) >= right
    assert made.posterior.max() < 1.0
    assert made.posterior.max(axis=1).mean() < sure


@pytest.mark.parametrize("seed", range(5))
def test_drawn_confusions_are_recovered(seed):
    """Each worker with a table of her own, all but one of them better than chance."""
    rng = np.random.default_rng(seed)
    tasks, workers, classes = 1_500, 8, 3
    alone = rng.dirichlet(np.full(classes, 2.0), (workers, classes))
    confusions = 0.6 * np.eye(classes) + 0.4 * alone
    confusions[0] = 1 / classes  # she guesses
    truth = rng.choice(classes, tasks, p=[0.5, 0.3, 0.2])
    task, worker = np.divmod(np.arange(tasks * workers), workers)
    label = (rng.random(len(task))[:, None] > confusions[worker, truth[task]].cumsum(axis=1)).sum(axis=1)
    fit = dawid_skene.fit(task, worker, np.minimum(label, classes - 1), tasks, workers, classes)
    assert np.abs(fit.confusions - confusions).mean() < 0.03
    assert np.abs(fit.confusions - confusions).max() < 0.12
    assert np.abs(fit.prior - [0.5, 0.3, 0.2]).max() < 0.05


@settings(max_examples=30)
@given(
    seed=SEED,
    draw=SEED,
    budgets=st.lists(st.integers(0, 200), min_size=2, max_size=4, unique=True).map(sorted),
    target=st.sampled_from([0.6, 0.9, 0.97]),
    least=st.integers(1, 3),
)
def test_more_budget_never_settles_fewer_tasks(seed, draw, budgets, target, least):
    answers, _ = crowd(np.random.default_rng(draw), tasks=40, workers=8, answers_a_task=5)
    runs = [replay(*answers, policy=Policy(least, 5, target, budget), seed=seed) for budget in budgets]
    for budget, run in zip(budgets, runs, strict=True):
        assert run.bought.sum() <= budget
    for less, more in pairwise(runs):
        assert (less.settled <= more.settled).all()
        assert (less.bought <= more.bought).all()
