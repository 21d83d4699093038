"""Deleting an account: the person is found in no table, and what rests on the work stands."""

import json
from typing import Any

import pytest
from allauth.account.models import EmailAddress
from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.contenttypes.models import ContentType
from django.contrib.sessions.models import Session
from django.core import mail
from django.db import connection
from django.test import Client
from django.urls import reverse

from marketplace import accounts, jobs
from marketplace.core.models import Reply
from marketplace.models import AuditEvent, User
from payments import ledger, payouts
from payments.models import Transfer
from tasks import appeals, assignments, audit, decisions, erasure
from tasks.erasure import CannotErase
from tasks.exports import jsonl, labels
from tasks.models import Answer, Appeal, Assignment, Batch
from tests import make
from tests.conftest import signed_in
from tests.payments import made
from tests.tasks import work
from tests.workers.test_documents import from_elsewhere
from workers import documents, notices, profiles, self_descriptions
from workers.models import SelfDescription, Worker

pytestmark = pytest.mark.django_db

ADDRESS, SECOND, NAME = "wesley.quince@example.org", "quince@second.example", "Wesley Quince"
TYPED = {
    "statement": "My statement is about zebras.",
    "more": "My second statement is about okapis.",
    "draft": "My draft is about giraffes.",
    "key": "My key is for pelicans.",
    "notice": "A notice about ibexes.",
    "record": "https://other.example",
}
MARKS = [ADDRESS, SECOND, NAME, "wesley", *TYPED.values()]


def everything() -> str:
    """Every row of every table as text, and what sessions hold."""
    with connection.cursor() as sql:
        found = []
        for table in connection.introspection.table_names():
            sql.execute(f'SELECT t::text FROM "{table}" t')
            found += [f"{table} {row}" for (row,) in sql.fetchall()]
    found += [f"session {json.dumps(session.get_decoded(), default=str)}" for session in Session.objects.all()]
    return "\n".join(found)


def places(mark: str) -> list[str]:
    return [line[:300] for line in everything().splitlines() if mark.lower() in line.lower()]


def forget_sessions(user: User) -> None:
    """What the cluster does."""
    jobs.end_sessions(user.pk)


def quince() -> User:
    """Wes under a name that no other word contains."""
    user = User.objects.create_user(ADDRESS, make.PASSWORD, name=NAME)
    EmailAddress.objects.create(user=user, email=ADDRESS, verified=True, primary=True)
    EmailAddress.objects.create(user=user, email=SECOND)
    return user


def signed_in_by_hand(user: User) -> Client:
    client = Client()
    client.post(reverse("account_login"), {"login": user.email, "password": make.PASSWORD})
    return client


def lived(user: User, settings: Any) -> Batch:
    """He worked and was paid, contested, wrote, and left traces wherever one can be left."""
    worker, rita, ada = profiles.of(user), make.user("rita"), make.user("ada", staff=True)
    batch = work.published(items=12, practice_size=0, page_size=3)
    first = list(work.work(worker, batch).answers.order_by("position"))
    client = signed_in_by_hand(user)
    refused = decisions.reject(first[0], rita, "wrong", "No.")
    contested = client.post(
        f"/api/v1/work/decisions/{refused.public_id}/appeal",
        {"statement": TYPED["statement"]},
        "application/json",
        headers={"Idempotency-Key": "once"},
    )
    assert contested.status_code == 201, contested.content
    appeals.state_more(Appeal.objects.get(), user, TYPED["more"])
    appeals.dismiss(Appeal.objects.get(), ada, "It is none.")
    decisions.accept(first[1:], rita)
    lease = assignments.claim(worker, batch.project)
    assignments.keep_draft(lease, {"0": {"animal": TYPED["draft"]}})
    assignments.give_back(lease)
    Assignment.objects.filter(pk=lease.pk).update(draft={"0": TYPED["draft"]})
    accounts.issue_key(user, TYPED["key"], ["work"])
    accounts.add_member(batch.project.organisation, ADDRESS, "reviewer", rita)
    accounts.remove_member(batch.project.organisation.memberships.get(user=user), rita)
    accounts.add_member(make.organisation(make.user("olga")), ADDRESS, "reviewer", make.user("olga"))
    notices.tell(user, "other", TYPED["notice"], TYPED["notice"])
    documents.keep(worker, from_elsewhere(settings, profiles.of(make.user("there")), holder=worker.public_id))
    kind = ContentType.objects.get_for_model(User)
    LogEntry.objects.create(user=ada, content_type=kind, object_id=str(user.pk), object_repr=NAME, action_flag=CHANGE)
    LogEntry.objects.create(user=ada, object_id="1", object_repr=SECOND, action_flag=CHANGE)
    work.sweep()
    work.earned(profiles.of(user), 2_000_000)
    while payouts.available_micros(user, "USD", "sandbox") >= settings.PAYOUT_LEAST_MICROS:
        paid = payouts.request(user)
        ended(paid.pk)
    return batch


def ended(payout: int) -> None:
    """The payout is paid."""
    payouts._end(payout, "paid", provider_id="sandbox")


def labels_of(batch: Batch) -> bytes:
    return b"".join(jsonl.write(labels.rows(batch)))


def reasons(user: User) -> set[str]:
    return {one.code for one in erasure.obstacles(User.objects.get(pk=user.pk))}


def test_the_person_is_in_no_column_of_any_table_afterwards(settings):
    user = quince()
    batch = lived(user, settings)
    for mark in MARKS:
        assert places(mark), f"the control: {mark} is there before"
    before, answers, paid = labels_of(batch), _answers(user), Transfer.objects.count()
    erasure.erase(user, leave_rest=True)
    forget_sessions(user)
    for mark in MARKS:
        assert places(mark) == []
    assert labels_of(batch) == before
    assert _answers(user) == answers
    assert Transfer.objects.count() == paid
    assert ledger.audit() == []
    assert audit.check() == []


def _answers(user: User) -> list[Any]:
    return list(Answer.objects.filter(worker__user=user).order_by("pk").values())


def test_every_way_in_is_closed(settings):
    user = quince()
    _, secret = accounts.issue_key(user, "ci", ["work"])
    client = signed_in_by_hand(user)
    assert client.get(reverse("account")).status_code == 200
    erasure.erase(user)
    assert client.get(reverse("account")).status_code == 302
    key = Client(headers={"Authorization": f"Bearer {secret}"})
    assert key.get("/api/v1/me").status_code == 401
    again = Client()
    again.post(reverse("account_login"), {"login": ADDRESS, "password": make.PASSWORD})
    assert again.get(reverse("account")).status_code == 302
    user.refresh_from_db()
    assert not user.has_usable_password()
    assert not (user.is_active)
    assert not (user.is_staff)
    assert not (user.is_superuser)
    assert not user.memberships.exists()
    assert not Reply.objects.filter(user=user).exists()


def test_nobody_works_under_the_key_any_more(wes):
    batch, worker = work.published(), profiles.of(wes)
    erasure.erase(wes)
    with pytest.raises(Exception, match=r".+"):
        assignments.claim(Worker.objects.get(pk=worker.pk), batch.project)
    assert not Assignment.objects.exists()
    profiles.reinstate(Worker.objects.get(pk=worker.pk))
    assert Worker.objects.get(pk=worker.pk).state == "erased"


def test_the_address_is_free_for_another_account(wes):
    erasure.erase(wes)
    other = make.user("wes")
    assert other.pk != wes.pk
    assert not other.erased_at


def test_what_was_said_for_reports_over_groups_is_deleted(wes):
    self_descriptions.say(profiles.of(wes), {"region": "oceania", "gender": "another"}, consents=True)
    assert places("oceania"), "the control: it is there before"
    erasure.erase(wes)
    assert places("oceania") == []
    assert not SelfDescription.objects.exists()


def test_it_happens_once_and_a_letter_tells(wes):
    erasure.erase(wes)
    wes.refresh_from_db()
    at = wes.erased_at
    erasure.erase(wes)
    wes.refresh_from_db()
    assert (wes.erased_at, wes.email) == (at, f"{wes.public_id}@erased.invalid")
    assert [letter.to for letter in mail.outbox] == [["wes@example.org"]]
    assert AuditEvent.objects.filter(verb="erase", target_id=wes.pk).count() == 1


def test_a_mail_server_that_is_away_keeps_nobody_here(wes, monkeypatch):
    def away(*args: Any, **options: Any) -> None:
        raise ConnectionRefusedError

    monkeypatch.setattr(erasure, "send_mail", away)
    erasure.erase(wes)
    wes.refresh_from_db()
    assert wes.erased_at


def test_a_refusal_changes_nothing_and_sends_no_letter(wes):
    batch = work.published()
    assignments.claim(profiles.of(wes), batch.project)
    before = everything()
    with pytest.raises(CannotErase) as refused:
        erasure.erase(wes)
    assert refused.value.facts["obstacles"][0]["code"] == "leases"
    assert everything() == before
    assert mail.outbox == []


def test_pages_are_given_back_first(wes):
    batch = work.published()
    assignments.claim(profiles.of(wes), batch.project)
    client = signed_in(wes)
    assert "Give back the pages I hold" in client.get(reverse("erase")).content.decode()
    client.post(reverse("erase-give-back"))
    assert reasons(wes) == set()


def test_answers_that_wait_are_paid_first(wes, rita):
    batch = work.published(items=2, page_size=2)
    lease = work.work(profiles.of(wes), batch)
    assert reasons(wes) == {"waiting"}
    decisions.accept(list(lease.answers.select_related("batch")), rita)
    assert reasons(wes) == {"waiting"}
    work.sweep()
    assert reasons(wes) == {"rest"}


def test_answers_that_were_rejected_wait_for_nothing(wes, rita):
    batch = work.published(items=1, page_size=1)
    decisions.reject(work.work(profiles.of(wes), batch).answers.get(), rita, "wrong", "No.")
    assert reasons(wes) == set()


def test_earnings_are_paid_out_first_and_the_rest_may_be_given_up(wes):
    work.earned(profiles.of(wes), 2_500_001)
    assert reasons(wes) == {"earnings"}
    with pytest.raises(CannotErase):
        erasure.erase(wes, leave_rest=True)
    payout = payouts.request(wes, 2_000_000)
    assert reasons(wes) == {"payout", "rest"}
    ended(payout.pk)
    assert reasons(wes) == {"rest"}
    with pytest.raises(CannotErase):
        erasure.erase(wes)
    erasure.erase(wes, leave_rest=True)
    assert ledger.audit() == []
    assert wes.accounts.get(kind="earnings").balance_micros == 500_001


def test_a_part_of_a_cent_stands_in_nobodys_way(wes):
    work.earned(profiles.of(wes), 9_000)
    assert reasons(wes) == set()


def test_an_open_appeal_is_decided_first(wes, rita, ada):
    batch = work.published(items=1, page_size=1)
    refused = decisions.reject(work.work(profiles.of(wes), batch).answers.get(), rita, "wrong", "No.")
    appeal = appeals.contest(refused, profiles.of(wes), "It is one.")
    assert reasons(wes) == {"appeal"}
    appeals.dismiss(appeal, ada, "It is none.")
    assert reasons(wes) == set()


def test_an_organisation_with_somebody_or_something_keeps_its_only_owner(rita, wes):
    home = make.organisation(rita)
    assert reasons(rita) == set()
    member = accounts.add_member(home, wes.email, "manager", rita)
    assert reasons(rita) == {"organisation"}
    accounts.change_role(member, "owner", rita)
    assert reasons(rita) == set()
    accounts.remove_member(member, rita)
    made.prepaid(home, 1)
    assert reasons(rita) == {"organisation"}
    assert reasons(wes) == set()


def test_an_organisation_of_two_owners_goes_on_with_the_other(rita, wes):
    home = make.organisation(rita)
    made.prepaid(home, 1)
    accounts.add_member(home, wes.email, "owner", rita)
    erasure.erase(rita)
    assert [one.user for one in home.memberships.all()] == [wes]


def test_the_page_wants_the_password(wes):
    client = signed_in(wes)
    page = client.get(reverse("erase")).content.decode()
    assert "What goes" in page
    assert "10 years" in page
    wrong = client.post(reverse("erase"), {"password": "something else"}).content.decode()
    assert "This is not your password" in wrong
    wes.refresh_from_db()
    assert wes.erased_at is None
    gone = client.post(reverse("erase"), {"password": make.PASSWORD}, follow=True).content.decode()
    assert "Your account is deleted" in gone
    wes.refresh_from_db()
    assert wes.erased_at


def test_guesses_at_the_password_are_counted(wes, settings):
    settings.LIMITS = {**settings.LIMITS, "failed-sign-in": (2, 300)}
    client = signed_in(wes)
    for _ in range(2):
        assert client.post(reverse("erase"), {"password": "a guess"}).status_code == 200
    locked = client.post(reverse("erase"), {"password": make.PASSWORD})
    wes.refresh_from_db()
    assert wes.erased_at is None
    assert "too often" in locked.content.decode().lower() or locked.status_code == 429


def test_the_api_does_the_same_and_no_key_may(wes):
    batch = work.published()
    lease = assignments.claim(profiles.of(wes), batch.project)
    client, path = signed_in(wes), "/api/v1/me/erasure"
    assert [one["code"] for one in client.get(path).json()["obstacles"]] == ["leases"]
    right = {"password": make.PASSWORD}
    refusal = client.post(path, right, "application/json")
    assert (refusal.status_code, refusal.json()["type"]) == (409, "/problems/cannot-erase")
    assert refusal.json()["obstacles"][0]["code"] == "leases"
    assignments.give_back(lease)
    assert client.post(path, {"password": "no"}, "application/json").status_code == 422
    _, secret = accounts.issue_key(wes, "ci", ["work", "offer"])
    key = Client(headers={"Authorization": f"Bearer {secret}"})
    assert key.post(path, right, "application/json").status_code == 403
    assert client.post(path, right, "application/json").status_code == 204
    assert client.get("/api/v1/me").status_code in (401, 403)
    wes.refresh_from_db()
    assert wes.erased_at


def test_sessions_of_others_stay(wes, sam):
    theirs, mine = signed_in(sam), signed_in(wes)
    erasure.erase(wes)
    place = accounts.end_sessions(wes.pk, limit=1)
    while place:
        place = accounts.end_sessions(wes.pk, place, limit=2)
    assert theirs.get(reverse("account")).status_code == 200
    assert mine.get(reverse("account")).status_code == 302
    assert Session.objects.count() <= 2


def test_the_worker_cannot_be_told_from_pages_of_the_requester(settings):
    user = quince()
    batch = lived(user, settings)
    erasure.erase(user, leave_rest=True)
    client = signed_in(make.user("rita"))
    for name in ("project", "answers"):
        named = batch.project.public_id if name == "project" else batch.public_id
        page = client.get(reverse(name, args=[named])).content.decode()
        assert user.public_id not in page
        assert NAME not in page
