import numpy as np
import pytest

from tasks.aggregation import dawid_skene
from tasks.aggregation.votes import majority

EVERY_K = (2, 3, 7, 100)


def crowd(rng, *, tasks=300, workers=30, classes=3, answers_a_task=5, accuracy=(0.5, 0.95)):
    """Answers of workers who are right with a probability of their own, and the truth."""
    truth = rng.integers(0, classes, tasks)
    task = np.repeat(np.arange(tasks), answers_a_task)
    worker = np.concatenate([rng.choice(workers, answers_a_task, replace=False) for _ in range(tasks)])
    right = rng.random(len(task)) < rng.uniform(*accuracy, workers)[worker]
    label = np.where(right, truth[task], (truth[task] + rng.integers(1, classes, len(task))) % classes)
    return (task, worker, label, tasks, workers, classes), truth


def accuracy(posterior, truth):
    return (posterior.argmax(axis=1) == truth).mean()


def assert_distributions(rows):
    assert np.isfinite(rows).all()
    np.testing.assert_allclose(rows.sum(axis=-1), 1.0)


def test_known_confusions_give_bayes_rule():
    pi = np.array([[[0.9, 0.1], [0.3, 0.7]], [[0.6, 0.4], [0.2, 0.8]]])
    posterior = dawid_skene.posterior_given([0, 0], [0, 1], [0, 1], pi, np.array([0.25, 0.75]), 2)
    zero, one = 0.25 * 0.9 * 0.4, 0.75 * 0.3 * 0.8
    np.testing.assert_allclose(posterior, [[zero / (zero + one), one / (zero + one)], [0.25, 0.75]], atol=1e-6)


def test_known_confusions_agree_with_brute_force():
    rng = np.random.default_rng(2)
    for _ in range(50):
        tasks, workers, classes, n = rng.integers(1, 6), rng.integers(1, 5), rng.integers(2, 5), rng.integers(0, 15)
        task, worker, label = (rng.integers(0, size, n) for size in (tasks, workers, classes))
        pi, prior = rng.dirichlet(np.ones(classes), (workers, classes)), rng.dirichlet(np.ones(classes))
        expected = np.tile(prior, (tasks, 1))
        for t, w, said in zip(task, worker, label, strict=True):
            expected[t] *= pi[w, :, said]
        expected /= expected.sum(axis=1, keepdims=True)
        np.testing.assert_allclose(
            dawid_skene.posterior_given(task, worker, label, pi, prior, tasks), expected, atol=2e-6
        )


def test_an_impossible_answer_stays_finite():
    pi = np.array([[[1.0, 0.0], [0.0, 1.0]], [[1.0, 0.0], [0.0, 1.0]]])
    assert_distributions(dawid_skene.posterior_given([0, 0], [0, 1], [0, 1], pi, np.array([1.0, 0.0]), 1))


@pytest.mark.parametrize("one_coin", [False, True])
@pytest.mark.parametrize("classes", EVERY_K)
def test_a_drawn_truth_is_recovered(classes, one_coin):
    answers, truth = crowd(np.random.default_rng(3), classes=classes)
    fit = dawid_skene.fit(*answers, one_coin=one_coin)
    assert accuracy(fit.posterior, truth) > 0.9
    assert_distributions(fit.posterior)
    assert_distributions(fit.confusions)
    assert_distributions(fit.pooled)
    assert_distributions(fit.prior)


def test_confusions_are_recovered():
    rng = np.random.default_rng(4)
    (task, worker, label, *sizes), truth = crowd(rng, tasks=2000, workers=10, accuracy=(0.8, 0.9))
    label = np.where((worker == 0) & (truth[task] == 2), 1, label)  # she cannot tell 2 from 1
    confusions = dawid_skene.fit(task, worker, label, *sizes).confusions
    assert confusions[0, 2, 1] > 0.95
    assert 0.75 < confusions[1:, range(3), range(3)].min() < confusions[1:, range(3), range(3)].max() < 0.95


@pytest.mark.parametrize("one_coin", [False, True])
def test_order_names_and_duplicates_of_workers_and_tasks_do_not_matter(one_coin):
    rng = np.random.default_rng(5)
    (task, worker, label, tasks, workers, classes), _ = crowd(rng)
    task, worker, label = (np.append(column, column[:20]) for column in (task, worker, label))
    plain = dawid_skene.fit(task, worker, label, tasks, workers, classes, one_coin=one_coin)
    mixed, t, w, k = (rng.permutation(size) for size in (len(task), tasks, workers, classes))
    other = dawid_skene.fit(
        t[task][mixed], w[worker][mixed], k[label][mixed], tasks, workers, classes, one_coin=one_coin
    )
    np.testing.assert_allclose(other.posterior[t][:, k], plain.posterior, atol=1e-9)
    np.testing.assert_allclose(other.confusions[w][:, k][:, :, k], plain.confusions, atol=1e-9)
    np.testing.assert_allclose(other.prior[k], plain.prior, atol=1e-9)


def test_the_same_answers_in_another_order_give_the_very_same_bits():
    rng = np.random.default_rng(6)
    (task, worker, label, *sizes), _ = crowd(rng)
    mixed = rng.permutation(len(task))
    one = dawid_skene.fit(task, worker, label, *sizes)
    other = dawid_skene.fit(task[mixed], worker[mixed], label[mixed], *sizes)
    assert np.array_equal(one.posterior, other.posterior)


def test_tasks_and_workers_without_answers_change_nothing():
    (task, worker, label, tasks, workers, classes), _ = crowd(np.random.default_rng(7))
    fit = dawid_skene.fit(task, worker, label, tasks, workers, classes)
    padded = dawid_skene.fit(task, worker, label, tasks + 9, workers + 9, classes)
    np.testing.assert_allclose(padded.posterior[:tasks], fit.posterior, atol=1e-12)
    np.testing.assert_allclose(padded.posterior[tasks:], np.tile(fit.prior, (9, 1)), atol=1e-3)
    np.testing.assert_allclose(padded.confusions[workers:], np.tile(fit.pooled, (9, 1, 1)))


def test_gold_holds_and_teaches():
    answers, truth = crowd(np.random.default_rng(8), accuracy=(0.2, 0.6), classes=2, answers_a_task=7)
    gold = np.where(np.arange(len(truth)) < 150, truth, -1)
    fit = dawid_skene.fit(*answers, gold=gold)
    assert (fit.posterior[:150].argmax(axis=1) == truth[:150]).all()
    assert fit.posterior[:150].max(axis=1).min() > 1 - 2e-6
    assert accuracy(fit.posterior[150:], truth[150:]) > accuracy(majority(*answers)[150:], truth[150:]) + 0.2


def test_gold_that_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="gold"):
        dawid_skene.fit([0], [0], [0], 1, 1, 2, gold=[2])
    with pytest.raises(ValueError, match="gold"):
        dawid_skene.fit([0], [0], [0], 1, 1, 2, gold=[0, 1])


def test_a_spamming_crowd_beats_the_majority_but_not_us():
    rng = np.random.default_rng(9)
    (task, worker, label, *sizes), truth = crowd(
        rng, tasks=500, workers=10, answers_a_task=8, classes=3, accuracy=(0.8, 0.9)
    )
    spam = worker < 5
    label = np.where(spam, rng.choice(3, len(label), p=[0.9, 0.05, 0.05]), label)
    plain = accuracy(majority(task, worker, label, *sizes), truth)
    ours = accuracy(dawid_skene.fit(task, worker, label, *sizes).posterior, truth)
    assert plain < 0.85
    assert ours > 0.95


def test_colluders_who_swap_two_classes_are_read_the_other_way_round():
    rng = np.random.default_rng(10)
    (task, worker, label, *sizes), truth = crowd(
        rng, tasks=500, workers=10, answers_a_task=8, classes=3, accuracy=(0.85, 0.95)
    )
    colluding = worker < 4
    label = np.where(colluding, np.array([1, 0, 2])[label], label)
    plain = accuracy(majority(task, worker, label, *sizes), truth)
    fit = dawid_skene.fit(task, worker, label, *sizes)
    assert accuracy(fit.posterior, truth) > max(plain + 0.02, 0.97)
    assert fit.confusions[0, 0].argmax() == 1


def test_nothing_is_ever_certain():
    task, worker = np.divmod(np.arange(4000), 40)
    fit = dawid_skene.fit(task, worker, np.zeros(4000, int), 100, 40, 2)
    assert 0.999 < fit.posterior[:, 0].min() <= fit.posterior[:, 0].max() < 1.0
    assert fit.confusions.min() > 0.0


def test_a_worker_who_is_never_compared_is_not_thought_better_than_the_crowd():
    fit = dawid_skene.fit(np.arange(30), np.zeros(30, int), np.arange(30) % 2, 30, 1, 2)
    np.testing.assert_allclose(fit.confusions[0], [[0.75, 0.25], [0.25, 0.75]])
    given = dawid_skene.posterior_given([0], [0], [1], fit.confusions, fit.prior, 1)
    np.testing.assert_allclose(given, [[0.25, 0.75]], atol=1e-6)


def test_classes_that_never_occur_stay_unlikely():
    answers, _ = crowd(np.random.default_rng(11), classes=3)
    fit = dawid_skene.fit(*answers[:5], 6)
    assert fit.posterior[:, 3:].max() < 1e-3
    assert_distributions(fit.confusions)


def test_few_answers_a_worker_make_it_one_coin():
    task, worker = np.arange(20) // 2, np.arange(20)
    fit = dawid_skene.fit(task, worker, np.arange(20) % 3 % 2, 10, 20, 2)
    assert fit.method == "variational one-coin"
    assert_distributions(fit.posterior)


def test_no_answers_give_the_prior():
    assert dawid_skene.fit([], [], [], 0, 0, 2).posterior.shape == (0, 2)
    np.testing.assert_allclose(dawid_skene.fit([], [], [], 2, 0, 4).posterior, np.full((2, 4), 0.25))
    assert dawid_skene.fit([], [], [], 1, 0, 2, gold=[1]).posterior.argmax() == 1
    assert dawid_skene.posterior_given([], [], [], np.zeros((0, 2, 2)), np.array([0.5, 0.5]), 1).tolist() == [
        [0.5, 0.5]
    ]
