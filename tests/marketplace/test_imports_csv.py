import csv as plain_csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketplace.imports import csv
from marketplace.imports.rows import Problem, Start, Unreadable


def read(text: str | bytes, most_bytes: int = 1000):
    raw = text.encode() if isinstance(text, str) else text
    file = io.BytesIO(raw)
    return list(csv.rows(file, csv.start(file, most_bytes), most_bytes))


def values(text: str | bytes, **options):
    return [row.value for row in read(text, **options)]


def complaints(text: str | bytes, **options):
    return [(row.line, row.value.column, row.value.code) for row in read(text, **options) if is_problem(row)]


def is_problem(row):
    return isinstance(row.value, Problem)


def header_problem(raw: bytes, most_bytes: int = 1000) -> str:
    with pytest.raises(Unreadable) as refusal:
        csv.start(io.BytesIO(raw), most_bytes)
    return str(refusal.value)


def test_rows_become_objects():
    assert values("a,b\n1,2\n3,4") == [{"a": "1", "b": "2"}, {"a": "3", "b": "4"}]


def test_line_breaks_commas_and_quotes_stand_inside_quotes():
    assert values('a,b\r\n"one\r\ntwo","x,""y"""\r\n3,4\r\n') == [
        {"a": "one\r\ntwo", "b": 'x,"y"'},
        {"a": "3", "b": "4"},
    ]


def test_a_mark_at_the_begin_is_not_part_of_the_first_name():
    assert values(b"\xef\xbb\xbfa,b\n1,2\n") == [{"a": "1", "b": "2"}]


def test_blank_lines_are_passed_over():
    assert values("a\n\n1\n\n\n2\n\n") == [None, {"a": "1"}, None, None, {"a": "2"}, None]


def test_reading_can_go_on_after_every_row():
    raw = 'a,b\n1,"x\ny"\n\n"bad" quote,2\n3,€\nshort\n4,5'.encode()
    whole = read(raw)
    assert [row.line for row in whole] == [2, 4, 5, 6, 7, 8]
    for done, row in enumerate(whole, 1):
        rest = list(csv.rows(io.BytesIO(raw), Start(row.end, row.next_line, ["a", "b"]), 1000))
        assert rest == whole[done:]
    assert whole[-1].end == len(raw)


@pytest.mark.parametrize(
    ("raw", "part"),
    [
        (b"", "empty"),
        (b"\n1,2\n", "blank"),
        (b"a,a\n", "'a' twice"),
        (b"a, a\n", "'a' twice"),
        (b"a,,b\n", "column 2"),
        (b"a,\x00\n", "NUL"),
        (b"a,\xff\n", "not UTF-8"),
        ("a,b\n".encode("utf-16"), "UTF-16"),
        (b'a,"b\n1,2\n', "never closed"),
        (b"a,b\r1,2\r", "LF or CRLF"),
        (b"x" * 201 + b"\n", "1 to 200"),
        (b"x" * 2000, "more than 1,000 bytes"),
    ],
)
def test_a_header_that_cannot_serve_fails_the_file(raw, part):
    assert part in header_problem(raw)


def test_a_row_has_as_many_cells_as_the_header():
    assert complaints("a,b\n1\n1,2,3\n1,2\n") == [(2, "", "cells"), (3, "", "cells")]


def test_bad_bytes_are_reported_with_their_column():
    assert complaints(b"a,b\n1,\xff\n\x00,2\n3,4\n") == [(2, "b", "encoding"), (3, "a", "nul")]


def test_a_stray_quote_costs_its_own_row_only():
    rows = read('a,b\n1,"two\n3,4\n5,6\n')
    assert [(row.line, is_problem(row)) for row in rows] == [(2, True), (3, False), (4, False)]
    assert "never closed" in rows[0].value.message


def test_a_quote_that_closes_in_the_middle_of_a_cell_is_reported():
    assert complaints('a,b\n"x"y,1\n2,3\n') == [(2, "", "csv")]


def test_a_row_may_be_as_long_as_the_limit_and_no_longer():
    assert values("a\n" + "x" * 20 + "\r\n" + "y" * 20, most_bytes=20) == [{"a": "x" * 20}, {"a": "y" * 20}]
    rows = read("a\n" + "x" * 21 + "\n1\n" + "y" * 200_000 + "\n2", most_bytes=20)
    assert [(row.line, is_problem(row)) for row in rows] == [(2, True), (3, False), (4, True), (5, False)]
    assert {row.value.code for row in rows if is_problem(row)} == {"too-long"}


def test_the_limit_holds_for_rows_of_many_lines():
    inside, beyond = '"' + "x\n" * 9 + '"', '"' + "x\n" * 10 + '"'
    assert values(f"a\n{inside}\n", most_bytes=20) == [{"a": "x\n" * 9}]
    rows = read(f"a\n{beyond}\nend\n", most_bytes=20)
    assert (rows[0].line, rows[0].value.code) == (2, "too-long")
    assert rows[-1].value == {"a": "end"} or is_problem(rows[-1])


def test_cells_longer_than_the_readers_own_limit_are_read():
    assert values("a\n" + "x" * 200_000, most_bytes=1_000_000) == [{"a": "x" * 200_000}]


CELLS = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)


@given(st.lists(st.lists(CELLS, min_size=2, max_size=2), max_size=6), st.sampled_from(["\n", "\r\n"]))
def test_what_any_writer_wrote_is_read_back(rows, end):
    file = io.StringIO()
    plain_csv.writer(file, quoting=plain_csv.QUOTE_ALL, lineterminator=end).writerows([["a", "b"], *rows])
    assert values(file.getvalue()) == [{"a": a, "b": b} for a, b in rows]


@given(st.lists(st.sampled_from([b'"', b",", b"\n", b"\r", b"x", b"\xff", b"\0", b'""', b"yy\n"]), max_size=30))
def test_whatever_the_bytes_every_row_can_be_gone_on_from(parts):
    raw = b"a,b\n" + b"".join(parts)
    whole = read(raw, most_bytes=10)
    ends = [4, *(row.end for row in whole)]
    assert ends == sorted({*ends, len(raw)})
    for done, row in enumerate(whole, 1):
        start = Start(row.end, row.next_line, ["a", "b"])
        assert list(csv.rows(io.BytesIO(raw), start, 10)) == whole[done:]
