"""Scores from comparisons: exact small cases, recovery of what was drawn, what must not matter, and bad input."""

from dataclasses import fields, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize
from scipy.stats import spearmanr

from tasks.aggregation import comparisons
from tasks.aggregation.comparisons import scores

SWAPPED = np.array([1, 0, 2])


def outcomes(rng, gap, side, tie):
    """Outcomes drawn from Davidson's model."""
    left, right = np.exp((gap + side) / 2), np.exp(-(gap + side) / 2)
    total, u = left + right + tie, rng.random(len(gap))
    return np.where(u < left / total, 0, np.where(u < (left + right) / total, 1, 2))


def crowd(rng, *, items=40, workers=30, answers=6000, reliability=(0.8, 0.8), side=0.0, tie=0.0, score=None):
    """Comparisons of drawn items by workers who follow the scores, or oppose them, as often as their reliability."""
    score = rng.normal(0, 1.5, items) if score is None else score
    score = score - score.mean()
    trust = np.broadcast_to(rng.uniform(*reliability, workers) if len(reliability) == 2 else reliability, workers)
    left = rng.integers(0, items, answers)
    right = (left + rng.integers(1, items, answers)) % items
    worker = rng.integers(0, workers, answers)
    led = np.where(rng.random(answers) < np.abs(trust[worker]), np.sign(trust[worker]), 0.0)
    outcome = outcomes(rng, led * (score[left] - score[right]), side, tie)
    return (left, right, worker, outcome, items, workers), score, trust


def assert_honest(fit, items, workers):
    """Every number is finite, in its range and as many as asked."""
    for name, size in (
        ("score", items),
        ("standard_error", items),
        ("reliability", workers),
        ("side_by_worker", workers),
    ):
        values = getattr(fit, name)
        assert values.shape == (size,)
        assert np.isfinite(values).all()
    assert np.isfinite([fit.side, fit.tie]).all()
    assert fit.score.sum() == pytest.approx(0.0, abs=1e-6)
    assert (np.abs(fit.reliability) <= 1).all()
    assert (fit.standard_error >= 0).all()
    assert (fit.standard_error <= scores.PRIOR_SD + 1e-9).all()


def test_without_workers_and_sides_it_is_the_mode_of_bradley_terry_under_the_prior():
    (left, right, worker, outcome, *sizes), _, _ = crowd(np.random.default_rng(1), items=6, answers=60)

    def loss(score):
        sign = np.where(outcome == 0, 1, -1)
        return np.logaddexp(0, -sign * (score[left] - score[right])).sum() + (score**2).sum() / 2 / scores.PRIOR_SD**2

    fit = comparisons.fit(left, right, worker, outcome, *sizes, weighed=False, sided=False)
    np.testing.assert_allclose(fit.score, minimize(loss, np.zeros(6)).x, atol=1e-3)


def test_a_standard_error_is_what_the_inverse_of_the_information_says():
    fit = comparisons.fit([0] * 8, [1] * 8, [0] * 8, [0, 1] * 4, 2, 1, weighed=False, sided=False)
    precision = scores.PRIOR_SD**-2
    # of the gap: 8 answers of a quarter each, and a prior of twice the variance; a score is half the gap
    expected = 0.5 / np.sqrt(8 * 0.25 + precision / 2)
    np.testing.assert_allclose(fit.standard_error, expected)
    assert fit.score.tolist() == [0, 0]


def test_many_items_have_nearly_the_standard_errors_of_the_whole_inverse(monkeypatch):
    answers, _, _ = crowd(np.random.default_rng(2), items=300, answers=3000)
    exact = comparisons.fit(*answers).standard_error
    monkeypatch.setattr(scores, "DENSE", 0)
    np.testing.assert_allclose(comparisons.fit(*answers).standard_error, exact, rtol=0.03)


def test_drawn_scores_are_recovered_within_their_standard_errors():
    answers, score, _ = crowd(np.random.default_rng(3), answers=20_000, reliability=(1.0, 1.0))
    fit = comparisons.fit(*answers, weighed=False, sided=False)
    assert spearmanr(fit.score, score).statistic > 0.99
    assert 0.7 < ((fit.score - score) / fit.standard_error).std() < 1.3


def test_scores_of_a_crowd_that_sometimes_guesses_are_recovered():
    answers, score, _ = crowd(np.random.default_rng(3), answers=20_000)
    fit = comparisons.fit(*answers)
    assert spearmanr(fit.score, score).statistic > 0.99
    assert np.polyfit(score, fit.score, 1)[0] == pytest.approx(1.0, abs=0.15)
    assert fit.reliability.mean() == pytest.approx(0.8, abs=0.1)


def test_drawn_ties_and_sides_are_recovered():
    answers, score, _ = crowd(np.random.default_rng(4), answers=20_000, side=0.6, tie=0.7)
    fit = comparisons.fit(*answers)
    assert fit.side == pytest.approx(0.6, abs=0.1)
    assert fit.tie == pytest.approx(0.7, abs=0.07)
    assert spearmanr(fit.score, score).statistic > 0.98


def test_a_side_that_is_not_looked_for_is_not_found():
    answers, _, _ = crowd(np.random.default_rng(5), side=0.6)
    fit = comparisons.fit(*answers, sided=False)
    assert fit.side == 0
    assert not fit.side_by_worker.any()


def test_who_always_says_left_leans_more_than_the_others():
    (left, right, worker, outcome, *sizes), _, _ = crowd(np.random.default_rng(6))
    fit = comparisons.fit(left, right, worker, np.where(worker == 3, 0, outcome), *sizes)
    assert fit.side_by_worker.argmax() == 3
    assert abs(fit.reliability[3]) < 0.2


def test_guessers_and_enemies_are_told_from_the_others():
    trust = np.repeat([0.9, 0.0, -0.8], [20, 7, 3])
    answers, score, _ = crowd(np.random.default_rng(7), reliability=trust)
    fit = comparisons.fit(*answers)
    assert fit.reliability[:20].min() > 0.6
    assert np.abs(fit.reliability[20:27]).max() < 0.4
    assert fit.reliability[27:].max() < -0.4
    plain = comparisons.fit(*answers, weighed=False)
    assert (plain.reliability == 1).all()
    assert spearmanr(fit.score, score).statistic > spearmanr(plain.score, score).statistic


def test_what_an_enemy_chooses_is_counted_against_it():
    rng = np.random.default_rng(8)
    (left, right, worker, outcome, items, workers), _, _ = crowd(rng)
    base = comparisons.fit(left, right, worker, outcome, items, workers)
    enemy = rng.integers(0, items, (2, 200))
    against = np.where(base.score[enemy[0]] > base.score[enemy[1]], 1, 0)
    one, other = np.argsort(base.score)[[18, 20]]

    def gap(extra):
        fit = comparisons.fit(
            np.concatenate([left, enemy[0], np.full(extra, one)]),
            np.concatenate([right, enemy[1], np.full(extra, other)]),
            np.append(worker, np.full(200 + extra, workers)),
            np.concatenate([outcome, against, np.zeros(extra, int)]),
            items,
            workers + 1,
        )
        assert fit.reliability[-1] < -0.5
        return fit.score[one] - fit.score[other]

    assert gap(20) < gap(0) - 0.05


def test_gold_turns_a_crowd_of_enemies_round():
    trust = np.repeat([0.9, -0.8], [10, 20])
    (left, right, worker, outcome, *sizes), score, _ = crowd(np.random.default_rng(10), reliability=trust)
    known = np.random.default_rng(11).random(len(left)) < 0.1
    gold = np.where(known, np.where(score[left] > score[right], 0, 1), -1)
    assert spearmanr(comparisons.fit(left, right, worker, outcome, *sizes).score, score).statistic < -0.8
    fit = comparisons.fit(left, right, worker, outcome, *sizes, gold=gold)
    assert spearmanr(fit.score, score).statistic > 0.98
    assert fit.reliability[:10].min() > 0.5 > -0.4 > fit.reliability[10:].max()


def test_gold_shows_what_a_worker_is_worth_also_where_the_scores_do_not_know_yet():
    trust = np.repeat([0.9, -0.8], [10, 20])
    (left, right, worker, outcome, *sizes), score, _ = crowd(np.random.default_rng(10), reliability=trust, items=300)
    known = np.random.default_rng(11).random(len(left)) < 0.03
    gold = np.where(known, np.where(score[left] > score[right], 0, 1), -1)
    assert spearmanr(comparisons.fit(left, right, worker, outcome, *sizes, gold=gold).score, score).statistic > 0.85


def test_gold_counts_once_however_often_and_on_whichever_side_it_was_asked():
    once = comparisons.fit([0], [1], [0], [1], 3, 2, gold=[0], weighed=False, sided=False)
    often = comparisons.fit(
        [0, 0, 1], [1, 1, 0], [0, 1, 1], [1, 0, 0], 3, 2, gold=[0, 0, 1], weighed=False, sided=False
    )
    np.testing.assert_allclose(once.score, often.score, atol=1e-9)
    assert once.score[0] > 0.4 > -0.4 > once.score[1]


def test_gold_may_be_a_tie_where_nobody_said_so():
    fit = comparisons.fit([0, 0], [1, 1], [0, 1], [0, 0], 2, 2, gold=[2, 2])
    assert_honest(fit, 2, 2)
    assert fit.tie > 0
    assert fit.score == pytest.approx([0, 0], abs=1e-6)


def test_the_same_answers_in_another_order_give_the_very_same_bits():
    rng = np.random.default_rng(12)
    (left, right, worker, outcome, *sizes), score, _ = crowd(rng, tie=0.4, side=0.2)
    gold = np.where(rng.random(len(left)) < 0.1, np.where(score[left] > score[right], 0, 1), -1)
    mixed = rng.permutation(len(left))
    one = comparisons.fit(left, right, worker, outcome, *sizes, gold=gold)
    other = comparisons.fit(left[mixed], right[mixed], worker[mixed], outcome[mixed], *sizes, gold=gold[mixed])
    assert all(np.array_equal(getattr(one, field.name), getattr(other, field.name)) for field in fields(one))


@pytest.mark.parametrize("seed", range(5))
def test_names_of_items_and_workers_do_not_matter(seed):
    rng = np.random.default_rng(seed)
    (left, right, worker, outcome, items, workers), _, _ = crowd(rng, tie=0.3, side=0.3, reliability=(-0.5, 1.0))
    i, w = rng.permutation(items), rng.permutation(workers)
    one = comparisons.fit(left, right, worker, outcome, items, workers)
    other = comparisons.fit(i[left], i[right], w[worker], outcome, items, workers)
    np.testing.assert_allclose(other.score[i], one.score, atol=1e-6)
    np.testing.assert_allclose(other.standard_error[i], one.standard_error, atol=1e-6)
    np.testing.assert_allclose(other.reliability[w], one.reliability, atol=1e-6)
    np.testing.assert_allclose(other.side_by_worker[w], one.side_by_worker, atol=1e-6)


def test_showing_everything_the_other_way_round_only_turns_the_side_round():
    (left, right, worker, outcome, *sizes), _, _ = crowd(np.random.default_rng(13), tie=0.3, side=0.4)
    one = comparisons.fit(left, right, worker, outcome, *sizes)
    other = comparisons.fit(right, left, worker, SWAPPED[outcome], *sizes)
    np.testing.assert_allclose(other.score, one.score, atol=1e-6)
    np.testing.assert_allclose(other.reliability, one.reliability, atol=1e-6)
    np.testing.assert_allclose(other.side_by_worker, -one.side_by_worker, atol=1e-6)
    assert other.side == pytest.approx(-one.side, abs=1e-6)
    assert one.side > 0.2


def test_where_no_side_is_preferred_it_does_not_matter_which_was_shown_where():
    rng = np.random.default_rng(14)
    (left, right, worker, outcome, *sizes), _, _ = crowd(rng, tie=0.3)
    turn = rng.random(len(left)) < 0.5
    one = comparisons.fit(left, right, worker, outcome, *sizes, sided=False)
    other = comparisons.fit(
        np.where(turn, right, left),
        np.where(turn, left, right),
        worker,
        np.where(turn, SWAPPED[outcome], outcome),
        *sizes,
        sided=False,
    )
    np.testing.assert_allclose(other.score, one.score, atol=1e-6)
    np.testing.assert_allclose(other.reliability, one.reliability, atol=1e-6)


def test_items_and_workers_without_answers_know_nothing_and_change_little():
    (left, right, worker, outcome, items, workers), _, _ = crowd(np.random.default_rng(15))
    fit = comparisons.fit(left, right, worker, outcome, items, workers)
    padded = comparisons.fit(left, right, worker, outcome, items + 5, workers + 5)
    np.testing.assert_allclose(padded.score[:items], fit.score, atol=1e-6)
    assert padded.score[items:].tolist() == pytest.approx([0] * 5, abs=1e-9)
    np.testing.assert_allclose(padded.standard_error[items:], scores.PRIOR_SD, rtol=0.02)
    assert np.ptp(padded.reliability[workers:]) == 0
    np.testing.assert_allclose(padded.side_by_worker[workers:], padded.side, atol=1e-9)


def test_one_answer_is_hardly_news():
    fit = comparisons.fit([0], [1], [0], [0], 2, 1)
    assert 0 < fit.score[0] < 1
    assert fit.reliability.tolist() == pytest.approx([0.8])
    assert comparisons.better(fit, [0], [1])[0] < 0.8


def test_a_worker_nobody_can_be_compared_with_is_not_thought_better_than_the_crowd():
    left, right = np.divmod(np.arange(100), 10)
    fit = comparisons.fit(left, right, np.zeros(100, int), (left < right).astype(int), 10, 1)
    assert fit.reliability.tolist() == pytest.approx([0.8])


def test_an_item_that_always_wins_stays_finite():
    left, right = np.zeros(2000, int), np.arange(2000) % 4 + 1
    fit = comparisons.fit(left, right, np.arange(2000) % 10, np.zeros(2000, int), 5, 10, sided=False)
    assert_honest(fit, 5, 10)
    assert fit.score.argmax() == 0
    assert 3 < fit.score[0] - fit.score[1] < 20
    np.testing.assert_allclose(fit.score[1:], fit.score[1], atol=1e-3)


def test_parts_that_were_never_compared_meet_at_zero():
    left, right = np.repeat([0, 2], 50), np.repeat([1, 3], 50)
    fit = comparisons.fit(left, right, np.arange(100) % 5, np.zeros(100, int), 4, 5, sided=False)
    assert_honest(fit, 4, 5)
    np.testing.assert_allclose(fit.score[0] + fit.score[1], 0, atol=1e-6)
    np.testing.assert_allclose(fit.score[0], fit.score[2], atol=1e-6)
    assert comparisons.better(fit, [0], [2])[0] == pytest.approx(0.5, abs=1e-6)


@pytest.mark.parametrize("outcome", [0, 1, 2])
def test_a_crowd_that_always_says_the_same_is_survived(outcome):
    (left, right, worker, _, items, workers), _, _ = crowd(np.random.default_rng(16))
    fit = comparisons.fit(left, right, worker, np.full(len(left), outcome), items, workers)
    assert_honest(fit, items, workers)
    assert np.abs(fit.score).max() < 1.0
    assert fit.side == pytest.approx({0: 1, 1: -1, 2: 0}[outcome] * abs(fit.side))


def test_a_crowd_of_guessers_is_not_believed():
    (left, right, worker, outcome, items, workers), _, _ = crowd(np.random.default_rng(17), reliability=(0.0, 0.0))
    fit = comparisons.fit(left, right, worker, outcome, items, workers)
    assert_honest(fit, items, workers)
    assert fit.reliability.mean() < 0.5


def test_an_item_against_itself_says_nothing_of_it():
    fit = comparisons.fit([0, 1, 1], [0, 1, 1], [0, 0, 1], [0, 1, 2], 2, 2)
    assert fit.score.tolist() == [0, 0]
    assert_honest(fit, 2, 2)


@pytest.mark.parametrize(("items", "workers"), [(0, 0), (1, 0), (3, 0), (0, 2), (3, 2)])
@pytest.mark.parametrize("gold", [None, np.zeros(0, int)])
def test_no_answers_give_the_prior(items, workers, gold):
    fit = comparisons.fit([], [], [], [], items, workers, gold=gold)
    assert_honest(fit, items, workers)
    assert not fit.score.any()
    assert fit.reliability.tolist() == pytest.approx([0.8] * workers)


@pytest.mark.parametrize(
    ("left", "right", "worker", "outcome", "gold"),
    [
        ([3], [0], [0], [0], None),
        ([0], [-1], [0], [0], None),
        ([0], [1], [2], [0], None),
        ([0], [1], [0], [3], None),
        ([0], [1], [0], [0], [3]),
        ([0], [1], [0], [0], [-2]),
        ([0], [1], [0], [0], [0, 1]),
        ([0, 1], [1], [0], [0], None),
        ([0.5], [1], [0], [0], None),
        ([[0]], [[1]], [[0]], [[0]], None),
    ],
)
def test_answers_that_do_not_fit_are_refused(left, right, worker, outcome, gold):
    with pytest.raises(ValueError, match=r"out of range|one length"):
        comparisons.fit(left, right, worker, outcome, 3, 2, gold=gold)


answers = st.lists(
    st.tuples(st.integers(0, 4), st.integers(0, 4), st.integers(0, 3), st.integers(0, 2), st.integers(-1, 2)),
    max_size=25,
)


@settings(max_examples=60)
@given(answers, st.booleans(), st.booleans(), st.booleans())
def test_whatever_is_said_the_numbers_are_honest_and_do_not_depend_on_the_order(said, weighed, sided, knows):
    left, right, worker, outcome, gold = np.array(said, np.int64).reshape(-1, 5).T
    options = {"weighed": weighed, "sided": sided}
    fit = comparisons.fit(left, right, worker, outcome, 5, 4, gold=gold if knows else None, **options)
    assert_honest(fit, 5, 4)
    back = [column[::-1] for column in (left, right, worker, outcome)]
    other = comparisons.fit(*back, 5, 4, gold=gold[::-1] if knows else None, **options)
    assert np.array_equal(fit.score, other.score)


def test_better_is_even_where_nothing_is_known_and_surer_with_more_answers():
    nothing = comparisons.fit([], [], [], [], 3, 1)
    assert comparisons.better(nothing, [0, 1, 2], [1, 2, 2]).tolist() == [0.5, 0.5, 0.5]
    sure = [
        comparisons.better(comparisons.fit([0] * n, [1] * n, np.arange(n), [0] * n, 2, n), [0, 1], [1, 0])
        for n in (1, 4, 16)
    ]
    assert 0.5 < sure[0][0] < sure[1][0] < sure[2][0] < 1
    np.testing.assert_allclose(np.sum(sure, axis=1), 1)


def test_better_is_right_as_often_as_it_says():
    said, right = [], []
    for seed in range(30):
        answers, score, _ = crowd(np.random.default_rng(seed), items=15, answers=150, reliability=(1.0, 1.0))
        fit = comparisons.fit(*answers, weighed=False, sided=False)
        one, other = np.triu_indices(15, 1)
        said.append(comparisons.better(fit, one, other))
        right.append(score[one] > score[other])
    said, right = np.concatenate(said), np.concatenate(right)
    sure = np.maximum(said, 1 - said)
    held = np.where(said > 0.5, right, ~right)
    for low, high in ((0.5, 0.7), (0.7, 0.9), (0.9, 1.0)):
        within = (low <= sure) & (sure < high)
        assert held[within].mean() == pytest.approx(sure[within].mean(), abs=0.06)


def test_preferred_is_davidsons_share():
    answers, _, _ = crowd(np.random.default_rng(18), tie=0.5)
    fit = replace(comparisons.fit(*answers), score=np.log(np.array([4.0, 1.0])), tie=1.0)
    np.testing.assert_allclose(comparisons.preferred(fit, [0, 1], [1, 1]), [[4 / 7, 1 / 7, 2 / 7], [1 / 3] * 3])


def test_a_single_item_is_neither_better_nor_worse_than_itself():
    fit = comparisons.fit([0], [0], [0], [0], 1, 1)
    assert comparisons.better(fit, [0], [0]).tolist() == [0.5]
