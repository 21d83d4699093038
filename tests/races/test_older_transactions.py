"""Whether anything older is still being written, as months ask the database; the other tests ask it of less."""

from contextlib import contextmanager

import pytest
from django.db import connection

from payments import months

pytestmark = pytest.mark.django_db(transaction=True)
FIRST_XID = 3  # of any server: it ended long ago


@pytest.fixture(autouse=True)
def _alone():
    """The statement as it is."""


def asked(database, statement, **values):
    with database.cursor() as sql:
        sql.execute(statement, values)
        return sql.fetchone()[0]


@contextmanager
def somebody_writing():
    """A transaction that has begun to write and has not ended; its id."""
    other = connection.copy()
    other.set_autocommit(False)
    try:
        yield asked(other, "SELECT pg_current_xact_id()::text::bigint")
    finally:
        other.rollback()
        other.close()


def test_who_is_writing_is_waited_for_and_who_is_older_is_not():
    with somebody_writing() as theirs:
        assert not asked(connection, months.HAVE_ENDED, xid=theirs)
        assert not asked(connection, months.HAVE_ENDED, xid=theirs + 1_000)
        assert asked(connection, months.HAVE_ENDED, xid=FIRST_XID)
