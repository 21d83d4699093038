import pytest

from marketplace.labels import text

SPEC = text.check({})[0]


@pytest.mark.parametrize(
    ("a", "b"),
    [
        ("Hello, world!", "hello  world"),
        ("don't", "Dont"),
        ("ＡＢＣ １", "abc 1"),
        ("well-known.", "well known"),
        ("Straße", "STRASSE"),
        ("in 1990.", "in 1990"),
    ],
)
def test_typing_does_not_matter(a, b):
    assert text.normal(a) == text.normal(b)
    assert text.similarity(a, b, SPEC) == 1.0


@pytest.mark.parametrize(("a", "b"), [("-3", "3"), ("2.5", "25"), ("C#", "C"), ("C++", "C"), ("50%", "50"), ("?", "!")])
def test_what_matters_stays(a, b):
    assert text.normal(a) != text.normal(b)


def test_more_than_half_of_the_weight_wins_in_its_commonest_spelling():
    values = ["Paris", "paris!", "Paris", "London"]
    assert text.merge(values, [1, 1, 1, 1], SPEC) == ("Paris", 0.75, [3])


def test_without_a_winner_the_most_central_answer_is_taken():
    values = ["the cat sat on the mat", "the cat sat on a mat", "a cat sat on the mat", "something else"]
    best = text.merge(values, [1, 1, 1, 1], SPEC)
    assert best == ("the cat sat on the mat", 0.75, [3])


def test_gold_takes_small_slips_within_the_tolerance():
    assert text.matches("the quick brwn fox", "The quick brown fox.", SPEC)
    assert not text.matches("the quick brwn fox", "The quick brown fox.", {**SPEC, "tolerance": 1})
    assert not text.matches("a lazy dog", "The quick brown fox.", SPEC)


def test_lengths_count_code_points():
    assert text.validate("👍👍", {**SPEC, "max_length": 2}) == []
    assert [error.code for error in text.validate("👍👍", {**SPEC, "max_length": 1})] == ["length"]


def test_a_blank_answer_needs_leave():
    assert [error.code for error in text.validate(" ", SPEC)] == ["length"]
    assert text.validate("", {**SPEC, "min_length": 0}) == []


@pytest.mark.parametrize(
    ("spec", "path"),
    [
        ({"min_length": 5, "max_length": 4}, "min_length"),
        ({"max_length": 0}, "max_length"),
        ({"max_length": "9"}, "max_length"),
        ({"tolerance": 1.1}, "tolerance"),
    ],
)
def test_impossible_bounds_are_found(spec, path):
    assert [error.path for error in text.check(spec)[1]] == [path]
