"""What work pays an hour, on paper, against brute force, and under every change that must not matter."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tasks.fair_pay import rates

MONEY = st.integers(0, 10**9)
PAY = st.lists(st.integers(1, 10**8), min_size=1, max_size=60)


def test_an_hour_of_so_much_a_minute_is_sixty_times_that():
    assert rates.hourly([50_000, 1], [60, 3600]).tolist() == [3_000_000, 1]


def test_the_interval_of_the_median_is_that_of_the_textbook():
    """Ninety per cent, of 10: ranks 2 and 9 (P(B <= 1) = 11/1024 <= .05 < P(B <= 2) = 56/1024); of 5: all."""
    ten = rates.median([10, 3, 5, 1, 8, 2, 9, 4, 7, 6])
    assert (ten.median, ten.low, ten.high) == (5.5, 2, 9)
    five = rates.median([1, 2, 3, 4, 50])
    assert (five.median, five.low, five.high) == (3, 1, 50)


@pytest.mark.parametrize("n", range(1, 80))
def test_the_ranks_are_the_narrowest_that_hold_the_median_with_nine_in_ten(n):
    found = rates.median(range(1, n + 1))
    rank = int(found.low)

    def misses(r):
        return 2 * sum(math.comb(n, k) for k in range(r)) / 2**n

    assert found.high == n + 1 - rank
    assert rank == 1 or misses(rank) <= 0.1
    assert misses(rank + 1) > 0.1


def test_the_interval_holds_the_true_median_as_often_as_it_says():
    luck = np.random.default_rng(5)
    true = 12.0
    held = [
        found.low <= true <= found.high
        for found in (rates.median(luck.lognormal(math.log(true), 0.8, 25)) for _ in range(2_000))
    ]
    assert np.mean(held) > 0.9 - 0.02


@given(PAY, st.randoms())
def test_the_order_of_workers_does_not_matter(pay, luck):
    mixed = list(pay)
    luck.shuffle(mixed)
    assert rates.median(mixed) == rates.median(pay)
    assert rates.spread(mixed) == rates.spread(pay)


@given(PAY, st.integers(1, 10**6))
def test_a_raise_for_all_raises_the_median_by_as_much(pay, more):
    before, after = rates.median(pay), rates.median([one + more for one in pay])
    assert after.median == pytest.approx(before.median + more)
    assert after.low == before.low + more


@given(PAY, st.data())
def test_idlers_fewer_than_half_leave_the_median_among_the_others(pay, data):
    idle = data.draw(st.integers(0, (len(pay) - 1) // 2))
    found = rates.median([*pay, *[0] * idle])
    assert min(pay) <= found.median <= max(pay)


@given(PAY)
def test_the_interval_holds_the_median_and_the_spread_rises(pay):
    found = rates.median(pay)
    assert found.low <= found.median <= found.high
    deciles = rates.spread(pay)
    assert deciles == sorted(deciles)
    assert (deciles[0], deciles[-1]) == (min(pay), max(pay))


def test_nobody_is_below_no_floor():
    assert rates.below([1, 5, 9], [0, 0, 0]) == 0
    assert rates.below([1, 5, 9], [2, 5, 10]) == 2


@given(st.integers(0, 10**6), st.integers(0, 10**6), st.integers(0, 10**4), st.floats(0.1, 3600), st.integers(100, 500))
def test_time_that_counts_rises_with_time_and_stays_within_the_usual(seconds, more, answers, usual_s, most):
    counted = rates.counted_s(seconds, answers, usual_s, most)
    assert counted <= seconds
    assert counted <= answers * usual_s * most / 100
    assert rates.counted_s(seconds + more, answers, usual_s, most) >= counted


def test_idling_pays_nothing_beyond_the_cap():
    usual = rates.counted_s(100, 10, 10.0, 150)
    assert usual == 100
    assert rates.counted_s(150, 10, 10.0, 150) == rates.counted_s(100_000, 10, 10.0, 150) == 150


@given(MONEY, MONEY, st.integers(0, 10**6), st.integers(0, 10**6), MONEY, MONEY)
def test_what_is_due_rises_with_floor_and_time_and_falls_with_pay(floor, higher, seconds, more, paid, topped):
    due = rates.due_micros(floor, seconds, paid)
    assert due >= 0
    assert rates.due_micros(floor + higher, seconds, paid) >= due
    assert rates.due_micros(floor, seconds + more, paid) >= due
    assert rates.due_micros(floor, seconds, paid + topped) <= due


@given(MONEY, st.integers(0, 10**6), MONEY, st.integers(0, 10**6))
def test_paying_what_is_due_leaves_nothing_due_and_later_only_the_difference(floor, seconds, paid, more):
    due = rates.due_micros(floor, seconds, paid)
    assert rates.due_micros(floor, seconds, paid + due) == 0
    later = rates.due_micros(floor, seconds + more, paid + due)
    assert due + later == rates.due_micros(floor, seconds + more, paid) or due == 0


@given(MONEY, MONEY, st.integers(0, 100))
def test_caps_of_parts_never_exceed_the_cap_of_the_whole(one, other, percent):
    assert rates.cap_micros(one, percent) + rates.cap_micros(other, percent) <= rates.cap_micros(one + other, percent)


def test_the_worked_example():
    """Ten answers of 60 s at 0.05: 3.00 an hour. A floor of 4.50 makes them 0.75: 0.25 is missing, and is the cap."""
    assert rates.hourly([500_000], [600]).tolist() == [3_000_000]
    assert rates.due_micros(4_500_000, 600, 500_000) == 250_000
    assert rates.cap_micros(500_000, 50) == 250_000
