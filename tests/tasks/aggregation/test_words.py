import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketplace.labels.text import normal
from tasks.aggregation.words import Words, joined, split

WRITTEN = st.text(alphabet="abYé '’-_.,?!…3½ ﬁＡ　\n\t#«»", max_size=30) | st.text(max_size=30)


@pytest.mark.parametrize(
    ("text", "forms", "spellings"),
    [
        ("Good-bye,  he said.", "good bye he said", ["Good-", "bye,  ", "he ", "said. "]),
        ("It's half-past -3.5", "its half past -3.5", ["It's ", "half-", "past ", "-3.5 "]),
        ("well - perhaps", "well perhaps", ["well - ", "perhaps "]),
        ("  spaces\n only ", "spaces only", ["spaces\n ", "only "]),
        ("?!", "?!", ["?! "]),
        ("- « Oui » !", "oui", ["- « Oui » ! "]),
    ],
)
def test_a_text_is_cut_into_what_is_compared_and_how_it_was_written(text, forms, spellings):
    words = split(text)
    assert words.forms == tuple(forms.split())
    assert list(words.spellings) == spellings


def test_nothing_has_no_words():
    assert split("") == split(" \n\t") == Words((), ())
    assert joined(Words((), ())) == ""


@given(WRITTEN)
def test_the_words_are_those_every_other_comparison_sees(text):
    words = split(text)
    assert words.forms == tuple(normal(text).split())
    assert len(words.forms) == len(words.spellings)


@given(WRITTEN)
def test_words_put_together_again_are_the_same_words(text):
    words = split(text)
    assert split(joined(words)).forms == words.forms


@given(st.text(alphabet="abY .,-’'", max_size=30) | st.text(alphabet="abY .,-3", max_size=30))
def test_words_of_one_text_put_together_are_that_text(text):
    assert joined(split(text)) == text.strip()


@given(WRITTEN, WRITTEN)
def test_words_of_two_texts_put_together_read_as_these_words(one, other):
    mixed = Words(*(a[:2] + b[-2:] for a, b in zip(split(one), split(other), strict=True)))
    assert joined(mixed) == " ".join(mixed.forms) or split(joined(mixed)).forms == mixed.forms


def test_a_spelling_that_would_swallow_a_word_is_left_out():
    assert joined(Words(("minus", "3"), ("minus-", "3 "))) == "minus 3"
    assert joined(split("Plainly, as it was (more or less)!")) == "Plainly, as it was (more or less)!"
