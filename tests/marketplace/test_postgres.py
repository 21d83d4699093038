"""A connection that the database ends costs at most the request it is in; the next one gets another."""

from collections.abc import Iterator

import pytest
from django.db import OperationalError, connection
from django.db.backends.base.base import BaseDatabaseWrapper

pytestmark = pytest.mark.django_db


@pytest.fixture
def line() -> Iterator[BaseDatabaseWrapper]:
    """A connection of its own, as each thread of the server has one."""
    another = connection.copy()
    another.connect()
    yield another
    another.close()


def cut(line: BaseDatabaseWrapper) -> None:
    """Have the database end it; return when it has."""
    with connection.cursor() as sql:
        sql.execute("SELECT pg_terminate_backend(%s, 10000)", [line.connection.info.backend_pid])


def answers(line: BaseDatabaseWrapper) -> bool:
    with line.cursor() as sql:
        sql.execute("SELECT 1")
        return sql.fetchone() == (1,)


def test_a_connection_cut_between_two_requests_is_replaced_before_the_next(line: BaseDatabaseWrapper):
    assert line.is_usable()
    cut(line)
    assert not line.is_usable()
    line.close_if_unusable_or_obsolete()
    assert answers(line)


def test_a_connection_that_was_lost_in_a_request_is_replaced_after_it(line: BaseDatabaseWrapper):
    cut(line)
    with pytest.raises(OperationalError):
        answers(line)
    line.close_if_unusable_or_obsolete()
    assert answers(line)
