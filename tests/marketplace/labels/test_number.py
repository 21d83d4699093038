import pytest

from marketplace.labels import number


def spec(**raw):
    checked, errors = number.check(raw)
    assert errors == []
    return checked


def test_whole_numbers_merge_by_the_median():
    assert number.merge([3, 900, 4], [1, 1, 1], spec(integer=True)) == (4, pytest.approx(1 / 3), [0, 1])
    assert number.merge([3, 4], [1, 1], spec(integer=True)).value == 3
    assert number.merge([3, 4], [1, 2], spec(integer=True)).value == 4


def test_other_numbers_merge_by_the_mean_without_the_outer_tenths():
    values = [0.0, *[10.0] * 8, 1000.0]
    assert number.merge(values, [1] * 10, spec(tolerance=1)) == (10.0, pytest.approx(0.8), [0, 9])
    assert number.merge([1.0, 2.0], [1, 3], spec(min=0, max=10)).value == pytest.approx((0.15 * 1 + 0.65 * 2) / 0.8)


def test_the_tolerance_is_a_band_around_the_truth():
    assert number.matches(10.2, 10.0, spec(tolerance=0.2))
    assert not number.matches(10.3, 10.0, spec(tolerance=0.2))
    assert number.matches(0.1 + 0.2, 0.3, spec(tolerance=0))


def test_without_a_tolerance_counts_are_exact_and_measures_within_five_per_cent():
    assert not number.matches(99, 100, spec(integer=True))
    assert number.matches(95, 100, spec())
    assert not number.matches(94, 100, spec())
    assert number.matches(10, 0, spec(min=-100, max=100))


def test_similarity_is_relative_to_the_range_or_else_to_the_sizes():
    assert number.similarity(2, 4, spec(min=0, max=10)) == pytest.approx(0.8)
    assert number.similarity(2, 6, spec()) == 0.5
    assert number.similarity(-1, 1, spec()) == 0.0
    assert number.similarity(0, 0, spec()) == 1.0


@pytest.mark.parametrize("cell", ["", "x", "nan", "inf", "1_000", "1,5", "٣", "1e99", "--1", "1" * 500])
def test_cells_that_are_no_number_are_refused(cell):
    with pytest.raises(ValueError, match="expected a number"):
        number.from_text(cell, spec())


def test_cells_keep_whole_numbers_whole():
    assert number.from_text(" 12 ", spec()) == 12
    assert isinstance(number.from_text("12.0", spec()), int)
    assert number.to_text(3.0, spec()) == "3"
    assert number.from_text("-2.5e-3", spec()) == -0.0025


@pytest.mark.parametrize(
    ("raw", "path"),
    [
        ({"min": 1, "max": 1}, "max"),
        ({"min": 0.2, "max": 0.8, "integer": True}, "max"),
        ({"min": float("nan")}, "min"),
        ({"max": True}, "max"),
        ({"tolerance": -1}, "tolerance"),
        ({"integer": "yes"}, "integer"),
        ({"unit": 3}, "unit"),
    ],
)
def test_impossible_bounds_are_found(raw, path):
    assert [error.path for error in number.check(raw)[1]] == [path]
