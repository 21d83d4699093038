import json

import pytest

from marketplace import accounts
from tasks import decisions
from tasks.api import authentication
from tasks.models import Answer
from tests import make
from tests.conftest import signed_in
from tests.tasks import work

pytestmark = pytest.mark.django_db


def post(client, path, body=None, **headers):
    return client.post(f"/api/v1/{path}", json.dumps(body or {}), content_type="application/json", headers=headers)


@pytest.fixture
def batch():
    return work.published(items=4)


@pytest.fixture
def as_wes(wes):
    return signed_in(wes)


def claimed(client, batch):
    return post(client, f"work/projects/{batch.project.public_id}/claim")


def test_claiming_again_returns_the_same_page(batch, as_wes):
    first, second = claimed(as_wes, batch), claimed(as_wes, batch)
    assert (first.status_code, second.status_code) == (201, 200)
    assert first.json() == second.json()
    assert len(first.json()["tasks"]) == 3


def test_with_nothing_to_do_the_answer_says_when_to_ask_again(batch, as_wes):
    work.work_all(work.worker(), batch)
    reply = claimed(as_wes, batch)
    assert (reply.status_code, reply["Retry-After"]) == (409, "30")
    assert reply.json()["type"] == "/problems/no-task-available"


def test_a_worker_sees_no_id_of_task_or_item_and_no_key(batch, as_wes):
    page = claimed(as_wes, batch).json()
    assert set(page["tasks"][0]) == {"position", "payload", "state", "value"}
    assert "gold" not in json.dumps(page)


@pytest.mark.parametrize(
    ("body", "status", "path"),
    [
        (b"{", 422, None),
        (b'{"answers": 3}', 422, "answers"),
        (b'{"answers": [{"position": -1, "value": {}}]}', 422, "answers[0].position"),
        (b'{"answers": [], "extra": 1}', 422, ""),
        (b'{"answers": [{"position": 0, "value": NaN}]}', 422, None),
        (b'{"answers": [{"position": 0, "value": {}}, {"position": 0, "value": {}}]}', 422, None),
        (b"\xff", 422, None),
        (b'{"answers": [{"position": 0, "value": {"animal": "\\u0000"}}]}', 422, None),
    ],
)
def test_nonsense_is_refused_with_a_problem_and_nothing_is_lost(batch, as_wes, body, status, path):
    page = claimed(as_wes, batch).json()
    reply = as_wes.post(f"/api/v1/assignments/{page['id']}/submit", body, content_type="application/json")
    assert (reply.status_code, reply["Content-Type"]) == (status, "application/problem+json")
    if path is not None:
        assert path in [error["path"] for error in reply.json()["errors"]]
    assert Answer.objects.filter(state="leased").count() == 3


def test_a_nul_is_refused_and_what_only_looks_like_one_is_not(as_wes):
    project = work.published(pick_column="text").project
    path = f"/api/v1/work/projects/{project.public_id}/claim"
    for body, title in [
        (rb'{"pick": ["\u0000"]}', "What was sent is not valid"),
        (rb'{"pick": ["\\u0000"]}', "No task"),
    ]:
        reply = as_wes.post(path, body, content_type="application/json")
        assert 400 <= reply.status_code < 500
        assert title in reply.json()["title"]


def test_a_wrong_answer_comes_back_with_path_code_and_message(batch, as_wes):
    page = claimed(as_wes, batch).json()
    answers = [{"position": n, "value": {"animal": "cow"}} for n in range(3)]
    problem = post(as_wes, f"assignments/{page['id']}/submit", {"answers": answers}).json()
    assert problem["type"] == "/problems/answers-invalid"
    assert problem["errors"][0]["path"] == "answers[0].animal"
    assert problem["errors"][0]["code"] == "option"


def test_somebody_elses_assignment_does_not_exist(batch, as_wes, as_sam):
    page = claimed(as_wes, batch).json()
    for verb in ("heartbeat", "submit", "skip", "return"):
        body = {"heartbeat": {"active_s": 1}, "submit": {"answers": []}, "skip": {"position": 0}}.get(verb, {})
        assert post(as_sam, f"assignments/{page['id']}/{verb}", body).status_code == 404
    assert as_sam.get(f"/api/v1/assignments/{page['id']}").status_code == 404


def test_an_access_token_works_on_the_hot_endpoints_only_and_ends(batch, as_wes, client, settings):
    token = post(as_wes, "access-token").json()["token"]
    bearer = f"Bearer {token}"
    page = post(client, f"work/projects/{batch.project.public_id}/claim", Authorization=bearer)
    assert page.status_code == 201
    assert client.get("/api/v1/assignments", headers={"Authorization": bearer}).status_code == 401
    settings.ACCESS_TOKEN_S = -1
    late = post(client, f"assignments/{page.json()['id']}/heartbeat", {"active_s": 1}, Authorization=bearer)
    assert (late.status_code, late.json()["type"]) == (401, "/problems/authentication-failed")
    forged = f"Bearer {authentication.PREFIX}1.1:abc:def"
    assert post(client, "assignments/x/submit", {"answers": []}, Authorization=forged).status_code == 401


def test_a_draft_is_kept_and_shown_again(batch, as_wes):
    page = claimed(as_wes, batch).json()
    draft = {"0": {"animal": "cat"}}
    kept = as_wes.put(f"/api/v1/assignments/{page['id']}/draft", json.dumps(draft), content_type="application/json")
    assert kept.status_code == 204
    assert as_wes.get(f"/api/v1/assignments/{page['id']}").json()["draft"] == draft


def test_lists_can_be_filtered(batch, as_wes, as_rita):
    claimed(as_wes, batch)
    assert len(as_wes.get("/api/v1/assignments?state=open").json()["items"]) == 1
    assert as_wes.get("/api/v1/assignments?state=submitted").json()["items"] == []
    assert as_wes.get("/api/v1/assignments?state=nonsense").status_code == 422
    assert len(as_rita.get(f"/api/v1/batches?project={batch.project.public_id}").json()["items"]) == 1
    assert as_rita.get("/api/v1/batches?project=prj_other").json()["items"] == []


def test_a_reviewer_reviews_and_does_not_close(batch, as_wes, sam):
    accounts.add_member(batch.project.organisation, sam.email, "reviewer", make.owner(batch.project.organisation))
    page = claimed(as_wes, batch).json()
    answers = [{"position": n, "value": {"animal": "cat"}} for n in range(3)]
    post(as_wes, f"assignments/{page['id']}/submit", {"answers": answers})
    reviewer = signed_in(sam)
    assert post(reviewer, f"answers/{page['id']}-0/accept").json()["state"] == "accepted"
    refused = post(reviewer, f"answers/{page['id']}-1/reject", {"reason_code": "wrong", "reason": "No."})
    assert refused.status_code == 201
    assert post(reviewer, f"batches/{batch.public_id}/close").status_code == 403
    assert post(reviewer, f"answers/{page['id']}-9/accept").status_code == 404


def test_who_is_no_admin_finds_no_appeal(batch, as_rita, as_wes, ada):
    lease = work.work(work.worker(), batch)
    answer = lease.answers.select_related("batch", "task").first()
    decision = decisions.reject(answer, make.user("rita"), "wrong", "No.")
    appeal = post(as_wes, f"work/decisions/{decision.public_id}/appeal", {"statement": "Yes."}).json()
    assert as_rita.get(f"/api/v1/appeals/{appeal['id']}").status_code == 404
    assert post(as_wes, f"appeals/{appeal['id']}/uphold", {"reason": "Me."}).status_code == 404
    assert post(signed_in(ada), f"appeals/{appeal['id']}/dismiss", {"reason": "No."}).json()["state"] == "dismissed"


def test_the_same_key_publishes_once(rita, as_rita):
    batch = work.published()
    project = batch.project
    body = {"dataset": batch.dataset.public_id}
    path, key = f"projects/{project.public_id}/publish", {"Idempotency-Key": "k"}
    replies = [post(as_rita, path, body, **key) for _ in range(2)]
    assert [reply.status_code for reply in replies] == [201, 201]
    assert replies[0].json()["id"] == replies[1].json()["id"]
    assert project.batches.count() == 2


def test_downloads_stream(batch, as_rita, as_sam):
    reply = as_rita.get(f"/api/v1/batches/{batch.public_id}/labels.jsonl")
    assert reply.streaming
    assert len(b"".join(reply.streaming_content).splitlines()) == 4
    assert as_sam.get(f"/api/v1/batches/{batch.public_id}/labels.csv").status_code == 404


def test_many_answers_are_accepted_by_name_in_one_look_up_and_all_or_none(batch, as_wes, as_rita):
    page = claimed(as_wes, batch).json()
    work.answer(work.worker().assignments.get())
    ids = [f"{page['id']}-{n}" for n in range(3)]
    refused = post(as_rita, f"batches/{batch.public_id}/accept", {"answers": [*ids, f"{page['id']}-00"]})
    assert (refused.status_code, refused.json()["detail"]) == (404, "answers[3]: there is no such answer")
    assert set(Answer.objects.values_list("state", flat=True)) == {"submitted"}
    assert post(as_rita, f"batches/{batch.public_id}/accept", {"answers": ids}).json() == {"accepted": 3}


def test_a_submit_brings_the_next_page_if_asked_to_and_says_the_same_again(batch, as_wes):
    page = claimed(as_wes, batch).json()
    answers = [{"position": task["position"], "value": {"animal": "cat"}} for task in page["tasks"]]
    submit = f"assignments/{page['id']}/submit"
    receipt = post(as_wes, submit, {"answers": answers, "next": True}).json()
    assert (receipt["state"], len(receipt["next"]["tasks"])) == ("submitted", 1)
    assert post(as_wes, submit, {"answers": answers, "next": True}).json() == receipt
    assert claimed(as_wes, batch).json() == receipt["next"]
    assert post(as_wes, submit, {"answers": answers}).json() == {**receipt, "next": None}


def test_a_submit_of_the_last_page_has_none_to_follow(batch, as_wes):
    work.work(work.worker(), batch)
    page = claimed(as_wes, batch).json()
    answers = [{"position": task["position"], "value": {"animal": "cat"}} for task in page["tasks"]]
    assert post(as_wes, f"assignments/{page['id']}/submit", {"answers": answers, "next": True}).json()["next"] is None
