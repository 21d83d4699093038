import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketplace.core import strictjson


@pytest.mark.parametrize(
    "raw",
    [
        b'{"a": NaN}',
        b"[Infinity]",
        b"[1e999]",
        b'{"a": 1, "a": 2}',
        b'["\\u0000"]',
        b'["\\ud800"]',
        b'{"\\u0000": 1}',
        b"\xff",
        b"{",
        b"",
        b"[" * 51 + b"]" * 51,
        b"[" * 100_000,
        b"1" * 5_000,
    ],
)
def test_what_the_database_cannot_keep_is_refused(raw):
    with pytest.raises(ValueError, match=r".+"):
        strictjson.loads(raw)


def test_nesting_is_taken_up_to_its_limit():
    assert strictjson.loads(b"[" * 50 + b"]" * 50)


def test_surrogate_pairs_are_one_letter():
    assert strictjson.loads(b'"\\ud83e\\udd89"') == "🦉"


def test_equal_values_are_written_the_same_way():
    assert strictjson.dumps({"b": [1, None], "a": "é"}) == strictjson.dumps({"a": "é", "b": [1, None]})


def test_a_number_with_more_digits_than_python_reads_is_told_as_such():
    with pytest.raises(ValueError, match=r"the number 1{40} is too large"):
        strictjson.loads(b"1" * 5_000)


TEXTS = st.text(st.characters(exclude_categories=["Cs"]))
PARTS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | TEXTS
VALUES = st.recursive(PARTS, lambda part: st.lists(part) | st.dictionaries(TEXTS, part), max_leaves=8)


@given(VALUES | st.dictionaries(TEXTS, VALUES))
def test_the_quick_way_to_write_is_the_same_to_the_letter(value):
    """Hashes of stored items were made of the slow one."""
    slow = json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False)
    assert strictjson.dumps(value) == slow
