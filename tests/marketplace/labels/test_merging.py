import pytest

from marketplace.labels import merging


def test_the_median_is_somebodys_answer():
    assert merging.median([1, 2, 3, 10], [1, 1, 1, 1]) == 2
    assert merging.median([1, 2], [0.1, 0.1]) == 1
    assert merging.median([5, 1, 1], [3, 1, 1]) == 5


def test_trimming_cuts_weight_not_heads():
    assert merging.trimmed_mean([0, 10, 20], [1, 8, 1], 0.1) == pytest.approx(10)
    assert merging.trimmed_mean([7], [1], 0.1) == 7
    assert merging.trimmed_mean([0, 10], [1, 1], 0.1) == pytest.approx(5)


def test_weights_that_are_not_positive_do_not_count():
    assert merging.shares(["a", "b", "b"], [1, -5, float("inf")]) == {"a": 1.0, "b": 0.0}
    assert merging.shares(["a", "b"], [0, 0]) == {"a": 0.5, "b": 0.5}


def test_every_answer_needs_a_weight():
    with pytest.raises(ValueError, match="a weight each"):
        merging.fair(["a"], [])
