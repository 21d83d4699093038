"""Grants of organisations and of the site: who may give them, to whom, for how long, and how they end and come back."""

from datetime import timedelta
from typing import Any

import pytest
from django.db import IntegrityError, transaction

from marketplace import accounts
from marketplace.core import clock
from marketplace.core.errors import Forbidden, IllegalMove, Invalid
from marketplace.models import AuditEvent, Organisation
from tests import make
from tests.tasks import work
from workers import credentials, lists, profiles, qualifications
from workers.models import CredentialRequest, Grant, Notice, Qualification, Worker

pytestmark = pytest.mark.django_db


@pytest.fixture
def lab(rita) -> Organisation:
    return make.organisation(rita)


@pytest.fixture
def worker(wes) -> Worker:
    return work.worker("wes")


@pytest.fixture
def birds(lab, rita) -> Qualification:
    return qualifications.define(lab, rita, "Birds", "Knows owls.")


def holds(worker: Worker, qualification: Qualification) -> bool:
    return qualifications.counting(worker.grants.all(), clock.now()).filter(qualification=qualification).exists()


def told(worker: Worker) -> list[str]:
    return list(Notice.objects.filter(user=worker.user_id).order_by("pk").values_list("kind", flat=True))


# An organisation's own


def test_managers_define_each_name_once_and_others_do_not(lab, rita, sam, birds):
    with pytest.raises(Forbidden):
        qualifications.define(lab, sam, "Cats")
    with pytest.raises(qualifications.NameTaken):
        qualifications.define(lab, rita, "Birds")
    assert qualifications.define(make.organisation(make.user("olga")), make.user("olga"), "Birds")
    for name in ("", "   ", "x" * 121):
        with pytest.raises(Invalid):
            qualifications.define(lab, rita, name)
    with pytest.raises(IntegrityError), transaction.atomic():
        Qualification.objects.create(kind="organisation", organisation=lab, name="Birds")
    with pytest.raises(IntegrityError), transaction.atomic():
        Qualification.objects.create(kind="site", organisation=lab, name="Nurse")
    assert AuditEvent.objects.filter(verb="define").count() == 2


def test_a_grant_has_a_score_an_end_and_where_it_came_from(lab, rita, worker, birds):
    name = profiles.introduce(worker, lab)
    (grant,) = qualifications.give(birds, rita, [(name, 0.9)], days=1)
    assert (grant.score, grant.origin, grant.granted_by, grant.worker) == (0.9, "member", rita, worker)
    assert grant.expires_at == pytest.approx(clock.now() + timedelta(days=1), abs=timedelta(minutes=1))
    assert holds(worker, birds)
    assert told(worker) == ["qualification"]
    assert qualifications.give(birds, rita, [(name, 0.9)]) != [grant]  # another end
    (third,) = qualifications.give(birds, rita, [(name, 0.4)])
    assert qualifications.give(birds, rita, [(name, 0.4)]) == [third]  # nothing new
    assert Grant.objects.filter(worker=worker, revoked_at=None).count() == 1
    assert len(told(worker)) == 3


def test_who_is_not_known_gets_nothing_nor_anybody_beside_them(lab, rita, worker, birds):
    name = profiles.introduce(worker, lab)
    elsewhere = profiles.introduce(worker, make.organisation(make.user("olga")))
    for listed in ([(name, 1.0), ("w_0123456789abcdef", 1.0)], [(name, 1.0), (elsewhere, 1.0)]):
        with pytest.raises(Invalid) as refused:
            qualifications.give(birds, rita, listed)
        assert [error["path"] for error in refused.value.facts["errors"]] == ["workers[1]"]
    assert not Grant.objects.exists()


def test_reviewers_and_strangers_give_and_revoke_nothing(lab, rita, sam, worker, birds):
    rosa = make.user("rosa")
    accounts.add_member(lab, rosa.email, "reviewer", rita)
    name = profiles.introduce(worker, lab)
    for person in (sam, rosa, worker.user):
        with pytest.raises(Forbidden):
            qualifications.give(birds, person, [(name, 1.0)])
        with pytest.raises(Forbidden):
            qualifications.revoke(birds, person, name, "No.")
    practice = qualifications.grant(worker, make.project(lab), 1.0).qualification
    with pytest.raises(Invalid):
        qualifications.give(practice, rita, [(name, 1.0)])  # that one is earned


def test_revoking_wants_a_reason_which_the_worker_reads(lab, rita, worker, birds):
    name = profiles.introduce(worker, lab)
    with pytest.raises(Invalid):
        qualifications.revoke(birds, rita, name, "No.")  # does not hold it
    qualifications.give(birds, rita, [(name, 1.0)])
    for reason in ("", " ", "x" * 2001):
        with pytest.raises(Invalid):
            qualifications.revoke(birds, rita, name, reason)
    ended = qualifications.revoke(birds, rita, name, "It was a mistake.")
    assert not holds(worker, birds)
    assert Grant.objects.get(pk=ended.pk).ended_because == "It was a mistake."
    assert Notice.objects.filter(user=worker.user_id).latest("pk").text == "It was a mistake."


def test_a_list_is_read_with_every_bad_line_told(settings):
    good = "worker,score\nw_0123456789abcdef,0.5\n\n w_0123456789abcde0 ,\n"
    assert lists.read(good, scored=True, default=1.0) == [("w_0123456789abcdef", 0.5), ("w_0123456789abcde0", 1.0)]
    with pytest.raises(Invalid) as refused:
        lists.read("wes\nw_0123456789abcdef,x\nw_0123456789abcdef,nan\nw_0123456789abcdef,1\n", scored=True)
    assert [error["path"] for error in refused.value.facts["errors"]] == ["line 1", "line 2", "line 3"]
    settings.LIST_MOST_ROWS = 2
    assert len(lists.read("w_0123456789abcdef\n" * 2)) == 2
    with pytest.raises(Invalid):
        lists.read("w_0123456789abcdef\n" * 3)


# Ended and restored


def test_ending_is_undone_with_the_time_it_took(lab, rita, worker, birds):
    (grant,) = qualifications.give(birds, rita, [(profiles.introduce(worker, lab), 1.0)], days=10)
    until = grant.expires_at
    assert qualifications.end(grant, "Too many are wrong.")
    assert not qualifications.end(grant, "Again.")
    assert not holds(worker, birds)
    Grant.objects.filter(pk=grant.pk).update(revoked_at=clock.now() - timedelta(days=3))
    restored = qualifications.restore(grant)
    assert holds(worker, birds)
    assert restored.expires_at == pytest.approx(until + timedelta(days=3), abs=timedelta(minutes=1))
    assert qualifications.restore(grant) == restored
    assert (restored.score, restored.ended_because) == (1.0, "")


def test_restoring_beside_another_that_counts_changes_nothing_and_beside_one_that_expired_it_counts(lab, worker):
    project = make.project(lab)
    first = qualifications.grant(worker, project, 0.8)
    qualifications.end(first, "A reason.")
    second = qualifications.grant(worker, project, 0.9)
    assert second != first
    assert qualifications.restore(first) == second
    assert Grant.objects.get(revoked_at=None) == second
    Grant.objects.filter(pk=second.pk).update(expires_at=clock.now())
    assert qualifications.restore(first) == first
    assert Grant.objects.get(revoked_at=None) == first


def test_a_test_that_was_passed_counts_for_its_term_and_may_be_passed_again_after_it(lab, worker):
    project = make.project(lab, practice_size=1, grant_days=30)
    first = qualifications.grant(worker, project, 0.8)
    assert first.expires_at == pytest.approx(clock.now() + timedelta(days=30), abs=timedelta(minutes=1))
    assert qualifications.grant(worker, project, 1.0) == first
    Grant.objects.filter(pk=first.pk).update(expires_at=clock.now())
    assert not qualifications.meets(worker, project)
    second = qualifications.grant(worker, project, 0.9, Grant.Origin.EXAM)
    assert (second.score, second.origin) == (0.9, "exam")
    assert qualifications.meets(worker, project)
    assert Grant.objects.get(pk=first.pk).ended_because == "It expired."


# Of the site


@pytest.fixture
def nurse(ada) -> Qualification:
    return qualifications.define_credential(ada, "Nurse")


def test_a_worker_asks_an_admin_verifies_and_the_worker_holds_it(worker, ada, nurse):
    for statement in ("", " ", "x" * 2001):
        with pytest.raises(Invalid):
            credentials.ask(worker, nurse, statement)
    asked = credentials.ask(worker, nurse, "Registered as 123.")
    assert credentials.ask(worker, nurse, "Again.") == asked
    grant = credentials.verify(asked, ada, days=365)
    assert (grant.origin, grant.granted_by, grant.score) == ("verified", ada, 1.0)
    assert holds(worker, nurse)
    assert told(worker) == ["qualification"]
    with pytest.raises(credentials.CredentialHeld):
        credentials.ask(worker, nurse, "Once more.")
    with pytest.raises(IllegalMove):
        credentials.verify(asked, ada)
    credentials.withdraw(grant, ada, "It was not yours.")
    assert not holds(worker, nurse)
    assert credentials.ask(worker, nurse, "It is.").pk != asked.pk


def test_declining_wants_a_reason_and_they_may_ask_again(worker, ada, nurse):
    asked = credentials.ask(worker, nurse, "I am one.")
    with pytest.raises(Invalid):
        credentials.decline(asked, ada, " ")
    credentials.decline(asked, ada, "There is no such number.")
    assert not holds(worker, nurse)
    assert Notice.objects.get(user=worker.user_id).text == "There is no such number."
    assert credentials.ask(worker, nurse, "It is 124.") != asked


def test_only_staff_decide_and_nobody_about_themselves(worker, rita, ada, nurse):
    asked = credentials.ask(worker, nurse, "I am one.")
    for person in (rita, worker.user):
        with pytest.raises(Forbidden):
            credentials.verify(asked, person)
        with pytest.raises(Forbidden):
            credentials.decline(asked, person, "No.")
        with pytest.raises(Forbidden):
            qualifications.define_credential(person, "Pilot")
    own = credentials.ask(profiles.of(ada), nurse, "I am one, too.")
    with pytest.raises(Forbidden):
        credentials.verify(own, ada)
    assert CredentialRequest.objects.filter(state="open").count() == 2


def test_so_many_requests_wait_at_most(worker, ada):
    made = [qualifications.define_credential(ada, f"Number {n}") for n in range(credentials.OPEN_MOST + 1)]
    for one in made[:-1]:
        credentials.ask(worker, one, "I have it.")
    with pytest.raises(credentials.TooManyRequestsOpen):
        credentials.ask(worker, made[-1], "I have it.")


# What people state


@pytest.mark.parametrize(
    ("stated", "paths"),
    [
        ({"languages": {"de": "C1", "en": ""}, "country": "DE"}, []),
        ({"languages": {}, "country": ""}, []),
        ({"languages": {"xx": ""}}, ["languages"]),
        ({"languages": {"de": "Z9"}}, ["languages"]),
        ({"languages": ["de"]}, ["languages"]),
        ({"languages": {"de": "C1", "xx": ""}, "country": "Germany"}, ["languages", "country"]),
        ({"languages": dict.fromkeys(list(__import__("workers.codes").codes.LANGUAGES)[:21], "")}, ["languages"]),
    ],
)
def test_what_is_stated_is_a_known_language_level_and_country(worker, stated: dict[str, Any], paths):
    if not paths:
        profiles.state(worker, **stated)
    else:
        with pytest.raises(Invalid) as refused:
            profiles.state(worker, **stated)
        assert [error["path"] for error in refused.value.facts["errors"]] == paths
    worker.refresh_from_db()
    expected = stated if not paths else {"languages": {}, "country": ""}
    assert (worker.languages, worker.country) == (expected["languages"], expected["country"])
