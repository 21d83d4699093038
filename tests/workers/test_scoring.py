from datetime import timedelta
from itertools import product

import numpy as np
import pytest
from scipy.stats import beta

from workers import scoring


def test_a_score_is_the_beta_posterior():
    score = scoring.posterior_accuracy(8, 10, 0.6)
    expected = beta(8 + 1.2, 2 + 0.8)
    assert score.mean == pytest.approx(expected.mean())
    assert (score.p05, score.p95) == (pytest.approx(expected.ppf(0.05)), pytest.approx(expected.ppf(0.95)))
    assert score.n == 10


def test_without_evidence_a_worker_is_like_the_crowd():
    score = scoring.posterior_accuracy(0, 0, 0.8)
    assert score.mean == pytest.approx(0.8)
    assert score.p05 < 0.5 < 0.8 < score.p95


def test_many_workers_are_scored_at_once_on_fractional_evidence():
    score = scoring.posterior_accuracy([0.0, 4.5, 99.9], [0.0, 9.0, 100.0], 0.7)
    assert score.mean.shape == score.p05.shape == score.p95.shape == score.n.shape == (3,)
    assert (score.p05 < score.mean).all()
    assert (score.mean < score.p95).all()
    for index, (correct, total) in enumerate([(0.0, 0.0), (4.5, 9.0), (99.9, 100.0)]):
        assert score.mean[index] == scoring.posterior_accuracy(correct, total, 0.7).mean


def test_more_evidence_narrows_the_interval():
    score = scoring.posterior_accuracy(np.array([8, 80, 800]), np.array([10, 100, 1000]), 0.8)
    np.testing.assert_allclose(score.mean, 0.8)
    assert (np.diff(score.p95 - score.p05) < 0).all()


def test_the_interval_covers_the_truth_nine_times_in_ten():
    rng = np.random.default_rng(1)
    accuracy = rng.beta(0.8 * 20, 0.2 * 20, 20_000)
    score = scoring.posterior_accuracy(rng.binomial(30, accuracy), np.full(20_000, 30), 0.8, strength=20)
    assert ((score.p05 < accuracy) & (accuracy < score.p95)).mean() == pytest.approx(0.9, abs=0.01)


def test_the_prior_is_the_crowd_drawn_weakly_to_three_quarters():
    assert scoring.prior([], []) == 0.75
    assert scoring.prior([10], [10]) == pytest.approx(17.5 / 20)
    assert scoring.prior(np.full(1000, 9.0), np.full(1000, 10.0)) == pytest.approx(0.9, abs=0.001)
    assert 0 < scoring.prior(np.zeros(9), np.full(9, 1e6)) < scoring.prior(np.full(9, 1e6), np.full(9, 1e6)) < 1


@pytest.mark.parametrize(
    ("correct", "total", "prior_mean", "strength"),
    [(2, 1, 0.5, 5), (-1, 1, 0.5, 5), (np.nan, 1, 0.5, 5), (0, np.inf, 0.5, 5), (1, 1, 1.0, 5), (1, 1, 0.5, 0)],
)
def test_nonsense_is_refused(correct, total, prior_mean, strength):
    with pytest.raises(ValueError, match="between"):
        scoring.posterior_accuracy(correct, total, prior_mean, strength)


def test_p_below_is_the_mass_of_the_posterior_below_the_threshold():
    below = scoring.p_below([8, 0, 3.5], [10, 0, 4.0], 0.6, [0.75, 0.6, 0.8], strength=2)
    expected = [beta(9.5, 2.5).cdf(0.6), beta(1.2, 0.8).cdf(0.6), beta(5.1, 0.9).cdf(0.6)]
    np.testing.assert_allclose(below, expected)
    assert scoring.p_below(3, 5, [0.0, 1.0], 0.7).tolist() == [0.0, 1.0]
    with pytest.raises(ValueError, match="between"):
        scoring.p_below(2, 1, 0.6, 0.7)


def test_the_chance_of_being_stopped_agrees_with_every_walk_there_is():
    looks, accuracy = 8, 0.4
    walks = np.array(list(product([0, 1], repeat=looks)))
    chance = np.prod(np.where(walks, accuracy, 1 - accuracy), axis=1)
    below = scoring.p_below(np.cumsum(walks, axis=1), np.arange(1, looks + 1), 0.6, 0.75)
    expected = [chance[(below[:, :look] > 0.9).any(axis=1)].sum() for look in range(1, looks + 1)]
    np.testing.assert_allclose(scoring.p_stopped(accuracy, looks, 0.6, 0.9, 0.75), expected)
    assert 0 < expected[3] < expected[-1] < 1


def test_a_promise_about_many_looks_takes_a_greater_sure_the_more_looks_there_are():
    few, many = (scoring.sure_enough(0.02, 0.8, looks, 0.7, 0.75) for looks in (5, 60))
    assert few < many < 1
    assert scoring.p_stopped(0.8, 60, 0.7, many, 0.75)[-1] <= 0.02
    assert scoring.p_stopped(0.8, 60, 0.7, many - 0.01, 0.75)[-1] > 0.02


def test_rounding_of_fractional_evidence_is_forgiven():
    tenths = sum([0.1] * 3)
    assert scoring.posterior_accuracy(tenths, 0.3, 0.5).p95 <= 1.0


def test_evidence_weighs_half_for_every_half_life():
    later = scoring.EPOCH + timedelta(days=90)
    assert scoring.weight(scoring.EPOCH, 90) == 1
    assert scoring.weight(later, 90) == 2
    assert scoring.weight(later, 30) == 8


def test_confusions_are_drawn_towards_the_crowd_and_towards_what_was_seen():
    pooled = np.array([[90.0, 10.0], [40.0, 60.0]])
    nobody = scoring.confusion(np.zeros((2, 2)), pooled)
    np.testing.assert_allclose(nobody[0], [(90 + 7.5) / 110, (10 + 2.5) / 110])
    np.testing.assert_allclose(nobody.sum(axis=1), 1)
    seen = scoring.confusion([[0.0, 1e6], [0.0, 0.0]], pooled)
    assert seen[0, 1] > 0.999
    np.testing.assert_allclose(seen[1], nobody[1])
    assert scoring.confusion(np.zeros((3, 4, 4)), np.zeros((4, 4))).shape == (3, 4, 4)


def test_confusions_do_not_depend_on_the_order_of_classes():
    rng = np.random.default_rng(2)
    counts, pooled, order = rng.integers(0, 9, (3, 3)), rng.integers(0, 99, (3, 3)), np.array([2, 0, 1])
    turned = scoring.confusion(counts[np.ix_(order, order)], pooled[np.ix_(order, order)])
    np.testing.assert_allclose(turned, scoring.confusion(counts, pooled)[np.ix_(order, order)])


def test_the_rate_of_gold_follows_the_width_between_its_bounds():
    assert scoring.gold_rate(0.7, 0.95, 0.1) == pytest.approx(0.1)
    assert scoring.gold_rate(0.7, 0.8, 0.1) == pytest.approx(0.04)
    assert scoring.gold_rate(0.8, 0.8, 0.1) == pytest.approx(0.025)
    assert scoring.gold_rate(0.8, 0.8, 0.1, floor=0.5) == pytest.approx(0.05)
    assert scoring.gold_rate(0.0, 1.0, 0.1) == pytest.approx(0.2)
    assert scoring.gold_rate(0.0, 1.0, 0.0) == 0


def test_one_good_worker_who_disagrees_raises_the_doubt_as_bayes_says():
    assert scoring.wrong_gold([], [], 2, 0.02) == pytest.approx(0.02)
    odds = 0.02 / 0.98 * 0.9 / 0.1  # two classes, an easy item: right with .9, else the other
    assert scoring.wrong_gold([2], [0.9], 2, 0.02, easiness=[1.0]) == pytest.approx(odds / (1 + odds))
    odds = 0.02 / 0.98 * (0.9 / 0.05) ** 2 * (0.05 / 0.9)  # of three classes: two, one, and one neither
    given = scoring.wrong_gold([2, 2, 1, 0], [0.9] * 4, 3, 0.02, easiness=[1.0])
    assert given == pytest.approx(odds / (1 + odds))


def test_an_item_that_is_only_hard_says_nothing():
    assert scoring.wrong_gold([2, 1, 2, 2], [0.9] * 4, 2, 0.02, easiness=[0.0]) == pytest.approx(0.02)


def test_those_who_guess_raise_no_doubt_and_those_who_are_good_do():
    assert scoring.wrong_gold([2] * 20, [0.5] * 20, 2, 0.02) == pytest.approx(0.02)
    assert scoring.wrong_gold([2] * 20, [0.2] * 20, 2, 0.02) == pytest.approx(0.02)
    assert scoring.wrong_gold([2] * 6, [0.95] * 6, 2, 0.02) > 0.9
    assert scoring.wrong_gold([1] * 6, [0.95] * 6, 2, 0.02) < 0.001


@pytest.mark.parametrize("classes", [2, 4])
def test_wrong_gold_is_found_in_a_crowd_and_hard_gold_is_left_alone(classes):
    rng = np.random.default_rng(3)
    found = {}
    for kind, easiness, truth in (("wrong", 1.0, 1), ("right", 1.0, 0), ("hard", 0.2, 0)):
        doubts = []
        for _ in range(400):
            accuracy = rng.beta(17, 3, 12)
            hit = 1 / classes + easiness * (accuracy - 1 / classes)
            said = np.where(rng.random(12) < hit, truth, (truth + rng.integers(1, classes, 12)) % classes)
            others = np.bincount(said[said != 0], minlength=classes)
            given = np.where(said == 0, 1, np.where(said == others.argmax(), 2, 0))
            doubts.append(scoring.wrong_gold(given, accuracy, classes, 0.02) > 0.5)
        found[kind] = np.mean(doubts)
    assert found["wrong"] > 0.9, found
    assert found["right"] == 0, found
    assert found["hard"] < 0.05, found
