import pytest

from tasks import evidence, gold_disputes, jobs
from tasks.models import Evidence, Gold
from tests import make
from tests.conftest import signed_in
from tests.tasks import work
from tests.tasks.test_evidence import age
from workers.models import OverallReliability

pytestmark = pytest.mark.django_db


@pytest.fixture
def batch():
    made = work.published(items=12, gold=8, gold_share=0.4, practice_size=2, page_size=4)
    wes = work.worker()
    work.practise(wes, made.project)
    while not wes.answers.filter(attempt=0, task__gold__isnull=False).exists():
        work.work(wes, made)
    jobs.grade()
    return made


def api(name):
    return signed_in(make.user(name))


def test_the_requester_sees_gold_with_its_figures_and_decides_over_http(batch):
    rita = api("rita")
    at = f"/api/v1/projects/{batch.project.public_id}/gold"
    found = rita.get(at).json()["items"]
    assert len(found) == 8
    assert {row["truth"]["animal"] for row in found} == {"owl"}
    assert rita.get(f"{at}?purpose=practice&state=active").json()["items"][0]["purpose"] == "practice"
    served = Gold.objects.filter(served__gt=0)[0]
    one = f"/api/v1/gold/{served.public_id}"
    assert rita.post(f"{one}/quarantine", {"reason": "Look."}, "application/json").json()["state"] == "quarantined"
    assert rita.post(f"{one}/reinstate", {"reason": "It is."}, "application/json").json()["state"] == "active"
    sent = {"reason": "It is a cat.", "truth": {"animal": "cat"}}
    assert rita.post(f"{one}/overturn", sent, "application/json").json()["truth"] == {"animal": "cat"}
    shown = rita.get(one).json()
    assert [change["now"] for change in shown["changes"]] == ["quarantined", "active", "overturned"]
    assert rita.post(f"{one}/retire").json()["type"] == "/problems/illegal-move"
    stock = rita.get(f"/api/v1/batches/{batch.public_id}/gold").json()
    assert stock["pool"] == 3
    for path in (at, one, f"/api/v1/batches/{batch.public_id}/gold"):
        assert api("sam").get(path).status_code == 404
        assert api("wes").get(path).status_code == 404


def test_a_figure_is_explained_by_its_rows_to_both(batch):
    wes = work.worker()
    for piece in Evidence.objects.all():
        age(piece, 1)
    judged = Evidence.objects.count()
    name = batch.project.organisation.pseudonym(wes.public_id)
    at = f"/projects/{batch.project.public_id}/workers/{name}"
    rows = api("rita").get(f"/api/v1{at}/evidence").json()["items"]
    assert len(rows) == judged
    assert {row["kind"] for row in rows} == {"gold"}
    assert rows[0]["void"] is None
    assert wes.public_id not in str(rows)
    page = api("rita").get(f"{at}/").content.decode()
    assert "Old answers count for less" in page
    assert wes.public_id not in page
    mine = api("wes").get(f"/api/v1/work/reliability/{batch.project.public_id}/evidence").json()
    assert [(row["kind"], row["judged"], row["right"]) for row in mine] == [("gold", judged, 0.0)]
    assert "Hidden checks" in api("wes").get(f"/work/reliability/{batch.project.public_id}/").content.decode()
    assert api("wes").get("/api/v1/work/reliability/overall").json()["accuracy"] == pytest.approx(
        OverallReliability.objects.get().accuracy
    )
    assert api("sam").get("/api/v1/work/reliability/overall").json()["accuracy"] is None
    evidence.void(Evidence.objects.all(), "a test")
    assert api("rita").get(f"/api/v1{at}/evidence").json()["items"][0]["void"]["reason"] == "a test"
    for path in (f"/api/v1{at}/evidence", f"{at}/", f"/work/reliability/{batch.project.public_id}/"):
        assert api("sam").get(path).status_code == 404


def test_the_pages_of_gold_do_what_the_api_does(batch):
    rita = api("rita")
    answer = work.worker().answers.filter(attempt=1)[0]
    row = answer.task.gold
    contest = f"/work/known-answers/{answer.public_id}/contest/"
    assert "Known answer" in api("wes").get(contest).content.decode()
    api("wes").post(contest, {"statement": "It is a cat, look at its ears."})
    assert "It is a cat, look at its ears." in api("wes").get(contest).content.decode()
    hidden = work.worker().answers.filter(attempt=0, task__gold__isnull=False)[0]
    assert api("wes").get(f"/work/known-answers/{hidden.public_id}/contest/").status_code == 404
    one = f"/gold/{row.public_id}/"
    assert "It is a cat, look at its ears." in rita.get(one).content.decode()
    rita.post(one, {"verb": "quarantine", "reason": "Let us see."})
    listed = rita.get(f"/projects/{batch.project.public_id}/gold/?state=quarantined").content.decode()
    assert "1 known answer is in doubt" in listed
    rita.post(one, {"verb": "overturn", "reason": "He is right.", "t0-animal": "cat"})
    row.refresh_from_db()
    assert (row.state, row.truth) == ("overturned", {"animal": "cat"})
    rita.post(f"{one}explain", {"explanation": "Look at the ears."})
    row.refresh_from_db()
    assert row.explanation == "Look at the ears."
    other = Gold.objects.filter(state="active")[0]
    rita.post(f"/gold/{other.public_id}/retire")
    other.refresh_from_db()
    assert other.state == "retired"
    assert "Add gold to batch 1" in rita.get(f"/batches/{batch.public_id}/gold/").content.decode()


def test_a_worker_contests_over_http_what_practice_showed(batch):
    answer = work.worker().answers.filter(attempt=1)[0]
    at = f"/api/v1/work/known-answers/{answer.public_id}/contest"
    assert api("wes").post(at, {"statement": "It is a cat."}, "application/json").status_code == 201
    assert Gold.objects.get(task=answer.task_id).contested == 1
    assert api("sam").post(at, {"statement": "It is a cat."}, "application/json").status_code == 404
    assert gold_disputes.doubted() != []
