"""Taxes that are included in amounts; the figures of the examples are worked by hand."""

import random

import pytest

from marketplace.core import money, taxes
from marketplace.core.taxes import Tax

VAT = Tax("VAT", 1900)
CENT = 10_000


def test_nineteen_per_cent_are_taken_out_of_119():
    found = taxes.included([100_000_000, 19_000_000], [False, True], [VAT], "EUR")
    assert (found.bases, found.amounts) == ([100_000_000], [19_000_000])
    # 100.00 holds 15.966386..., 19.00 holds 3.033613...; the first has lost the larger part of a micro
    assert found.parts == [15_966_387, 3_033_613]


def test_tax_is_rounded_once_for_a_document_half_up():
    # 0.33 at 10 % holds exactly 0.03; 0.385 holds 0.035, which is 0.04; line by line it would be 0.01 + 0.01 + ...
    assert taxes.included([330_000], [False], [Tax("GST", 1000)], "USD").amounts == [3 * CENT]
    assert taxes.included([385_000], [False], [Tax("GST", 1000)], "USD").amounts == [4 * CENT]
    found = taxes.included([55_000] * 7, [False] * 7, [Tax("GST", 1000)], "USD")
    assert (found.amounts, sum(found.parts), len(set(found.parts))) == ([4 * CENT], 4 * CENT, 2)


@pytest.mark.parametrize(("currency", "tax"), [("JPY", 91_000_000), ("USD", 90_910_000), ("BHD", 90_909_000)])
def test_a_currency_has_no_decimals_or_two_or_three(currency, tax):
    # 1,000 at 10 % hold 90.909090...
    assert taxes.included([1_000_000_000], [False], [Tax("T", 1000)], currency).amounts == [tax]


def test_two_taxes_share_what_is_rounded_by_their_remainders():
    # Of 115.00 at 5 % and 10 %: 5.00 and 10.00. Of 1.00: 0.043478 and 0.086956, in all 0.13; 4 cents and 9
    both = [Tax("GST", 500), Tax("PST", 1000)]
    assert taxes.included([115_000_000], [False], both, "USD").amounts == [5_000_000, 10_000_000]
    assert taxes.included([1_000_000], [False], both, "USD").amounts == [4 * CENT, 9 * CENT]


def test_a_tax_on_fees_is_raised_on_nothing_else():
    found = taxes.included([100_000_000, 11_900_000], [False, True], [Tax("VAT", 1900, on="fees")], "EUR")
    assert (found.bases, found.amounts, found.parts) == ([10_000_000], [1_900_000], [0, 1_900_000])


def test_without_tax_everything_is_net():
    assert taxes.included([5, 7], [False, True], [], "USD") == taxes.Included([], [], [0, 0])
    assert taxes.included([5], [False], [Tax("VAT", 0, note="Reverse charge")], "USD").amounts == [0]


def test_parts_always_sum_to_the_whole_and_stay_within_a_unit_of_what_is_exact():
    rng = random.Random(7)
    for _ in range(300):
        n, currency = rng.randint(1, 12), rng.choice(["JPY", "USD", "KWD"])
        amounts, fees = (
            [rng.randint(1, 10 ** rng.randint(1, 12)) for _ in range(n)],
            [rng.random() < 0.5 for _ in range(n)],
        )
        lines = [
            Tax(str(k), rng.randint(0, 3000), on=rng.choice(["fees", "everything"])) for k in range(rng.randint(0, 3))
        ]
        found = taxes.included(amounts, fees, lines, currency)
        unit = money.unit_micros(currency)
        assert sum(found.parts) == sum(found.amounts)
        assert all(amount % unit == 0 for amount in found.amounts)
        for base, amount, tax in zip(found.bases, found.amounts, lines, strict=True):
            assert abs(amount - base * tax.rate_bp / 10_000) <= unit + 1


@pytest.mark.parametrize(
    ("country", "has_id", "names"),
    [("DE", True, ["VAT"]), ("FR", True, ["reverse"]), ("FR", False, ["TVA"]), ("", False, [])],
)
def test_which_taxes_apply_follows_country_and_tax_id(country, has_id, names):
    stated = {
        "DE": [{"name": "VAT", "rate_bp": 1900}],
        "FR": [
            {"name": "TVA", "rate_bp": 2000, "payer": "without_tax_id"},
            {"name": "reverse", "rate_bp": 0, "payer": "with_tax_id", "note": "Reverse charge"},
        ],
        "*": [],
    }
    assert [tax.name for tax in taxes.of(taxes.read(stated), country, has_id)] == names


@pytest.mark.parametrize(
    "stated",
    [
        *([], {"de": []}, {"DE": [{"name": "VAT"}]}, {"DE": [{"name": "VAT", "rate_bp": -1}]}),
        *({"DE": [{"name": "VAT", "rate_bp": 19.0}]}, {"DE": [{"name": "VAT", "rate_bp": 1, "on": "rewards"}]}),
        *({"DE": [{"name": "", "rate_bp": 1}]}, {"DE": [{"name": "VAT", "rate_bp": 1, "payer": "me"}]}),
    ],
)
def test_what_is_no_line_of_tax_is_refused(stated):
    with pytest.raises(ValueError, match=r".+"):
        taxes.read(stated)
