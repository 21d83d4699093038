import pytest

from marketplace.labels import choices

SPEC = choices.check({"options": ["a", "b", "c"]})[0]


def test_an_empty_list_says_that_none_applies_unless_the_field_forbids_it():
    assert choices.validate([], SPEC) == []
    assert [error.code for error in choices.validate([], {**SPEC, "min": 1})] == ["length"]
    assert choices.merge([[], [], ["a"]], [1, 1, 1], SPEC) == ([], pytest.approx(2 / 3), [2])


def test_each_option_needs_more_than_half_of_the_weight():
    assert choices.merge([["b", "a"], ["a"], ["a", "b"], ["c"]], [1, 1, 1, 1], SPEC) == (["a"], 0.25, [0, 2, 3])


def test_a_set_that_nobody_chose_is_flagged():
    assert choices.merge([["a", "b"], ["b", "c"], ["c", "a"]], [1, 1, 1], SPEC) == (["a", "b", "c"], 0.0, [0, 1, 2])


def test_a_merged_set_keeps_to_min_and_max():
    assert choices.merge([["a"], ["b"], ["c"]], [1, 2, 1], {**SPEC, "min": 1}).value == ["b"]
    everything = [["a", "b", "c"]]
    assert choices.merge(everything, [1], {**SPEC, "max": 2}).value == ["a", "b"]


def test_similarity_is_what_is_shared():
    assert choices.similarity(["a", "b"], ["b", "c"], SPEC) == pytest.approx(1 / 3)
    assert choices.similarity([], [], SPEC) == 1.0
    assert choices.similarity([], ["a"], SPEC) == 0.0
    assert choices.matches(["a", "b"], ["b", "a"], SPEC)


def test_shares_are_of_each_option():
    assert choices.soft([["a", "b"], ["a"]], [3, 1], SPEC) == {"a": 1.0, "b": 0.75, "c": 0.0}


@pytest.mark.parametrize("value", [[], ["a|b"], ["[x]"], ["c", "a|b"], ["c"], ["[x]", "c"], ["c", "d"]])
def test_awkward_sets_survive_a_csv_cell(value):
    spec = choices.check({"options": ["a|b", "[x]", "c", "d"]})[0]
    assert choices.from_text(choices.to_text(value, spec), spec) == value


def test_cells_are_read_leniently_and_refused_plainly():
    assert choices.from_text(" a | c|a", SPEC) == ["a", "c"]
    assert choices.from_text('["c"]', SPEC) == ["c"]
    for cell in ("", "a|x", "[1]", "[", "[" * 10**5):
        with pytest.raises(ValueError, match=r"must be one of|expected options"):
            choices.from_text(cell, SPEC)


@pytest.mark.parametrize(
    ("bounds", "path"),
    [({"min": 2, "max": 1}, "max"), ({"max": 4}, "max"), ({"min": -1}, "min"), ({"min": True}, "min")],
)
def test_impossible_bounds_are_found(bounds, path):
    assert [error.path for error in choices.check({"options": ["a", "b", "c"], **bounds})[1]] == [path]
