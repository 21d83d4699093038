"""Limits at the edges of the API and of pages."""

import pytest
from django.urls import reverse

from marketplace.core import limits
from marketplace.models import Organisation
from payments.models import Prepayment
from tests import make
from tests.conftest import signed_in
from tests.tasks import work

pytestmark = pytest.mark.django_db


def is_refused(response):
    if response.status_code != 429:
        return False
    assert response["Content-Type"] == "application/problem+json"
    assert response.json()["type"] == "/problems/too-many-requests"
    assert response["Retry-After"] == str(response.json()["retry_after_s"])
    return True


@pytest.fixture
def lab(rita) -> Organisation:
    return make.organisation(rita)


def test_a_caller_who_is_too_fast_is_told_when_to_come_again(as_rita, as_sam, settings, monkeypatch):
    monkeypatch.setattr(limits, "_busy_until", {})
    settings.PACES["api"] = (1, 3)
    for _ in range(3):
        assert as_rita.get("/api/v1/me").status_code == 200
    assert is_refused(as_rita.get("/api/v1/organisations"))
    assert as_sam.get("/api/v1/me").status_code == 200


def test_claims_have_a_pace_of_their_own(wes, settings, monkeypatch):
    monkeypatch.setattr(limits, "_busy_until", {})
    settings.PACES |= {"api": (1, 1), "hot": (1, 2)}
    batch = work.published(items=9)
    client, path = signed_in(wes), f"/api/v1/work/projects/{batch.project.public_id}/claim"
    assert client.post(path, {}, "application/json").status_code == 201
    assert client.post(path, {}, "application/json").status_code == 200
    assert is_refused(client.post(path, {}, "application/json"))
    assert client.get("/api/v1/me").status_code == 200


def test_prepayments_are_counted_for_each_person_by_page_and_api(as_rita, lab, settings):
    settings.LIMITS = {**settings.LIMITS, "prepayment": (2, 60)}
    path, said = f"/api/v1/organisations/{lab.public_id}/prepayments", {"amount_micros": 10_000, "currency": "USD"}
    page = reverse("money", args=[lab.public_id])
    assert as_rita.post(path, said, "application/json").status_code == 201
    assert as_rita.post(page, {"amount_micros": "1", "currency": "USD"}).status_code == 302
    assert is_refused(as_rita.post(path, said, "application/json"))
    assert "too often" in as_rita.post(page, {"amount_micros": "1", "currency": "USD"}).text
    assert Prepayment.objects.count() == 2
    assert as_rita.get(path).status_code == 200


def test_payouts_are_counted_also_where_nothing_is_there_to_pay(as_rita, settings):
    settings.LIMITS = {**settings.LIMITS, "payout": (2, 60)}
    for _ in range(2):
        assert as_rita.post("/api/v1/payouts", {}, "application/json").status_code in (409, 422)
    assert is_refused(as_rita.post("/api/v1/payouts", {}, "application/json"))


def test_publishing_is_counted(rita, as_rita, lab, settings):
    settings.LIMITS = {**settings.LIMITS, "publish": (1, 60)}
    project = make.project(lab)
    path, said = f"/api/v1/projects/{project.public_id}/publish", {"dataset": "dts_nothing"}
    assert as_rita.post(path, said, "application/json").status_code == 404
    assert is_refused(as_rita.post(path, said, "application/json"))
