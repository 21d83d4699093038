import pytest
from django.db import DatabaseError, connection, transaction

from marketplace.core import statements

PREPARED = "SELECT count(*) FROM pg_prepared_statements WHERE statement LIKE '%%twice the number%%'"
TWICE = 'SELECT 2 * %(number)s::bigint AS "twice the number"'


def asked(query):
    with connection.cursor() as cursor:
        cursor.execute(query)
        return cursor.fetchone()[0]


@pytest.mark.django_db
def test_numbers_of_any_width_share_one_plan():
    found = [statements.rows(TWICE, {"number": number}) for number in (1, 70_000, 3_000_000_000)]
    assert found == [[(2,)], [(140_000,)], [(6_000_000_000,)]]
    assert asked(PREPARED) == 1


@pytest.mark.django_db
def test_lists_of_numbers_are_one_type_and_json_comes_as_text():
    for numbers in ([1], [70_000, 3_000_000_000], []):
        query = "SELECT cardinality(%(numbers)s::bigint[]), '{\"a\": 1}'::jsonb"
        assert statements.rows(query, {"numbers": numbers}) == [(len(numbers), '{"a": 1}')]


@pytest.mark.django_db
def test_a_fault_is_raised_as_django_would():
    with pytest.raises(DatabaseError), transaction.atomic():
        statements.rows("SELECT 1 / %(zero)s::bigint", {"zero": 0})


@pytest.mark.django_db
def test_nothing_is_asked_in_a_transaction_that_is_to_be_undone():
    with transaction.atomic():
        transaction.set_rollback(True)
        with pytest.raises(transaction.TransactionManagementError):
            statements.rows("SELECT 1", {})


@pytest.mark.django_db
def test_whoever_watches_statements_sees_these_too():
    seen = []

    def watch(execute, sql, *rest):
        seen.append(sql)
        return execute(sql, *rest)

    with connection.execute_wrapper(watch):
        statements.rows("SELECT 1", {})
    assert seen == ["SELECT 1"]
