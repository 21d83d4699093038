"""Pages of the work, for workers and for those who asked."""

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from marketplace.models import User
from tasks import assignments, decisions, training
from tasks.models import Answer, Appeal, Assignment, Batch
from tasks.web import shown
from tests import make
from tests.conftest import signed_in
from tests.tasks import work
from workers import profiles

pytestmark = pytest.mark.django_db


@pytest.fixture
def as_wes(wes: User) -> Client:
    return signed_in(wes)


def text(response: Any) -> str:
    return response.content.decode()


def lease_of(user: User, batch: Batch) -> Assignment:
    return assignments.claim(profiles.of(user), batch.project)


def typed(lease: Assignment, value: str = "cat") -> dict[str, str]:
    return {f"t{n}-animal": value for n in lease.answers.values_list("position", flat=True)}


def test_work_shows_what_it_pays_and_asks(as_wes: Client) -> None:
    work.published(gold=4, practice_size=2)
    page = text(as_wes.get(reverse("work")))
    assert "Animals" in page
    assert "0.05 USD" in page
    assert "Practice first: 2 tasks" in page


def test_members_are_not_offered_their_own_work(as_rita: Client) -> None:
    batch = work.published()
    assert "Animals" not in text(as_rita.get(reverse("work")))
    assert "of your own organisation" in text(as_rita.get(reverse("work-project", args=[batch.project.public_id])))


def test_starting_twice_leads_to_the_same_page(as_wes: Client) -> None:
    batch = work.published()
    address = reverse("start", args=[batch.project.public_id])
    assert as_wes.post(address)["Location"] == as_wes.post(address)["Location"]
    assert Assignment.objects.count() == 1


def test_nothing_left_is_said_in_words(as_wes: Client) -> None:
    batch = work.published(items=1)
    address = reverse("start", args=[batch.project.public_id])
    came_from = "http://testserver" + reverse("work-project", args=[batch.project.public_id])
    work.work(profiles.of(make.user("wes")), batch)
    page = text(as_wes.post(address, headers={"referer": came_from}, follow=True))
    assert "There is nothing to do here right now." in page


def test_a_page_is_handed_in_once(as_wes: Client, wes: User) -> None:
    lease = lease_of(wes, work.published())
    address = reverse("assignment", args=[lease.public_id])
    assert "Task 3 of 3" in text(as_wes.get(address))
    assert as_wes.post(address, typed(lease)).status_code == 302
    assert as_wes.post(address, typed(lease, "owl")).status_code == 302
    assert "Answers taken: 3." in text(as_wes.get(address))
    assert set(lease.answers.values_list("value__animal", flat=True)) == {"cat"}


def test_an_incomplete_page_keeps_what_was_typed(as_wes: Client, wes: User) -> None:
    lease = lease_of(wes, work.published())
    response = as_wes.post(reverse("assignment", args=[lease.public_id]), {"t1-animal": "owl"})
    assert response.status_code == 422
    assert "2 tasks need another look" in text(response)
    assert text(response).count("Please answer this.") == 2
    assert text(response).count("checked") == 1
    lease.refresh_from_db()
    assert lease.state == "open"


def test_drafts_come_back_even_when_not_right_yet(as_wes: Client, wes: User) -> None:
    schema = {
        "display": [{"column": "text"}],
        "fields": [
            {"name": "count", "type": "number", "integer": True, "max": 5},
            {"name": "why", "type": "text", "min_length": 10},
            {"name": "stars", "type": "rating"},
        ],
    }
    lease = lease_of(wes, work.published(schema=schema))
    draft = {"t0-count": "9", "t0-why": "short", "t0-stars": "4", "active_s": "7"}
    page = as_wes.post(reverse("save-draft", args=[lease.public_id]), draft, headers={"HX-Request": "true"})
    assert "Draft saved at" in text(page)
    lease.refresh_from_db()
    assert lease.draft == {"0": {"count": "9", "why": "short", "stars": 4}}
    page = as_wes.get(reverse("assignment", args=[lease.public_id]))
    assert 'value="9"' in text(page)
    assert "short</textarea>" in text(page)


def test_every_kind_of_field_becomes_its_value(as_wes: Client, wes: User) -> None:
    schema = {
        "fields": [
            {"name": "one", "type": "choice", "options": ["a", "b"]},
            {"name": "many", "type": "choices", "options": ["a", "b"]},
            {"name": "words", "type": "text", "required": False},
            {"name": "size", "type": "number"},
            {"name": "stars", "type": "rating", "points": 3},
        ]
    }
    lease = lease_of(wes, work.published(items=1, schema=schema))
    typed = {"t0-one": "b", "t0-words": "", "t0-size": "1.5", "t0-stars": "3"}
    assert as_wes.post(reverse("assignment", args=[lease.public_id]), typed).status_code == 302
    assert lease.answers.get().value == {"one": "b", "many": [], "size": 1.5, "stars": 3}


def test_the_heartbeat_keeps_the_lease(as_wes: Client, wes: User) -> None:
    lease = lease_of(wes, work.published())
    address = reverse("heartbeat", args=[lease.public_id])
    assert as_wes.post(address, {"active_s": "0"}).json()["leased_until"] > lease.leased_until.isoformat()
    assignments.give_back(lease)
    assert as_wes.post(address, {"active_s": "1"}).status_code == 409


def test_a_skipped_task_keeps_the_rest_of_the_page(as_wes: Client, wes: User) -> None:
    lease = lease_of(wes, work.published())
    page = text(as_wes.post(reverse("skip", args=[lease.public_id, 1]), {"t0-animal": "dog"}, follow=True))
    assert "Skipped" in page
    assert page.count("checked") == 1
    assert lease.answers.get(position=1).state == "skipped"


def test_a_page_is_given_back(as_wes: Client, wes: User) -> None:
    lease = lease_of(wes, work.published())
    as_wes.post(reverse("give-back", args=[lease.public_id]))
    lease.refresh_from_db()
    assert lease.state == "returned"


def test_practice_says_what_was_right(as_wes: Client, wes: User) -> None:
    batch = work.published(gold=4, practice_size=2)
    address = as_wes.post(reverse("practise", args=[batch.project.public_id]))["Location"]
    lease = Assignment.objects.get()
    page = text(as_wes.post(address, {"t0-animal": "owl", "t1-animal": "cat"}, follow=True))
    assert "Not passed yet" in page
    assert "Task 1: right" in page
    assert "Task 2: wrong" in page
    assert "Right answer" in page
    assert "Practise again" in page
    lease.refresh_from_db()
    assert training.feedback(lease).attempts_left


def test_nobody_sees_the_page_of_another(as_sam: Client, wes: User) -> None:
    lease = lease_of(wes, work.published())
    assert as_sam.get(reverse("assignment", args=[lease.public_id])).status_code == 404
    for name, *args in (("save-draft",), ("heartbeat",), ("skip", 0), ("give-back",)):
        assert as_sam.post(reverse(name, args=[lease.public_id, *args])).status_code == 404, name


def test_pages_do_not_tell_gold_from_work(as_wes: Client, wes: User) -> None:
    lease = lease_of(wes, work.published(items=30, gold=10, gold_share=0.5, page_size=10))
    page = text(as_wes.get(reverse("assignment", args=[lease.public_id])))
    assert lease.answers.filter(to_grade=True).exists()
    assert "known" not in page.lower()
    assert page.count("data-task ") == 10


def test_a_rejection_is_read_and_contested(as_wes: Client, as_rita: Client, wes: User, rita: User) -> None:
    batch = work.published()
    lease = work.work(profiles.of(wes), batch)
    answer = lease.answers.first()
    assert answer
    said = {"verb": "reject", "reason_code": "wrong", "reason": "It barks.", "refill": "on"}
    assert as_rita.post(reverse("decide", args=[answer.public_id]), said).status_code == 302
    answer.refresh_from_db()
    assert answer.state == "rejected"
    assert "It barks." in text(as_wes.get(reverse("my-answers")))
    address = reverse("decision", args=[answer.decisions.get().public_id])
    page = text(as_wes.post(address, {"statement": "It meows."}, follow=True))
    assert "Appeal open" in page
    assert Appeal.objects.get().statement == "It meows."
    assert signed_in(make.user("sam")).get(address).status_code == 404


def test_a_decision_without_words_is_refused_beside_the_field(as_rita: Client, wes: User) -> None:
    answer = work.work(profiles.of(wes), work.published()).answers.first()
    assert answer
    page = text(as_rita.post(reverse("decide", args=[answer.public_id]), {"verb": "reject", "reason_code": "wrong"}))
    assert "This field is required." in page
    answer.refresh_from_db()
    assert answer.state == "submitted"


def test_answers_are_accepted_together(as_rita: Client, wes: User) -> None:
    batch = work.published()
    lease = work.work(profiles.of(wes), batch)
    page = text(as_rita.get(reverse("answers", args=[batch.public_id]), {"state": "submitted"}))
    ids = [answer.public_id for answer in lease.answers.all()]
    assert all(one in page for one in ids)
    assert wes.email not in page
    assert profiles.of(wes).public_id not in page
    as_rita.post(reverse("accept", args=[batch.public_id]), {"answer": ids[:2]})
    assert Answer.objects.filter(state="accepted").count() == 2


def test_earnings_say_what_waits_and_what_came(as_wes: Client, wes: User, rita: User) -> None:
    lease = work.work(profiles.of(wes), work.published())
    page = text(as_wes.get(reverse("earnings")))
    assert "Waiting for acceptance" in page
    assert "0.15 USD" in page
    decisions.accept(list(lease.answers.all()), rita)
    assert "about to be booked" in text(as_wes.get(reverse("earnings")))
    work.sweep()
    assert "Accepted answers" in text(as_wes.get(reverse("earnings")))


def test_publishing_shows_the_price_first(as_rita: Client, rita: User) -> None:
    lab = make.organisation(rita)
    project = make.project(lab, redundancy_min=2, redundancy_max=2, gold_share=0.0)
    data = make.dataset([{"text": f"item {n}"} for n in range(5)], lab, project=project)
    address = reverse("publish", args=[project.public_id])
    page = text(as_rita.get(address))
    assert "0.55 USD</strong>" in page
    assert "0.55 USD is missing" in page
    assert "amount_micros=0.55&amp;currency=USD" in page
    response = as_rita.post(reverse("publish-now", args=[project.public_id]), {"dataset": data.public_id}, follow=True)
    assert "is missing" in text(response)
    assert not Batch.objects.exists()
    as_rita.post(reverse("money", args=[lab.public_id]), {"amount_micros": "0.55", "currency": "USD"})
    as_rita.post(reverse("publish-now", args=[project.public_id]), {"dataset": data.public_id})
    assert Batch.objects.get().dataset == data


def test_the_dashboard_shows_progress_cost_and_accuracy(as_rita: Client, wes: User) -> None:
    batch = work.published(items=3, gold=2, gold_share=0.5)
    work.work(profiles.of(wes), batch)
    work.sweep()
    address = reverse("project", args=[batch.project.public_id])
    page = text(as_rita.get(address))
    assert "Items done: 0 of 3" in page
    assert "<svg" in page
    assert wes.email not in page
    part = text(as_rita.get(address, headers={"HX-Request": "true"}))
    assert "<html" not in part
    assert "Items done" in part


def test_labels_are_downloaded(as_rita: Client, wes: User) -> None:
    batch = work.published(items=3)
    work.work(profiles.of(wes), batch)
    work.sweep()
    for kind, lines in (("jsonl", 3), ("csv", 4)):
        response = as_rita.get(reverse("labels", args=[batch.public_id, kind]))
        assert "attachment" in response["Content-Disposition"]
        assert len(b"".join(response.streaming_content).splitlines()) == lines


def test_a_project_is_closed(as_rita: Client) -> None:
    batch = work.published()
    as_rita.post(reverse("close", args=[batch.project.public_id]))
    batch.refresh_from_db()
    assert batch.state == "closed"


def test_a_stranger_finds_nothing(as_sam: Client, wes: User, rita: User) -> None:
    batch = work.published()
    answer = work.work(profiles.of(wes), batch).answers.first()
    assert answer
    project = batch.project.public_id
    for name, *args in (
        ("project", project),
        ("publish", project),
        ("answers", batch.public_id),
        ("labels", batch.public_id, "csv"),
        ("decide", answer.public_id),
    ):
        assert as_sam.get(reverse(name, args=args)).status_code == 404, name
    for name, *args in (("publish-now", project), ("close", project), ("accept", batch.public_id)):
        assert as_sam.post(reverse(name, args=args)).status_code == 404, name
    assert as_sam.get(reverse("decide", args=["asg_none-x"])).status_code == 404


def test_a_payload_is_shown_as_the_schema_says() -> None:
    schema = {"display": [{"column": "a", "kind": "image", "title": "A"}, {"column": "b", "kind": "text", "title": ""}]}
    payload = {"a": "https://example.org/x.png", "b": {"n": 1}, "c": "unseen"}
    assert [part["kind"] for part in shown.parts(schema, payload)] == ["link", "text"]
    assert shown.parts(schema, payload)[1]["content"] == '{"n": 1}'
    assert shown.parts(schema, {"a": "data:image/png;base64,AA=="})[0]["kind"] == "image"
    assert shown.parts({"display": []}, {"x": "1"})[0]["title"] == "x"
    assert shown.parts(schema, {"a": "javascript:alert(1)"})[0]["kind"] == "text"
