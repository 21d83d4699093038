"""What differs, in words."""

import pytest

from marketplace.labels import words

OPTIONS = [{"value": "a", "title": "A cat"}, {"value": "b", "title": "A dog"}, {"value": "c", "title": "An owl"}]


@pytest.mark.parametrize(
    ("value", "truth", "spec", "said"),
    [
        ("a", "c", {"options": OPTIONS}, "You said “A cat”; right is “An owl”."),
        (None, "c", {"options": OPTIONS}, "It was left out; right is “An owl”."),
        (["a"], ["a", "c"], {"options": OPTIONS}, "“An owl” is missing."),
        (["a", "b"], ["c"], {"options": OPTIONS}, "“An owl” is missing; “A cat”, “A dog” do not belong."),
        (3, 4.5, {}, "You said 3; right is 4.5: 1.5 more."),
        (5, 4, {}, "You said 5; right is 4: 1 less."),
        ("Bern", "Basel", {}, "You said “Bern”; right is “Basel”."),
    ],
)
def test_a_difference_is_said_in_one_sentence(value, truth, spec, said):
    assert words.difference(value, truth, spec) == said


def test_an_answer_is_said_by_its_titles():
    assert words.said(["a", "b"], {"options": OPTIONS}) == "A cat, A dog"
    assert words.said([], {"options": OPTIONS}) == "none"
    assert words.said(None, {}) == words.NOTHING
    assert words.said({"x": 1}, {}) == '{"x": 1}'
