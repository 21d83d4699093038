"""The figures of `benchmarks/reliability.py`, on drawn crowds."""

import numpy as np

from benchmarks import reliability
from tasks.aggregation.votes import majority


def crowd(seed, tasks=400, workers=60):
    """Five answers a task of two classes; three in ten workers guess, and some answer far more often than others."""
    rng = np.random.default_rng(seed)
    skill = np.where(rng.random(workers) < 0.3, 0.5, rng.uniform(0.6, 0.98, workers))
    busy = rng.pareto(1.5, workers) + 0.2
    truth, task = rng.integers(0, 2, tasks), np.repeat(np.arange(tasks), 5)
    worker = np.concatenate([rng.choice(workers, 5, replace=False, p=busy / busy.sum()) for _ in range(tasks)])
    label = np.where(rng.random(len(task)) < skill[worker], truth[task], 1 - truth[task])
    return (task, worker, label, tasks, workers, 2), dict(enumerate(truth.tolist()))


def test_with_some_gold_workers_are_ranked_better_than_by_their_agreement_with_the_majority():
    pairs = np.array([reliability.compared(*crowd(seed), seed) for seed in range(10)])
    by_majority, by_ours = pairs.mean(axis=0)
    assert by_ours > by_majority + 0.02
    assert (pairs[:, 1] > pairs[:, 0]).sum() >= 8


def test_where_all_truth_is_gold_the_estimate_is_the_real_accuracy_drawn_to_the_crowds():
    (task, worker, label, *size), truth = crowd(1)
    gold = np.array([truth[n] for n in range(size[0])])
    real = np.bincount(worker, label == gold[task]) / np.maximum(np.bincount(worker), 1)
    estimate = reliability.estimated((task, worker, label, *size), gold)
    often = np.bincount(worker, minlength=size[1]) > 60
    assert often.sum() >= 5
    np.testing.assert_allclose(estimate[often], real[often], atol=0.02)


def test_agreement_shares_the_credit_of_a_tie():
    task, worker, label = np.array([0, 0, 1, 1]), np.array([0, 1, 0, 1]), np.array([0, 1, 1, 1])
    assert majority(task, worker, label, 2, 2, 2)[0].tolist() == [0.5, 0.5]
    assert reliability.agreed((task, worker, label, 2, 2, 2)).tolist() == [0.75, 0.75]


def test_without_a_recorded_crowd_it_says_so(capsys, tmp_path):
    reliability.main([str(tmp_path)])
    assert "no recorded crowd here" in capsys.readouterr().out
