"""A worker's own record, its pages and its signed copy."""

import json
from typing import Any

import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from marketplace import accounts
from payments import balances, payouts
from payments.gateway import Refused
from payments.models import Payout
from tasks import appeals, assignments, decisions, record
from tasks.models import Answer, Batch, Decision
from tests import make
from tests.conftest import signed_in
from tests.tasks import work
from tests.workers.test_documents import from_elsewhere
from workers import documents, profiles
from workers.models import ForeignRecord, OverallReliability, Reliability, Worker

pytestmark = pytest.mark.django_db


@pytest.fixture
def wes_at_work() -> tuple[Worker, Batch]:
    """Wes has handed in ten answers: one rejected, one not used, one that was upheld on appeal, seven accepted."""
    batch = work.published(items=10, practice_size=0, page_size=10)
    wes, rita, ada = work.worker(), make.user("rita"), make.user("ada", staff=True)
    answers = list(work.work(wes, batch).answers.order_by("position"))
    decisions.reject(answers[0], rita, "wrong", "No.")
    decisions.exclude(answers[1], rita, "damaged", "The picture is broken.")
    contested = decisions.reject(answers[2], rita, "wrong", "No.")
    appeals.uphold(appeals.contest(contested, wes, "It is one."), ada, "It is one.")
    decisions.accept(list(Answer.objects.filter(worker=wes, state="submitted").select_related("batch")), rita)
    work.sweep()
    return wes, batch


def as_wes() -> Client:
    return signed_in(make.user("wes"))


def api(client: Client, method: str, path: str, body: Any = None) -> Any:
    return getattr(client, method)(f"/api/v1/{path}", body, "application/json")


def test_the_record_counts_what_became_of_the_answers(wes_at_work):
    wes, batch = wes_at_work
    found = record.of(wes)
    assert found.work == record.Work(handed_in=10, waiting=0, accepted=8, rejected=1, excluded=1)
    assert found.is_whole
    assert [(row.project.pk, row.work) for row in found.projects] == [(batch.project_id, found.work)]
    assert record.of(work.worker("sam")).work == record.Work()


def test_decisions_stand_with_what_came_of_them(wes_at_work):
    found = {(row.kind, row.state, row.appeal, row.is_final): row.count for row in record.of(wes_at_work[0]).decisions}
    assert found == {
        ("exclude", "standing", "", False): 1,
        ("reject", "standing", "", False): 1,
        ("reject", "overturned", "upheld", True): 1,
    }


def test_only_final_decisions_are_signed(wes_at_work):
    wes, _ = wes_at_work
    said = documents.verify(record.portable(wes))["record"]["decisions"]
    assert said == [{"kind": "reject", "state": "overturned", "appeal": "upheld", "count": 1}]
    Decision.objects.update(contestable_until="2020-01-01T00:00:00Z")
    assert len(documents.verify(record.portable(wes))["record"]["decisions"]) == 3


def test_practice_is_no_work(wes):
    batch = work.published(items=4, gold=2, practice_size=2)
    work.practise(work.worker(), batch.project)
    assert record.of(work.worker()).work.handed_in == 0


def test_accuracy_is_told_over_all_and_by_kind_of_work(wes_at_work):
    wes, batch = wes_at_work
    other = make.project(title="Words", schema={"fields": [{"name": "word", "type": "text"}]})
    Reliability.objects.all().delete()
    for project, correct, judged in ((batch.project, 9, 10), (other, 30, 40)):
        Reliability.objects.create(
            worker=wes,
            project=project,
            correct=correct,
            judged=judged,
            accuracy=0.8,
            accuracy_p05=0.7,
            accuracy_p95=0.9,
        )
    over_all = {"correct": 39, "judged": 50, "accuracy": 0.78, "accuracy_p05": 0.68, "accuracy_p95": 0.87}
    OverallReliability.objects.update_or_create(worker=wes, defaults=over_all)
    found = record.of(wes)
    assert found.overall == record.Accuracy(0.78, 0.68, 0.87, 50, 39)
    assert {kind: row.judged for kind, row in record.by_kind(found.projects).items()} == {"choice": 10, "text": 40}


def test_pay_stands_by_month_and_what_came_back_is_not_earned_twice(wes, monkeypatch):
    work.earned(profiles.of(wes), 9_000_000)
    with connection.cursor() as sql:  # settled in another month
        sql.execute("SET CONSTRAINTS ALL IMMEDIATE")
        sql.execute("ALTER TABLE payments_transfer DISABLE TRIGGER USER")
        sql.execute("UPDATE payments_transfer SET created_at = '2026-01-31 23:59+00'")
        sql.execute("ALTER TABLE payments_transfer ENABLE TRIGGER USER")
    work.earned(profiles.of(wes), 2_000_000)
    before = balances.months(wes)
    assert [row.earned_micros for row in before] == [2_000_000, 9_000_000]
    assert before[1].month.isoformat() == "2026-01-01"
    assert not any(row.is_part for row in before)

    class Refusing:
        def pay_out(self, payout: Payout) -> str:
            raise Refused("no")

    payout = payouts.request(wes, 3_000_000)
    monkeypatch.setattr("payments.payouts.connection", type("Closed", (), {"in_atomic_block": False}))
    assert payouts.send(payout.pk, through=Refusing()).state == "failed"
    assert balances.months(wes) == before
    assert [(row.earned_micros, row.is_part) for row in balances.months(wes, most=2)] == [(2_000_000, True)]


def test_a_look_reads_no_more_than_the_newest(wes_at_work, monkeypatch):
    wes, _ = wes_at_work
    monkeypatch.setattr(record, "READ", 3)
    found = record.of(wes)
    assert found.work.handed_in == 3
    assert not found.is_whole
    assert "newest 3 answers" in as_wes().get(reverse("record")).content.decode()


def test_a_look_asks_as_many_questions_for_many_projects_as_for_one(wes_at_work):
    wes, _ = wes_at_work
    with CaptureQueriesContext(
        connection,
    ) as one:
        record.of(Worker.objects.get(pk=wes.pk))
    for _ in range(3):
        work.work(wes, work.published(items=2, page_size=2))
    work.sweep()
    with CaptureQueriesContext(connection) as four:
        found = record.of(Worker.objects.get(pk=wes.pk))
    assert len(found.projects) == 4
    assert len(four) == len(one)


def test_the_page_shows_it_all(wes_at_work):
    _wes, batch = wes_at_work
    page = as_wes().get(reverse("record")).content.decode()
    for words in (batch.project.title, "Answer rejected", "upheld", "USD play money", "overturned"):
        assert words in page
    assert "<svg" in page


def test_the_api_says_the_same(wes_at_work):
    _wes, batch = wes_at_work
    said = api(as_wes(), "get", "work/record").json()
    assert said["work"] == {"handed_in": 10, "waiting": 0, "accepted": 8, "rejected": 1, "excluded": 1}
    assert said["projects"][0]["project"] == batch.project.public_id
    assert said["pay"][0]["earned_micros"] == 9 * batch.price_micros
    assert "correct" not in (said["overall"] or {})


def test_a_signed_record_names_only_the_organisations_that_were_ticked(wes_at_work):
    wes, batch = wes_at_work
    home = batch.project.organisation
    bare = documents.verify(record.portable(wes))["record"]
    assert home.name not in json.dumps(bare)
    assert batch.project.title not in json.dumps(bare)
    assert bare["work"]["handed_in"] == 10
    assert set(bare["accuracy"]["by_kind_of_work"]) == {"choice"}
    named = documents.verify(record.portable(wes, [home, make.organisation(make.user("olga"))]))["record"]
    assert named["organisations"] == [home.name]


def test_the_page_signs_and_another_site_can_verify_it_by_the_published_keys(wes_at_work):
    _wes, batch = wes_at_work
    client = as_wes()
    typed = {"organisations": [batch.project.organisation.name], "holder": "wrk_there"}
    document = client.post(reverse("record-sign"), typed).content.decode()
    published = Client().get("/.well-known/manyhands-record.json").json()
    claims = documents.checked(document, {published["issuer"]: published["keys"]})
    assert claims["holder"] == "wrk_there"
    assert claims["record"]["organisations"] == [batch.project.organisation.name]
    assert "signed this on" in client.post(reverse("record-verify"), {"document": document}).content.decode()
    changed = document[:-9] + ("A" if document[-9] != "A" else "B") + document[-8:]
    assert (
        "changed after it was signed" in client.post(reverse("record-verify"), {"document": changed}).content.decode()
    )


def test_published_keys_hold_no_secret():
    assert all("d" not in key for key in Client().get("/.well-known/manyhands-record.json").json()["keys"])


def test_nobody_ticks_an_organisation_they_did_not_work_for(wes_at_work):
    page = as_wes().post(reverse("record-sign"), {"organisations": ["Nowhere"]})
    assert "Select a valid choice" in page.content.decode()
    answer = api(as_wes(), "post", "work/record/signed", {"organisations": ["Nowhere"]})
    assert answer.status_code == 404


def test_the_api_signs_and_verifies(wes_at_work):
    client = as_wes()
    document = api(client, "post", "work/record/signed", {}).json()["document"]
    said = api(client, "post", "records/verify", {"document": document})
    assert said.status_code == 200
    assert said.json()["record"]["work"]["handed_in"] == 10
    refusal = api(client, "post", "records/verify", {"document": "a.b.c"})
    assert (refusal.status_code, refusal.json()["type"]) == (422, "/problems/not-verified")
    assert not ForeignRecord.objects.exists()


def test_a_record_from_elsewhere_is_kept_and_shown(wes, settings):
    client = as_wes()
    document = from_elsewhere(settings, profiles.of(make.user("there")), holder=profiles.of(wes).public_id)
    looked = client.post(reverse("record-verify"), {"document": document}).content.decode()
    assert "Keep it with my record" in looked
    assert not ForeignRecord.objects.exists()
    client.post(reverse("record-verify"), {"document": document, "verb": "keep"})
    assert "https://other.example says" in client.get(reverse("record")).content.decode()
    assert api(client, "post", "work/foreign-records", {"document": document}).status_code == 201
    assert len(api(client, "get", "work/foreign-records").json()["items"]) == 1
    sam = signed_in(make.user("sam"))
    assert api(sam, "get", "work/foreign-records").json()["items"] == []
    assert api(sam, "post", "work/foreign-records", {"document": document}).json()["type"] == "/problems/not-yours"


def test_a_key_without_the_scope_work_reads_no_record(wes):
    _, secret = accounts.issue_key(wes, "ci", ["offer"])
    client = Client(headers={"Authorization": f"Bearer {secret}"})
    for path in ("work/record", "work/record/export", "work/record/answers.csv", "work/record/pay.csv"):
        assert api(client, "get", path).status_code == 403


def test_how_work_is_judged_is_open_to_all_and_says_what_the_settings_say(settings):
    settings.APPEAL_DECIDED_WITHIN_S = 5 * 86400
    settings.PAY_RECORDS_YEARS = 7
    page = Client().get(reverse("how-judged")).content.decode()
    assert "within 5 days" in page
    assert "7 years" in page
    for place in ("home", "account_signup"):
        assert reverse("how-judged") in Client().get(reverse(place)).content.decode()
    assert reverse("how-judged") in as_wes().get(reverse("work")).content.decode()


def test_leases_are_not_in_the_record(wes):
    batch = work.published()
    assignments.claim(work.worker(), batch.project)
    assert record.of(work.worker()).work.handed_in == 0
