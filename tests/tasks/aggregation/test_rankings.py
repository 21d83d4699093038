"""Scores from rankings: what two items and brute force say, recovery of what was drawn, and bad input."""

from dataclasses import fields

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from scipy.stats import spearmanr

from tasks.aggregation import comparisons
from tasks.aggregation.comparisons import scores


def crowd(rng, *, items=20, workers=30, rankings=600, length=5, reliability=1.0):
    """Rankings drawn from Plackett-Luce by workers who guess, or turn it upside down, where they do not follow it."""
    score = rng.normal(0, 1.5, items)
    trust = np.broadcast_to(reliability, workers)
    worker = rng.integers(0, workers, rankings)
    shown = np.stack([rng.permutation(items)[:length] for _ in range(rankings)])
    led = np.where(rng.random(rankings) < np.abs(trust[worker]), np.sign(trust[worker]), 0.0)
    heights = led[:, None] * score[shown] + rng.gumbel(size=shown.shape)
    position = np.argsort(np.argsort(-heights, axis=1), axis=1)
    ranking = np.repeat(np.arange(rankings), length)
    return (ranking, shown.ravel(), position.ravel(), worker, items, workers), score - score.mean()


def assert_honest(fit, items, workers):
    """Every number is finite, in its range and as many as asked."""
    assert fit.score.shape == fit.standard_error.shape == (items,)
    assert fit.reliability.shape == fit.side_by_worker.shape == (workers,)
    assert all(np.isfinite(getattr(fit, name)).all() for name in ("score", "standard_error", "reliability"))
    assert fit.score.sum() == pytest.approx(0.0, abs=1e-6)
    assert (np.abs(fit.reliability) <= 1).all()
    assert fit.side == fit.tie == 0


def loss(score, orders):
    """Minus the logarithm of Plackett-Luce's probability and of the prior."""
    total = (score**2).sum() / 2 / scores.PRIOR_SD**2
    for order in orders:
        for place in range(len(order) - 1):
            total += np.logaddexp.reduce(score[order[place:]]) - score[order[place]]
    return total


def test_where_all_are_alike_it_is_the_mode_of_plackett_luce_under_the_prior():
    orders = [[0, 1, 2], [1, 0], [2, 3, 1, 0], [0, 2, 1, 3]]
    ranking = np.repeat(np.arange(4), [len(order) for order in orders])
    position = np.concatenate([np.arange(len(order)) for order in orders])
    fit = comparisons.rankings(ranking, np.concatenate(orders), position, np.zeros(4, int), 4, 1, weighed=False)
    np.testing.assert_allclose(fit.score, minimize(loss, np.zeros(4), (orders,)).x, atol=1e-3)


@pytest.mark.parametrize("weighed", [False, True])
def test_rankings_of_two_are_comparisons_without_sides(weighed):
    rng = np.random.default_rng(1)
    score, trust = rng.normal(0, 1, 8), np.array([1.0, 1.0, 1.0, 0.0, -1.0])
    left, worker = rng.integers(0, 8, 500), rng.integers(0, 5, 500)
    right = (left + rng.integers(1, 8, 500)) % 8
    outcome = (rng.logistic(size=500) > trust[worker] * (score[left] - score[right])).astype(int)
    by_pair = comparisons.fit(left, right, worker, outcome, 8, 5, weighed=weighed, sided=False)
    shown, position = np.stack([left, right], axis=1).ravel(), np.stack([outcome, 1 - outcome], axis=1).ravel()
    by_order = comparisons.rankings(np.repeat(np.arange(500), 2), shown, position, worker, 8, 5, weighed=weighed)
    for name in ("score", "standard_error", "reliability"):
        np.testing.assert_allclose(getattr(by_order, name), getattr(by_pair, name), atol=1e-4)


def test_drawn_scores_are_recovered_within_their_standard_errors():
    places, score = crowd(np.random.default_rng(2))
    fit = comparisons.rankings(*places, weighed=False)
    assert spearmanr(fit.score, score).statistic > 0.97
    assert 0.6 < ((fit.score - score) / fit.standard_error).std() < 1.4


def test_guessers_and_enemies_are_told_from_the_others():
    trust = np.repeat([1.0, 0.0, -1.0], [20, 7, 3])
    places, score = crowd(np.random.default_rng(3), reliability=trust, rankings=1500)
    fit, plain = comparisons.rankings(*places), comparisons.rankings(*places, weighed=False)
    assert fit.reliability[:20].min() > 0.6
    assert np.abs(fit.reliability[20:27]).max() < 0.4
    assert fit.reliability[27:].max() < -0.4
    assert spearmanr(fit.score, score).statistic > spearmanr(plain.score, score).statistic


def test_only_the_order_of_the_places_counts():
    (ranking, item, position, *rest), _ = crowd(np.random.default_rng(4))
    one = comparisons.rankings(ranking, item, position, *rest)
    other = comparisons.rankings(ranking, item, position * 7 - 100, *rest)
    assert np.array_equal(one.score, other.score)


def test_the_same_places_in_another_order_give_the_very_same_bits():
    rng = np.random.default_rng(5)
    (ranking, item, position, *rest), _ = crowd(rng)
    position = position // 2
    mixed = rng.permutation(len(item))
    one = comparisons.rankings(ranking, item, position, *rest)
    other = comparisons.rankings(ranking[mixed], item[mixed], position[mixed], *rest)
    assert all(np.array_equal(getattr(one, field.name), getattr(other, field.name)) for field in fields(one))


@pytest.mark.parametrize("seed", range(5))
def test_names_of_rankings_items_and_workers_do_not_matter(seed):
    rng = np.random.default_rng(seed)
    (ranking, item, position, worker, items, workers), _ = crowd(rng, reliability=rng.uniform(-0.5, 1, 30))
    r, i, w = rng.permutation(len(worker)), rng.permutation(items), rng.permutation(workers)
    renamed = np.empty_like(worker)
    renamed[r] = w[worker]
    one = comparisons.rankings(ranking, item, position, worker, items, workers)
    other = comparisons.rankings(r[ranking], i[item], position, renamed, items, workers)
    np.testing.assert_allclose(other.score[i], one.score, atol=1e-5)
    np.testing.assert_allclose(other.standard_error[i], one.standard_error, atol=1e-5)
    np.testing.assert_allclose(other.reliability[w], one.reliability, atol=1e-5)


def test_items_in_one_place_come_out_equal_and_below_those_before_them():
    fit = comparisons.rankings([0, 0, 0], [0, 1, 2], [1, 2, 2], [0], 3, 1)
    assert fit.score[0] > fit.score[1] == pytest.approx(fit.score[2], abs=1e-6)
    even = comparisons.rankings([0, 0, 0], [0, 1, 2], [1, 1, 1], [0], 3, 1)
    assert even.score == pytest.approx([0, 0, 0], abs=1e-9)
    assert even.standard_error.max() < comparisons.rankings([], [], [], [], 3, 1).standard_error.min()


def test_a_ranking_says_nothing_of_the_items_it_does_not_name():
    fit = comparisons.rankings([0, 0, 1], [0, 1, 2], [1, 2, 1], [0, 0], 4, 2)
    assert fit.score[2:].tolist() == pytest.approx([0, 0], abs=1e-9)
    assert fit.standard_error[3] > fit.standard_error[0]


def test_a_worker_nobody_can_be_compared_with_is_not_thought_better_than_the_crowd():
    ranking, position = np.divmod(np.arange(50), 5)
    fit = comparisons.rankings(ranking, position, position, np.zeros(10, int), 5, 1)
    assert fit.reliability.tolist() == pytest.approx([0.8])


@pytest.mark.parametrize(("items", "workers"), [(0, 0), (1, 0), (3, 2)])
def test_no_rankings_give_the_prior(items, workers):
    fit = comparisons.rankings([], [], [], [], items, workers)
    assert_honest(fit, items, workers)
    assert not fit.score.any()
    assert fit.reliability.tolist() == pytest.approx([0.8] * workers)


@pytest.mark.parametrize(
    ("ranking", "item", "position", "worker"),
    [
        ([1], [0], [0], [0]),
        ([0], [3], [0], [0]),
        ([0], [-1], [0], [0]),
        ([0], [0], [0], [2]),
        ([0, 0], [1, 1], [0, 1], [0]),
        ([0, 0], [1], [0], [0]),
        ([0], [0], [0.5], [0]),
        ([[0]], [[0]], [[0]], [0]),
    ],
)
def test_rankings_that_do_not_fit_are_refused(ranking, item, position, worker):
    with pytest.raises(ValueError, match=r"out of range|one length|integer arrays|an item twice"):
        comparisons.rankings(ranking, item, position, worker, 3, 2)


orders = st.lists(
    st.tuples(st.integers(0, 2), st.lists(st.tuples(st.integers(0, 4), st.integers(-3, 3)), unique_by=lambda x: x[0])),
    max_size=8,
)


@settings(max_examples=60)
@given(orders, st.booleans())
def test_whatever_is_said_the_numbers_are_honest_and_do_not_depend_on_the_order(said, weighed):
    worker = np.array([who for who, _ in said], np.int64)
    rows = [(r, item, place) for r, (_, order) in enumerate(said) for item, place in order]
    ranking, item, position = np.array(rows, np.int64).reshape(-1, 3).T
    fit = comparisons.rankings(ranking, item, position, worker, 5, 3, weighed=weighed)
    assert_honest(fit, 5, 3)
    other = comparisons.rankings(ranking[::-1], item[::-1], position[::-1], worker, 5, 3, weighed=weighed)
    assert np.array_equal(fit.score, other.score)
