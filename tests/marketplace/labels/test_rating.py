import pytest

from marketplace.labels import rating

SPEC = rating.check({})[0]


def test_ratings_merge_by_the_lower_median():
    assert rating.merge([1, 5, 4], [1, 1, 1], SPEC) == (4, pytest.approx(1 / 3), [0, 1])
    assert rating.merge([2, 3], [1, 1], SPEC).value == 2
    assert rating.merge([2, 3], [1, 1.5], SPEC).value == 3


def test_a_split_scale_stays_visible():
    assert rating.soft([1, 5, 5, 1.0], [1, 1, 1, 1], SPEC) == {"1": 0.5, "2": 0.0, "3": 0.0, "4": 0.0, "5": 0.5}


def test_near_points_are_alike():
    assert rating.similarity(1, 5, SPEC) == 0.0
    assert rating.similarity(3, 4, SPEC) == 0.75


def test_gold_is_exact_unless_tolerant():
    assert not rating.matches(3, 4, SPEC)
    assert rating.matches(3, 4, {**SPEC, "tolerance": 1})


def test_only_points_of_the_scale_are_read():
    assert rating.from_text(" 5 ", SPEC) == 5
    for cell in ("0", "6", "4.0", "", "five"):
        with pytest.raises(ValueError, match="from 1 to 5"):
            rating.from_text(cell, SPEC)


@pytest.mark.parametrize(
    ("raw", "path"), [({"points": 1}, "points"), ({"points": 12}, "points"), ({"tolerance": 5}, "tolerance")]
)
def test_impossible_scales_are_found(raw, path):
    assert [error.path for error in rating.check(raw)[1]] == [path]
