from datetime import timedelta

import pytest
from django.test import RequestFactory
from rest_framework.response import Response
from rest_framework.test import force_authenticate
from rest_framework.views import APIView

from marketplace import accounts, jobs
from marketplace.core import clock, replies
from marketplace.core.errors import Conflict
from marketplace.core.models import Reply
from marketplace.models import Organisation
from tests.race import race

pytestmark = pytest.mark.django_db


class Found(APIView):
    permission_classes = []

    @replies.once
    def post(self, request):
        return found(request)


class Naive(APIView):
    permission_classes = []

    def post(self, request):
        """What `once` would be if it looked first and wrote last."""
        key = request.headers["Idempotency-Key"]
        if first := Reply.objects.filter(user=request.user, key=key).first():
            return Response(first.body, status=first.status)
        response = found(request)
        Reply.objects.get_or_create(user=request.user, key=key, defaults={"status": 201, "body": response.data})
        return response


def found(request):
    made = accounts.found(request.user, request.data["name"])
    if made.name == "refused":
        raise Conflict("after it was made")
    return Response({"name": made.name, "at": made.created_at}, status=409 if made.name == "returned" else 201)


def post(user, name="Lab", key="k1", view=Found, path="/found"):
    headers = {} if key is None else {"Idempotency-Key": key}
    request = RequestFactory().post(path, {"name": name}, "application/json", headers=headers)
    force_authenticate(request, user)
    response = view.as_view()(request)
    response.render()
    return response


def test_the_same_request_again_has_no_effect_and_the_first_answer(rita):
    first, again = post(rita), post(rita)
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.content == again.content
    assert "Idempotent-Replayed" not in first
    assert again["Idempotent-Replayed"] == "true"
    assert Organisation.objects.count() == 1


def test_another_key_or_none_or_another_person_is_another_request(rita, wes):
    for user, key in [(rita, "k1"), (rita, "k2"), (rita, None), (rita, None), (wes, "k1")]:
        assert post(user, key=key).status_code == 201
    assert Organisation.objects.count() == 5


@pytest.mark.parametrize("other", [{"name": "Other"}, {"path": "/elsewhere"}, {"path": "/found?x=1"}])
def test_a_key_cannot_be_used_for_something_else(rita, other):
    post(rita)
    response = post(rita, **other)
    assert (response.status_code, response.data["type"]) == (409, "/problems/key-reused")
    assert Organisation.objects.count() == 1


@pytest.mark.parametrize("name", ["refused", "returned"])
def test_a_refusal_leaves_nothing_and_may_be_tried_again(rita, name):
    assert post(rita, name=name).status_code == 409
    assert not Organisation.objects.exists()
    assert not Reply.objects.exists()
    assert post(rita).status_code == 201


@pytest.mark.parametrize("key", ["", " ", "é", "a\tb", "k" * 129])
def test_keys_are_short_and_plain(rita, key):
    assert post(rita, key=key).status_code == 422


def test_a_key_may_be_as_long_as_the_limit(rita):
    assert post(rita, key="k" * 128).status_code == 201


@pytest.mark.django_db(transaction=True)
def test_two_at_once_have_one_effect_and_one_answer(rita):
    for n in range(10):
        answers = race(*[lambda n=n: post(rita, key=f"k{n}")] * 2)
        assert [answer.status_code for answer in answers] == [201, 201]
        assert answers[0].content == answers[1].content
    assert Organisation.objects.count() == 10


@pytest.mark.django_db(transaction=True)
def test_without_the_row_first_two_at_once_have_two_effects(rita, monkeypatch):
    """The race above is one: the same requests to a naive version do their work twice."""
    from threading import Barrier

    both_have_looked, make_it = Barrier(2), accounts.found
    monkeypatch.setattr(accounts, "found", lambda *said: (both_have_looked.wait(10), make_it(*said))[1])
    race(*[lambda: post(rita, view=Naive)] * 2)
    assert Organisation.objects.count() == 2


def test_answers_are_forgotten_after_a_day(rita):
    post(rita, key="old")
    post(rita, key="young")
    Reply.objects.filter(key="old").update(created_at=clock.now() - timedelta(days=1, seconds=1))
    Reply.objects.filter(key="young").update(created_at=clock.now() - timedelta(hours=23))
    assert not jobs.forget_replies()
    assert Reply.objects.get().key == "young"


def test_forgetting_goes_in_bounded_steps(rita):
    for n in range(3):
        post(rita, key=f"k{n}")
    Reply.objects.update(created_at=clock.now() - timedelta(days=2))
    assert replies.forget(limit=2)
    assert Reply.objects.count() == 1
    assert not replies.forget(limit=2)
