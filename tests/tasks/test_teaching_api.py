"""Lessons, practice, exams, pilots and sessions over HTTP; a program learns as a person does."""

import json

import pytest

from tasks.models import Gold
from tests import make
from tests.conftest import signed_in
from tests.tasks import work

pytestmark = pytest.mark.django_db
EXAM = {"gold": 10, "practice_size": 2, "exam_size": 2, "exam_pass_mark": 1.0, "gold_share": 0.0}
OWL = {"animal": "owl"}


def post(client, path, body=None, expect=200):
    reply = client.post(f"/api/v1/{path}", json.dumps(body or {}), content_type="application/json")
    assert reply.status_code == expect, reply.content
    return reply.json() if reply.content else None


def get(client, path, expect=200):
    reply = client.get(f"/api/v1/{path}")
    assert reply.status_code == expect, reply.content
    return reply.json()


@pytest.fixture
def as_wes(wes):
    return signed_in(wes)


def test_a_program_learns_is_examined_and_waits(as_rita, as_wes):
    project = work.published(**EXAM).project.public_id
    Gold.objects.update(explanation="Eyes.")
    lesson = post(as_rita, f"projects/{project}/lessons", {"title": "Owls", "text": "Look."}, 201)
    offer = get(as_wes, f"work/projects/{project}")
    assert (offer["next"], offer["practice"], offer["exam"]["state"]) == ("lessons", "needed", "needed")
    assert [(part["kind"], part["items"], part["expected_s"]) for part in offer["training"]] == [
        ("practice", 2, 60),
        ("exam", 2, 60),
    ]
    assert post(as_wes, f"work/projects/{project}/practice", expect=403)["type"] == "/problems/lessons-unread"
    assert get(as_wes, f"work/projects/{project}/lessons")[0]["is_read"] is False
    post(as_wes, f"work/lessons/{lesson['id']}/read", expect=204)
    practice = post(as_wes, f"work/projects/{project}/practice", expect=201)["id"]
    marked = post(as_wes, f"assignments/{practice}/check", {"position": 0, "value": {"animal": "cat"}})
    assert (marked["right"], marked["truth"], marked["explanation"]) == ({"animal": False}, OWL, "Eyes.")
    post(as_wes, f"assignments/{practice}/submit", {"answers": [{"position": 1, "value": OWL}]})
    assert get(as_wes, f"assignments/{practice}/feedback")["pass_mark"] is None
    exam = post(as_wes, f"work/projects/{project}/exam", expect=201)
    get(as_wes, f"assignments/{exam['id']}/result", 409)
    get(as_wes, f"assignments/{exam['id']}/feedback", 404)
    post(as_wes, f"assignments/{exam['id']}/check", {"position": 0, "value": OWL}, 409)
    answers = [{"position": 0, "value": OWL}, {"position": 1, "value": {"animal": "cat"}}]
    post(as_wes, f"assignments/{exam['id']}/submit", {"answers": answers})
    result = get(as_wes, f"assignments/{exam['id']}/result")
    assert (result["score"], result["passed"], result["attempts_left"]) == (0.5, False, 2)
    assert "truth" not in json.dumps(result)
    refused = post(as_wes, f"work/projects/{project}/exam", expect=409)
    assert (refused["type"], refused["retry_at"][:19]) == ("/problems/exam-too-soon", result["retry_at"][:19])
    assert get(as_wes, f"work/projects/{project}")["next"] == "wait"


def test_what_is_sent_to_be_checked_is_read_with_care(as_wes):
    project = work.published(gold=4, practice_size=2).project.public_id
    practice = post(as_wes, f"work/projects/{project}/practice", expect=201)["id"]
    for body in ({"position": -1, "value": OWL}, {"position": 0}, {"position": 0, "value": [1]}, {"position": 9**9}):
        post(as_wes, f"assignments/{practice}/check", body, 422)
    post(signed_in(make.user("sam")), f"assignments/{practice}/check", {"position": 0, "value": OWL}, 404)


def test_lessons_are_moved_revised_and_taken_out(as_rita, as_sam):
    project = make.project(make.organisation(make.user("rita"))).public_id
    ids = [post(as_rita, f"projects/{project}/lessons", {"title": name, "text": "Look."}, 201)["id"] for name in "ABC"]
    post(as_rita, f"lessons/{ids[2]}/move", {"position": 0})
    new = post(as_rita, f"lessons/{ids[0]}/revise", {"title": "A2", "text": "Look."}, 201)
    post(as_rita, f"lessons/{ids[1]}/retire")
    post(as_rita, f"lessons/{ids[0]}/revise", {"title": "A3", "text": "Look."}, 409)
    listed = get(as_rita, f"projects/{project}/lessons")["items"]
    current = sorted((row["position"], row["title"]) for row in listed if not row["retired_at"])
    assert [title for _, title in current] == ["C", "A2"]
    assert len(listed) == 4
    get(as_sam, f"lessons/{new['id']}", 404)
    post(as_rita, f"projects/{project}/lessons", {"title": "", "text": " "}, 422)


def test_a_pilot_is_quoted_and_shown(as_rita, as_sam):
    batch = work.published(items=10, pilot_size=4, accept_after_s=0)
    for name, animal in (("wes", "cat"), ("ann", "dog")):
        work.work_all(work.worker(name), batch, animal)
    work.sweep()
    shown = get(as_rita, f"batches/{batch.public_id}/pilot")
    assert (shown["items"], shown["agreement"], shown["is_reached"]) == (4, 0.0, False)
    assert shown["questions"][0]["confusion"] == {"one": "cat", "other": "dog", "share": 1.0}
    quote = get(as_rita, f"projects/{batch.project.public_id}/quote?dataset={batch.dataset.public_id}")
    assert "most often mixed up: “cat” and “dog”" in quote["problems"][0]
    get(as_sam, f"batches/{batch.public_id}/pilot", 404)


def test_a_session_over_http_and_who_attended(as_rita, as_wes):
    project = work.published(gold=4, practice_size=2).project
    times = {"begins_at": "2030-01-01T10:00:00Z", "ends_at": "2030-01-01T11:00:00Z"}
    cohort = post(as_rita, f"projects/{project.public_id}/cohorts", {"title": "Owls", **times, "items": 2}, 201)["id"]
    assert get(as_wes, "work/cohorts")["items"][0]["id"] == cohort
    post(as_wes, f"work/cohorts/{cohort}/join", expect=409)
    post(as_rita, f"cohorts/{cohort}/begin")
    assert post(as_wes, f"work/cohorts/{cohort}/join")["item"]["truth"] is None
    post(as_wes, f"work/cohorts/{cohort}/answer", {"position": 0, "value": {"animal": "cat"}})
    led = get(as_rita, f"cohorts/{cohort}")
    assert (led["joined"], led["answered"], led["item"]["truth"]) == (1, 1, OWL)
    assert led["spread"][0]["said"] == [{"words": "cat", "times": 1}]
    post(as_rita, f"cohorts/{cohort}/reveal", {"remark": "Eyes."})
    seen = get(as_wes, f"work/cohorts/{cohort}")
    assert (seen["right"], seen["item"]["truth"], seen["item"]["remark"]) == (False, OWL, "Eyes.")
    post(as_rita, f"cohorts/{cohort}/end")
    (place,) = get(as_rita, f"cohorts/{cohort}/attendance")["items"]
    assert (place["worker"], place["answers"]) == (project.organisation.pseudonym(work.worker().public_id), 1)
