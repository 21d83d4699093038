import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketplace.core import money
from marketplace.core.errors import Invalid


@pytest.mark.parametrize(
    ("text", "micros"), [("0.05", 50_000), ("1", 1_000_000), (" 12.345678 ", 12_345_678), ("-3.5", -3_500_000)]
)
def test_an_amount_is_read_exactly(text, micros):
    assert money.parse(text) == micros


@pytest.mark.parametrize("text", ["", "a", "0.0000001", "1,5", "NaN", "Infinity", "1e400", "--1"])
def test_what_is_not_so_many_micros_is_refused(text):
    with pytest.raises(Invalid):
        money.parse(text)


@pytest.mark.parametrize(
    ("micros", "currency", "shown"),
    [
        (50_000, "USD", "0.05 USD"),
        (1_234_567_890_000, "EUR", "1,234,567.89 EUR"),
        (333_333, "USD", "0.333333 USD"),
        (5_000_000, "JPY", "5 JPY"),
        (-1_500_000, "KWD", "-1.500 KWD"),
    ],
)
def test_an_amount_is_written_for_people(micros, currency, shown):
    assert money.show(micros, currency) == shown


@given(st.integers(0, 10**15), st.sampled_from(sorted(money.DECIMALS)))
def test_whole_minor_units_leave_less_than_one_behind(micros, currency):
    moved = money.whole_minor_units(micros, currency)
    unit = 10 ** (6 - min(money.DECIMALS[currency], 2))
    assert moved % unit == 0
    assert 0 <= micros - moved < unit


@given(st.integers(0, 10**12), st.integers(0, 10_000), st.integers(1, 1000))
def test_n_fees_are_n_times_one_fee_and_never_more_than_the_share(price, basis_points, n):
    fee = money.fee_micros(price, basis_points)
    assert n * fee * 10_000 <= n * price * basis_points


def test_a_whole_is_given_out_by_weight_and_the_largest_remainders_round_up():
    assert money.apportion(100, [1, 1, 1]) == [34, 33, 33]
    assert money.apportion(10, [5, 3, 2]) == [5, 3, 2]
    assert money.apportion(7, [1, 0, 2]) == [2, 0, 5]  # 2.33, 0, 4.67
    assert money.apportion(0, [0, 0]) == [0, 0]
    assert money.apportion(1, [1, 1]) == [1, 0]
