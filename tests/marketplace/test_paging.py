import pytest
from django.test import RequestFactory
from rest_framework.request import Request

from marketplace.core import paging
from marketplace.core.errors import Invalid
from marketplace.models import Organisation
from tests import make

pytestmark = pytest.mark.django_db


class Oldest:
    keyset = "pk"


def page(query="", view=None):
    pages = paging.Keyset()
    request = Request(RequestFactory().get(f"/?{query}"))
    rows = pages.paginate_queryset(Organisation.objects.all(), request, view)
    return pages.get_paginated_response([row.pk for row in rows]).data


def pks(count):
    return [make.organisation().pk for _ in range(count)]


def walk(view, limit=2):
    found, after = [], ""
    while after is not None:
        got = page(f"limit={limit}&after={after}", view)
        found += got["items"]
        after = got["next"]
    return found


def test_pages_hold_every_row_once_newest_first():
    made = pks(5)
    assert walk(None) == made[::-1]


def test_a_view_may_want_the_oldest_first():
    made = pks(5)
    assert walk(Oldest) == made


def test_rows_that_come_meanwhile_double_nothing():
    made = pks(4)
    first = page("limit=2")
    pks(3)
    assert page(f"limit=2&after={first['next']}")["items"] == made[:2][::-1]


def test_the_last_page_says_so():
    pks(2)
    assert page("limit=2")["next"] is None
    assert page("limit=1")["next"]


@pytest.mark.parametrize("limit", ["0", "201", "-1", "x", "1.5", "", "²", "9" * 5000])
def test_a_limit_is_a_number_from_1_to_200(limit):
    with pytest.raises(Invalid):
        page(f"limit={limit}")


def test_limits_are_taken_at_their_edges():
    pks(1)
    assert page("limit=1") == page("limit=200") == page()


@pytest.mark.parametrize("after", ["5", "x", "é", "AAAAAAAAAAAAAAAAAAAAAA", "A" * 1000])
def test_only_our_own_keys_are_taken(after):
    with pytest.raises(Invalid):
        page(f"after={after}")


def test_a_key_tells_nothing_and_comes_back():
    sealed = [paging.seal(pk) for pk in (1, 2, 2**62)]
    assert [paging.unseal(token) for token in sealed] == [1, 2, 2**62]
    assert sealed[0][:4] != sealed[1][:4]
