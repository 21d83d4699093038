"""What is promised of rules and signals, on simulated crowds: who is found, and who is left in peace."""

import numpy as np
import pytest
from scipy.stats import binom, binomtest, chi2

from tests.workers import crowds
from workers import scoring, signals
from workers.signals import haste, pairs, patterns

CROWD = 0.75  # the accuracy to expect of somebody new


def walked(rng, accuracy, looks, people):
    """Right answers so far of so many people, after each gold item."""
    return np.cumsum(rng.random((people, looks)) < accuracy, axis=1)


def stopped_by(right, threshold, sure, prior_mean=CROWD):
    """Whether each of these people would have been stopped, looked at after every item."""
    looks = np.arange(1, right.shape[1] + 1)
    return (scoring.p_below(right, looks, threshold, prior_mean) > sure).any(axis=1)


# Stopping by P(accuracy < .7) > .95


def test_a_worker_of_55_percent_is_found_within_70_gold_items_nine_times_in_ten():
    assert scoring.p_stopped(0.55, 70, 0.7, 0.95, CROWD)[-1] >= 0.9
    found = stopped_by(walked(np.random.default_rng(1), 0.55, 70, 4000), 0.7, 0.95).sum()
    assert found >= binom.ppf(0.001, 4000, 0.9)


def test_a_worker_of_90_percent_is_wrongly_stopped_in_a_hundred_looks_less_than_once_in_200():
    assert scoring.p_stopped(0.9, 100, 0.7, 0.95, CROWD)[-1] < 0.005
    wronged = stopped_by(walked(np.random.default_rng(2), 0.9, 100, 4000), 0.7, 0.95).sum()
    assert wronged <= binom.ppf(0.999, 4000, 0.005)


@pytest.mark.parametrize("crowd", [0.55, 0.65, 0.75, 0.85, 0.95])
def test_whatever_the_crowd_a_worker_of_90_percent_is_hardly_ever_stopped_for_being_under_60(crowd):
    assert scoring.p_stopped(0.9, 300, 0.6, 0.95, crowd)[-1] < 0.002


def test_who_guesses_among_three_is_found_within_20_gold_items_19_times_in_20():
    assert scoring.p_stopped(1 / 3, 20, 0.7, 0.95, CROWD)[-1] >= 0.95


def test_the_exact_chance_is_that_of_a_simulation():
    for seed, (accuracy, threshold, sure) in enumerate([(0.55, 0.7, 0.95), (0.75, 0.7, 0.9), (0.8, 0.75, 0.95)]):
        share = stopped_by(walked(np.random.default_rng(seed), accuracy, 60, 5000), threshold, sure)
        chance = scoring.p_stopped(accuracy, 60, threshold, sure, CROWD)[-1]
        assert binomtest(int(share.sum()), 5000, chance).pvalue > 0.001


def test_a_hundred_looks_break_the_promise_of_one_and_a_greater_sure_keeps_it():
    once = scoring.p_below(np.arange(101), 100, 0.75, CROWD) > 0.95
    assert binom.pmf(np.arange(101), 100, 0.8)[once].sum() < 0.05
    assert scoring.p_stopped(0.8, 100, 0.75, 0.95, CROWD)[-1] > 0.05
    sure = scoring.sure_enough(0.05, 0.8, 100, 0.75, CROWD)
    assert 0.95 < sure < 0.99
    assert scoring.p_stopped(0.8, 100, 0.75, sure, CROWD)[-1] <= 0.05
    wronged = stopped_by(walked(np.random.default_rng(3), 0.8, 100, 4000), 0.75, sure).sum()
    assert wronged <= binom.ppf(0.999, 4000, 0.05)


# Workers who agree on mistakes


def told(rng, **crowd):
    """Pairs shown among colluding workers, and pairs shown among all others."""
    compared = pairs.pairs(crowds.weighed(*crowds.crowd(rng, **crowd), crowd.get("classes", crowds.CLASSES)))
    shown = signals.notable(compared.p)
    together = (compared.first < crowd.get("colluding", 0)) & (compared.second < crowd.get("colluding", 0))
    return int((shown & together).sum()), int((shown & ~together).sum())


def test_three_of_sixty_who_share_their_answers_are_found_and_nobody_else_is():
    outcomes = np.array([told(np.random.default_rng(seed), colluding=3) for seed in range(6)])
    assert (outcomes[:, 0] == 3).all()  # each two of the three
    assert outcomes[:, 1].sum() <= 1


@pytest.mark.parametrize(
    "crowd",
    [{"answers_a_task": 8}, {}, {"classes": 10}, {"ambiguous": 0.2}, {"ambiguous": 0.2, "minority": 0.25}],
)
def test_of_honest_crowds_hardly_any_shows_a_pair_also_where_a_minority_sees_tasks_otherwise(crowd):
    shown = [told(np.random.default_rng(seed), **crowd)[1] for seed in range(8)]
    assert np.count_nonzero(shown) <= binom.ppf(0.999, 8, signals.RATE)


def test_control_asking_only_for_accuracies_accuses_the_minority():
    task, worker, label = crowds.crowd(np.random.default_rng(1), ambiguous=0.2, minority=0.25)
    weighed = crowds.weighed(task, worker, label)
    is_wrong = label != weighed.scores.argmax(axis=1)[task]
    wrong = np.full((crowds.WORKERS, crowds.TASKS), -1)
    wrong[worker[is_wrong], task[is_wrong]] = label[is_wrong]
    did = np.zeros((crowds.WORKERS, crowds.TASKS), bool)
    did[worker, task] = True
    rate = (wrong >= 0).sum(axis=1) / did.sum(axis=1)
    first, second = np.triu_indices(crowds.WORKERS, 1)
    common = (did[first] & did[second]).sum(axis=1)
    same = ((wrong[first] == wrong[second]) & (wrong[first] >= 0)).sum(axis=1)
    p = binom.sf(same - 1, common, rate[first] * rate[second] / (crowds.CLASSES - 1))
    assert signals.notable(p).sum() > 20


def test_the_three_are_found_among_a_minority_that_is_not():
    mixed = {"colluding": 3, "ambiguous": 0.2, "minority": 0.25}
    outcomes = np.array([told(np.random.default_rng(seed), **mixed) for seed in range(6)])
    assert outcomes[:, 0].sum() >= 14
    assert outcomes[:, 1].sum() <= 1


# Those who hurry, and those who do not look


def test_who_is_eight_times_as_fast_is_found_and_people_who_are_quick_by_nature_are_not():
    found, wronged = 0, 0
    for seed in range(20):
        rng = np.random.default_rng(seed)
        worker = np.repeat(np.arange(60), rng.integers(6, 60, 60))
        nature = np.concatenate([np.full(3, np.log(2.5)), rng.normal(3.0, 0.4, 57)])
        pace = haste.pace(worker, worker * 0, np.exp(nature[worker] + rng.normal(0, 0.5, len(worker))))
        shown = pace.worker[signals.notable(pace.p)]
        found, wronged = found + int((shown < 3).sum()), wronged + int((shown >= 3).sum())
    assert found >= 54
    assert wronged <= 2


SPAM = {
    "in turn": lambda rng, n: np.arange(n) % 3,
    "in turn, with slips": lambda rng, n: np.where(rng.random(n) < 0.2, rng.integers(0, 3, n), np.arange(n) % 3),
    "two by two": lambda rng, n: (np.arange(n) // 2) % 2,
    "five by five": lambda rng, n: np.repeat(rng.integers(0, 3, n // 5), 5),
    "always the same": lambda rng, n: np.zeros(n, np.int64),
}


def looked_at(rng, label, truth):
    """The p-values of a pattern and of monotony, where the others are right 95 % of the time."""
    others = np.where(rng.random(len(truth)) < 0.95, truth, rng.integers(0, 3, len(truth)))
    likely = np.full((len(truth), 3), 0.075)
    likely[np.arange(len(truth)), others] = 0.85
    return patterns.pattern(label, others, rng).p, patterns.monotony(label, likely).p


@pytest.mark.parametrize("kind", SPAM)
def test_spam_shows_within_60_answers(kind):
    found = 0
    for seed in range(20):
        rng = np.random.default_rng(seed)
        found += min(looked_at(rng, SPAM[kind](rng, 60), rng.integers(0, 3, 60))) < signals.RATE / 60
    assert found >= 19


@pytest.mark.parametrize("is_sorted", [False, True])
def test_honest_answers_show_no_pattern_also_where_the_data_come_sorted(is_sorted):
    p = []
    for seed in range(300):
        rng = np.random.default_rng(seed)
        truth = rng.integers(0, 3, 60)
        truth = np.sort(truth) if is_sorted else truth
        p.append(min(looked_at(rng, np.where(rng.random(60) < 0.85, truth, rng.integers(0, 3, 60)), truth)))
    assert signals.notable(np.array(p)).sum() == 0


def test_control_against_independent_draws_sorted_data_look_like_a_pattern():
    rng = np.random.default_rng(1)
    truth = np.sort(rng.integers(0, 3, 60))
    label = np.where(rng.random(60) < 0.85, truth, rng.integers(0, 3, 60))
    assert chi2.sf(patterns.ratios(label[None], 1, 3)[0], 4) < signals.RATE / 60
