"""Signing in and its limits, by page and by API."""

import re

import pytest
from django.core import mail
from django.test import Client

from tests import make

pytestmark = pytest.mark.django_db

API = "/_allauth/app/v1/auth"


@pytest.fixture(autouse=True)
def _limits(settings):
    settings.LIMITS = {
        **settings.LIMITS,
        "sign-in": (0, 60),
        "failed-sign-in": (3, 60),
        "failed-sign-in-anywhere": (0, 60),
    }


def at(address="192.0.2.1", **headers):
    return Client(REMOTE_ADDR=address, headers=headers)


def sign_in(client, password=make.PASSWORD, email="rita@example.org"):
    return client.post(f"{API}/login", {"email": email, "password": password}, "application/json")


def is_refused(response):
    if response.status_code != 429:
        return False
    body = response.json()
    assert response["Content-Type"] == "application/problem+json"
    assert body["type"] == "/problems/too-many-requests"
    assert response["Retry-After"] == str(body["retry_after_s"])
    return True


def test_after_so_many_failures_not_even_the_right_password_is_looked_at(rita):
    for _ in range(3):
        assert sign_in(at(), "wrong").status_code == 400
    assert is_refused(sign_in(at(), "wrong"))
    assert is_refused(sign_in(at()))
    assert is_refused(sign_in(at(), email="RITA@example.org"))
    assert sign_in(at("192.0.2.2")).status_code == 200  # she herself, from elsewhere


def test_who_does_not_exist_is_refused_alike(db):
    for _ in range(3):
        assert sign_in(at(), "wrong", "nobody@example.org").status_code == 400
    assert is_refused(sign_in(at(), "wrong", "nobody@example.org"))


def test_signing_in_rightly_does_not_count(rita):
    for _ in range(6):
        assert sign_in(at()).status_code == 200


def test_a_made_up_origin_does_not_help(rita):
    for n in range(3):
        sign_in(at(x_forwarded_for=f"198.51.100.{n}"), "wrong")
    assert is_refused(sign_in(at(x_forwarded_for="198.51.100.9"), "wrong"))


def test_from_many_addresses_an_account_is_guessed_only_so_often(rita, settings):
    settings.LIMITS["failed-sign-in-anywhere"] = (5, 60)
    for n in range(5):
        assert sign_in(at(f"192.0.2.{n}"), "wrong").status_code == 400
    assert is_refused(sign_in(at("192.0.2.77")))


def test_who_is_refused_at_one_address_does_not_lock_the_account_for_others(rita, settings):
    settings.LIMITS["failed-sign-in-anywhere"] = (5, 60)
    for _ in range(20):
        sign_in(at(), "wrong")
    assert sign_in(at("192.0.2.77")).status_code == 200


def test_a_new_password_by_letter_opens_the_account_at_once(rita):
    for _ in range(4):
        sign_in(at(), "wrong")
    at().post(f"{API}/password/request", {"email": rita.email}, "application/json")
    key = re.search(r"/password/reset/key/([^/\s]+)/", mail.outbox[-1].body)[1]
    said = {"key": key, "password": "another long phrase"}
    assert at().post(f"{API}/password/reset", said, "application/json").status_code in (200, 401)
    assert sign_in(at(), "another long phrase").status_code == 200


def test_the_page_says_so_too(rita):
    form = {"login": rita.email, "password": "wrong"}
    for _ in range(3):
        assert at().post("/accounts/login/", form).status_code == 200
    response = at().post("/accounts/login/", form)
    assert response.status_code == 429
    assert "too often" in response.text
    assert int(response["Retry-After"]) > 0


def test_admins_come_in_by_the_same_way(ada):
    for _ in range(4):
        response = at().post("/admin/login/", {"username": ada.email, "password": make.PASSWORD})
        assert response.status_code == 302
        assert response["Location"].startswith("/accounts/login/")
    assert "_auth_user_id" not in at().session


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("login", {"email": "x@example.org", "password": "wrong"}),
        ("signup", {"email": "x@example.org"}),
        ("password/request", {"email": "not one"}),
        ("password/reset", {"key": "nothing", "password": "x"}),
        ("email/verify", {"key": "nothing"}),
    ],
)
def test_an_address_asks_only_so_often(settings, path, said):
    settings.LIMITS["sign-in"] = (2, 60)
    for _ in range(2):
        assert at().post(f"{API}/{path}", said, "application/json").status_code in (400, 401, 409)
    assert is_refused(at().post(f"{API}/{path}", said, "application/json"))
    assert at().post("/accounts/signup/", {}).status_code == 429
    assert at().get("/accounts/signup/").status_code == 200
    assert at("192.0.2.2").post(f"{API}/{path}", said, "application/json").status_code != 429


def test_an_address_gets_only_so_many_letters(rita, settings):
    settings.LIMITS["letter"] = (2, 60)
    ask = {"email": rita.email}
    for n in range(2):
        assert at(f"192.0.2.{n}").post(f"{API}/password/request", ask, "application/json").status_code == 200
    assert is_refused(at("192.0.2.9").post(f"{API}/password/request", ask, "application/json"))
    assert len(mail.outbox) == 2


def test_signing_up_is_not_undone_by_a_letter_too_many(settings):
    settings.LIMITS["letter"] = (1, 60)
    ann = {"email": "ann@example.org"}
    assert at().post(f"{API}/password/request", ann, "application/json").status_code == 200  # "you have no account"
    assert at().post(f"{API}/signup", {**ann, "password": make.PASSWORD}, "application/json").status_code == 200
    assert sign_in(at(), email=ann["email"]).status_code == 200
    assert len(mail.outbox) == 1
