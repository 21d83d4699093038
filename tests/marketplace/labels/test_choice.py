import pytest

from marketplace.labels import choice

SPEC = {"truth": "factual", **choice.check({"options": ["a", {"value": "b", "title": "Bee"}, "c"]})[0]}


def test_the_heaviest_option_wins_and_the_others_dissent():
    assert choice.merge(["a", "b", "b"], [3, 1, 1], SPEC) == ("a", pytest.approx(0.6), [1, 2])


def test_a_tie_goes_to_the_first_option():
    assert choice.merge(["c", "b"], [1, 1], SPEC) == ("b", 0.5, [0])


def test_answers_without_any_weight_count_alike():
    assert choice.merge(["c", "c", "a"], [0, -1, float("nan")], SPEC).value == "c"


def test_every_option_has_its_share():
    assert choice.soft(["a", "b", "b"], [2, 1, 1], SPEC) == {"a": 0.5, "b": 0.5, "c": 0.0}


def test_ordered_options_are_the_less_alike_the_further_apart():
    assert choice.similarity("a", "b", SPEC) == 0.0
    assert choice.similarity("a", "b", {**SPEC, "truth": "ordinal"}) == 0.5
    assert choice.similarity("a", "c", {**SPEC, "truth": "ordinal"}) == 0.0


def test_a_cell_may_hold_the_value_or_the_title():
    assert choice.from_text(" b ", SPEC) == choice.from_text("bee", SPEC) == "b"
    with pytest.raises(ValueError, match="must be one of a, b, c"):
        choice.from_text("d", SPEC)


@pytest.mark.parametrize(
    ("options", "path", "code"),
    [
        (None, "options", "missing"),
        ("ab", "options", "type"),
        (["a"], "options", "length"),
        ([str(n) for n in range(101)], "options", "length"),
        (["a", "a"], "options[1].value", "duplicate"),
        (["a", 1], "options[1]", "type"),
        (["a", ""], "options[1].value", "length"),
        (["a", {"title": "B"}], "options[1].value", "missing"),
        (["a", {"value": "b", "colour": "red"}], "options[1].colour", "unknown"),
        (["a", "b\x00"], "options[1].value", "text"),
        (["a", "b" * 101], "options[1].value", "length"),
    ],
)
def test_wrong_options_are_found(options, path, code):
    errors = choice.check({"options": options})[1]
    assert [(error.path, error.code) for error in errors] == [(path, code)]
