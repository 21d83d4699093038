"""Texts that are equal, or nearly."""

from workers.signals import copies

LONG = "The animal sat on the old wall behind the mill and looked at us for {} minutes"


def test_case_and_spaces_make_no_difference_and_letters_of_short_texts_do():
    assert copies.same(["A  cat", "a cat", "a bat", "", ""]) == [0, 0, -1, -1, -1]


def test_signs_tell_short_texts_apart():
    assert copies.same(["C++", "C#", "it is.", "it is?"]) == [-1, -1, -1, -1]


def test_longer_texts_may_differ_in_few_letters_and_in_no_number():
    near = LONG.format(10).replace("mill", "mills")
    found = copies.same(
        [LONG.format(10), near, LONG.format(11), "Something else altogether, as long as the others are"]
    )
    assert found[0] == found[1] >= 0
    assert found[2:] == [-1, -1]


def test_what_is_like_one_is_like_all_of_its_likes():
    base = LONG.format(10)
    found = copies.same([base, base.replace("mill", "mills"), base.upper(), base.replace("wall", "walls"), ""])
    assert len(set(found[:4])) == 1
    assert found[4] == -1


def test_nothing_is_like_nothing():
    assert copies.same([]) == []
