import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tasks.aggregation.buying import Policy, replay
from tasks.aggregation.votes import ordered
from tests.tasks.aggregation.test_dawid_skene import accuracy, crowd

EVERY = 7


@pytest.fixture(scope="module")
def easy():
    """Seven answers of good workers to each of 200 tasks."""
    return crowd(np.random.default_rng(1), tasks=200, answers_a_task=EVERY, accuracy=(0.75, 0.95))


def test_a_fixed_number_is_what_everybody_gets(easy):
    answers, _ = easy
    run = replay(*answers, policy=Policy(3, 3), seed=1)
    assert (run.bought == 3).all()
    assert not run.settled.any()


def test_until_certain_costs_less_than_all_and_is_about_as_right(easy):
    answers, truth = easy
    everything, until = (
        replay(*answers, policy=policy, seed=1) for policy in (Policy(EVERY, EVERY), Policy(2, EVERY, 0.99))
    )
    assert until.bought.sum() < 0.7 * everything.bought.sum()
    assert accuracy(until.posterior, truth) > accuracy(everything.posterior, truth) - 0.02
    assert (until.bought >= 2).all()
    assert until.settled.mean() > 0.9


def test_no_more_is_bought_than_there_is(easy):
    (task, worker, label, *sizes), _ = easy
    few = task % 2 == 0
    run = replay(task[few], worker[few], label[few], *sizes, policy=Policy(2, 99, 1.0), seed=1)
    assert run.bought.tolist() == [EVERY, 0] * 100
    assert np.isfinite(run.posterior).all()


def test_a_budget_is_never_passed_and_a_larger_one_settles_no_fewer_tasks(easy):
    answers, _ = easy
    settled = np.zeros(200, bool)
    for budget in (0, 1, 150, 401, 500, 650, 900, 1_400):
        run = replay(*answers, policy=Policy(2, EVERY, 0.97, budget), seed=3)
        assert run.bought.sum() <= budget
        assert (settled <= run.settled).all()
        settled = run.settled
    assert settled.mean() > 0.9


def test_the_same_seed_buys_the_same_and_another_seed_others(easy):
    answers, _ = easy
    one, same, other = (replay(*answers, policy=Policy(2, EVERY, 0.95), seed=seed) for seed in (5, 5, 6))
    assert np.array_equal(one.bought, same.bought)
    assert not np.array_equal(one.bought, other.bought)


def test_who_guesses_is_asked_about_again_and_again_and_that_ends():
    answers, _ = crowd(np.random.default_rng(2), tasks=40, answers_a_task=EVERY, accuracy=(0.33, 0.34))
    run = replay(*answers, policy=Policy(2, EVERY, 0.9999), seed=1)
    assert run.bought.mean() > 5


@pytest.mark.parametrize("policy", [Policy(0, 3), Policy(4, 3)])
def test_a_policy_that_makes_no_sense_is_refused(easy, policy):
    with pytest.raises(ValueError, match="at least"):
        replay(*easy[0], policy=policy, seed=1)


@pytest.fixture(scope="module")
def mixed():
    """Nine answers to each of 300 tasks, of people from near guessing to near certain."""
    return crowd(np.random.default_rng(3), tasks=300, answers_a_task=9, accuracy=(0.4, 0.9))


def test_where_money_is_short_it_is_worth_most_where_an_answer_may_turn_the_label(mixed):
    answers, truth = mixed

    def right(by_gain, budget):
        runs = [replay(*answers, policy=Policy(2, 9, None, budget, by_gain), seed=seed) for seed in range(5)]
        assert {run.bought.sum() for run in runs} == {budget}
        return np.mean([accuracy(run.posterior, truth) for run in runs])

    for budget in (900, 1_200, 1_500):
        assert right(True, budget) > right(False, budget) + 0.02


def test_doubtful_tasks_get_more_than_those_that_all_agree_on(mixed):
    answers, _ = mixed
    run = replay(*answers, policy=Policy(2, 9, None, 1_200, by_gain=True), seed=1)
    split = ordered(*answers).counts().max(axis=1)
    assert run.bought.min() == 2
    assert run.bought[split <= 5].mean() > run.bought[split >= 8].mean() + 1


def test_people_who_know_the_likely_classes_are_asked_first():
    """Half of the crowd guesses: asked for those who know, fewer answers make the labels right."""
    luck = np.random.default_rng(6)
    truth, worker = luck.integers(0, 2, 400), np.tile(np.arange(10), 400)
    task = np.repeat(np.arange(400), 10)
    knows = luck.random(4_000) < np.where(worker < 5, 0.9, 0.0)
    label = np.where(knows, truth[task], luck.integers(0, 2, 4_000))
    answers = task, worker, label, 400, 10, 2
    shares = []
    for experts in (False, True):
        policy = Policy(2, 10, None, 1_400, by_gain=True, experts=experts)
        shares.append(np.mean([accuracy(replay(*answers, policy=policy, seed=s).posterior, truth) for s in range(3)]))
    assert shares[1] > shares[0] + 0.01


@settings(max_examples=40)
@given(
    seed=st.integers(0, 2**16),
    few=st.integers(0, 250),
    more=st.integers(0, 250),
    target=st.sampled_from([0.6, 0.9, 0.99]),
    by_gain=st.booleans(),
    experts=st.booleans(),
)
def test_more_budget_never_settles_fewer_tasks(seed, few, more, target, by_gain, experts):
    luck = np.random.default_rng(seed)
    answers, _ = crowd(luck, tasks=30, workers=12, answers_a_task=6, accuracy=(0.3, 0.95))
    small, large = (
        replay(*answers, policy=Policy(2, 6, target, budget, by_gain, experts), seed=seed)
        for budget in (few, few + more)
    )
    assert small.bought.sum() <= few
    assert (small.bought <= large.bought).all()
    assert (small.settled <= large.settled).all()
