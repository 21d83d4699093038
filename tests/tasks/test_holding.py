"""Payouts held by a decision: who may, for how long, how it ends, and what the worker is told."""

from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction
from django.urls import reverse

from marketplace.core import clock
from marketplace.core.errors import Forbidden, Invalid
from payments import holds
from payments.models import Hold
from tasks import appeals, decisions, holding, jobs
from tasks.models import Appeal, Decision
from tests import make
from tests.conftest import signed_in
from tests.tasks import work
from workers.models import Notice, Worker

pytestmark = pytest.mark.django_db
WHY = {"reason_code": "fraud", "reason": "Three cards of one bank were reported stolen."}


@pytest.fixture
def wes() -> Worker:
    return work.worker("wes")


@pytest.fixture
def ada():
    return make.user("ada", staff=True)


def test_a_hold_is_in_force_until_its_end_and_the_worker_is_told_why(wes, ada):
    decision = holding.place(wes, ada, days=3, rests_on="Payouts pay_1 and pay_2.", **WHY)
    assert holds.in_force(wes.user) == decision.hold
    assert decision.hold.until == decision.until
    assert holds.in_force(wes.user, clock.now() + timedelta(days=3)) is None
    told = Notice.objects.get(user=wes.user)
    assert told.subject == "Payouts to you are held for a while"
    assert "Three cards" in told.text
    assert "It ends by itself on" in told.text
    assert "You can contest it until" in told.text
    client = signed_in(wes.user)
    page = client.get(reverse("earnings")).content.decode()
    assert "Payouts to you are held" in page
    assert reverse("decision", args=[decision.public_id]) in page
    assert "pay_1 and pay_2" in client.get(reverse("decision", args=[decision.public_id])).content.decode()
    Hold.objects.update(since=clock.now() - timedelta(days=9), until=clock.now() - timedelta(days=1))
    Decision.objects.update(until=Hold.objects.get().until)
    assert "are held" not in client.get(reverse("earnings")).content.decode()


def test_an_appeal_that_is_upheld_lifts_it(wes, ada):
    decision = holding.place(wes, ada, days=3, **WHY)
    appeal = appeals.contest(decision, wes, "My name is not on any of them.")
    with pytest.raises(Forbidden):
        appeals.uphold(appeal, ada, "Mine was a mistake.")
    appeals.uphold(appeal, make.user("abe", staff=True), "They are of somebody else.")
    assert holds.in_force(wes.user) is None
    assert Hold.objects.get().lifted_at


def test_an_appeal_that_nobody_decides_in_time_lifts_it(wes, ada):
    appeals.contest(holding.place(wes, ada, days=30, **WHY), wes, "It was not me.")
    Appeal.objects.update(due_at=clock.now())
    jobs.uphold_overdue()
    assert holds.in_force(wes.user) is None


def test_of_two_holds_one_undone_leaves_the_other(wes, ada):
    first, second = (holding.place(wes, ada, days=days, **WHY) for days in (5, 3))
    decisions.withdraw(first, ada, "It was the wrong one.")
    assert holds.in_force(wes.user) == second.hold
    assert holding.in_force(wes.user) == second


@pytest.mark.parametrize("days", [0, -1, 31, 365])
def test_no_hold_lasts_longer_than_the_operator_says_nor_ends_before_it_begins(wes, ada, days, settings):
    settings.HOLD_MOST_DAYS = 30
    with pytest.raises(Invalid):
        holding.place(wes, ada, days=days, **WHY)
    assert not Hold.objects.exists()
    assert holding.place(wes, ada, days=30, **WHY).hold


def test_a_hold_has_an_end_and_is_the_operators(wes, ada):
    batch = work.published()
    with pytest.raises(Invalid):
        decisions.decide("hold", wes, by=ada, **WHY)
    until = clock.now() + timedelta(days=1)
    with pytest.raises(Invalid):
        decisions.decide("hold", wes, by=ada, until=until, project=batch.project, **WHY)
    for by in (make.user("rita"), wes.user):
        with pytest.raises(Forbidden):
            holding.place(wes, by, days=1, **WHY)
        with pytest.raises(Forbidden):
            decisions.decide("hold", wes, by=by, until=until, organisation=batch.project.organisation, **WHY)
    assert not Hold.objects.exists()


def test_no_manager_suspends_somebody_in_an_organisations_name(wes):
    batch = work.published()
    with pytest.raises(Forbidden):
        decisions.decide("suspend", wes, by=make.user("rita"), organisation=batch.project.organisation, **WHY)
    wes.refresh_from_db()
    assert wes.state == "active"


def test_the_database_refuses_a_hold_without_an_end_or_a_person(wes, ada):
    decision = holding.place(wes, ada, days=1, **WHY)
    for wrong, name in (({"until": None}, "decision_hold_ends"), ({"decided_by": None}, "decision_has_author")):
        with pytest.raises(IntegrityError, match=name), transaction.atomic():
            Decision.objects.filter(pk=decision.pk).update(**wrong)


def test_an_admin_places_it_on_the_page_of_the_worker_and_by_the_api(wes, ada):
    address = reverse("admin:workers_worker_change", args=[wes.pk])
    client = signed_in(ada)
    assert "Hold payouts" in client.get(address).content.decode()
    client.post(address, {**WHY, "days": "0"})
    assert not Hold.objects.exists()
    client.post(address, {**WHY, "days": "2"})
    assert Hold.objects.count() == 1
    wes.refresh_from_db()
    assert wes.state == "active"
    sent = {**WHY, "worker": wes.public_id, "days": 2, "rests_on": "pay_1"}
    reply = client.post("/api/v1/holds", sent, "application/json")
    assert (reply.status_code, reply.json()["state"]) == (201, "standing")
    assert Hold.objects.count() == 2
    assert client.post("/api/v1/holds", {**sent, "days": 31}, "application/json").status_code == 422
    for name in ("sam", "wes", "rita"):
        assert signed_in(make.user(name)).post("/api/v1/holds", sent, "application/json").status_code in (403, 404)
    assert Hold.objects.count() == 2
