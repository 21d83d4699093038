import pytest
from django.test import RequestFactory

from marketplace.models import Project
from marketplace.web import edge
from tests import make

pytestmark = pytest.mark.django_db


def page(**query):
    return edge.page_of(RequestFactory().get("/", query), Project.objects.all(), size=2)


def test_pages_follow_one_another_by_key_and_reveal_none():
    home = make.organisation()
    made = [make.project(home).pk for _ in range(5)]
    seen, query = [], {}
    for _ in range(3):
        shown = page(**query)
        seen += [row.pk for row in shown["rows"]]
        query = dict(pair.split("=") for pair in shown["next"].split("&") if pair)
    assert seen == made[::-1]
    assert query == {}


def test_a_mangled_link_leads_to_the_first_page():
    project = make.project()
    assert page(after="nonsense")["rows"] == [project]
