import numpy as np
import pytest
from django.db import connection

from marketplace.core import copying

pytestmark = pytest.mark.django_db

MANY = "SELECT n::int8 AS key, (n %% 7)::int2 AS class, (n / 3.0)::float4 AS share FROM generate_series(1, %(most)s) n"
SAID = "'; DROP TABLE marketplace_user; --"
COLUMNS = {"key": "i8", "class": "i2", "share": "f4"}


def test_rows_come_as_arrays_of_their_types():
    found = np.sort(copying.read(MANY, {"most": 100_000}, COLUMNS), order="key")
    assert [found[name].dtype.str[1:] for name in COLUMNS] == ["i8", "i2", "f4"]
    np.testing.assert_array_equal(found["key"], np.arange(1, 100_001))
    np.testing.assert_array_equal(found["class"], np.arange(1, 100_001) % 7)
    np.testing.assert_allclose(found["share"], np.arange(1, 100_001) / 3, rtol=1e-6)


def test_no_rows_are_no_rows():
    assert len(copying.read(MANY, {"most": 0}, COLUMNS)) == 0


def test_arrays_go_out_as_rows_a_table_of_numbers_as_arrays():
    with connection.cursor() as sql:
        sql.execute("CREATE TEMPORARY TABLE gone (key bigint, class smallint, shares real[]) ON COMMIT DROP")
        keys, shares = np.array([3, -1, 2**60]), np.array([[0.25, 0.75], [1.0, 0.0], [np.nan, -2.5]], np.float32)
        columns = {"key": keys.astype("i8"), "class": np.array([1, 2, -3], np.int16), "shares": shares}
        copying.write("COPY gone (key, class, shares) FROM STDIN (FORMAT BINARY)", columns)
        sql.execute("SELECT key, class, shares, array_dims(shares) FROM gone ORDER BY class DESC")
        rows = sql.fetchall()
    assert [row[:2] for row in rows] == [(-1, 2), (3, 1), (2**60, -3)]
    assert [row[2] for row in rows[:2]] == [[1.0, 0.0], [0.25, 0.75]]
    assert np.isnan(rows[2][2][0])
    assert {row[3] for row in rows} == {"[1:2]"}


def test_a_value_in_the_query_is_bound_and_never_read_as_sql():
    said = "SELECT length(%(said)s)::int8 AS size"
    assert copying.read(said, {"said": SAID}, {"size": "i8"})["size"].tolist() == [len(SAID)]
