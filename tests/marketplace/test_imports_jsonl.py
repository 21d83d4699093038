import io

import pytest

from marketplace.imports import jsonl
from marketplace.imports.rows import Problem, Start, Unreadable


def read(raw: bytes, most_bytes: int = 1000):
    file = io.BytesIO(raw)
    return list(jsonl.rows(file, jsonl.start(file, most_bytes), most_bytes))


def test_each_line_is_an_object():
    assert [row.value for row in read(b'{"a": 1}\n\n{"a": "\xc3\xa9"}')] == [{"a": 1}, None, {"a": "é"}]


def test_a_mark_at_the_begin_is_passed_over():
    assert read(b'\xef\xbb\xbf{"a": 1}')[0].value == {"a": 1}


def test_reading_can_go_on_after_every_row():
    raw = b'{"a": 1}\r\n\nnonsense\n[1]\n{"a": 2}'
    whole = read(raw)
    for done, row in enumerate(whole, 1):
        assert list(jsonl.rows(io.BytesIO(raw), Start(row.end, row.next_line, None), 1000)) == whole[done:]
    assert whole[-1].end == len(raw)


@pytest.mark.parametrize(
    ("line", "code"),
    [
        (b"[1]", "object"),
        (b"null", "object"),
        (b'{"a": NaN}', "json"),
        (b'{"a": -Infinity}', "json"),
        (b'{"a": 1, "a": 1}', "json"),
        (b'{"a": ' * 60 + b"1" + b"}" * 60, "json"),
        (b'{"a": "\xff"}', "json"),
        (b'{"a": "\\u0000"}', "json"),
        (b'{"": 1}', "name"),
        (b'{"a": 1', "json"),
    ],
)
def test_a_line_that_cannot_be_taken_is_reported_and_the_next_is_read(line, code):
    bad, good = read(line + b'\n{"a": 1}\n')
    assert isinstance(bad.value, Problem)
    assert (bad.line, bad.value.code) == (1, code)
    assert (good.line, good.value) == (2, {"a": 1})


def test_a_line_may_be_as_long_as_the_limit_and_no_longer():
    row = b'{"a": "xxxxx"}'
    assert [row.value for row in read(row + b"\r\n" + row, len(row))] == [{"a": "xxxxx"}] * 2
    rows = read(row + b"\n" + b"x" * 200_000 + b'\n{"b": 1}', len(row) - 1)
    assert [getattr(row.value, "code", row.value) for row in rows] == ["too-long", "too-long", {"b": 1}]


@pytest.mark.parametrize("raw", [b"", '{"a": 1}'.encode("utf-16")])
def test_an_empty_file_and_utf_16_are_refused(raw):
    with pytest.raises(Unreadable):
        read(raw)
