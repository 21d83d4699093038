import re
from datetime import timedelta

import pytest
from django.db.models import F

from marketplace import guidelines
from tasks.models import Answer, Consensus, Review, Task
from tests import make
from tests.conftest import signed_in
from tests.tasks.reviewed import asked, labelled, member, taken, tasks_of, weighed

pytestmark = pytest.mark.django_db
CATS = ("cat", "cat")


@pytest.fixture
def batch():
    made = labelled(("cat", "cat", "dog"), ("owl", "owl", "owl"))
    guidelines.write(made.project, make.user("rita"), "A cat has whiskers.")
    asked(made)
    return made


def client(name="rita"):
    return signed_in(make.user(name))


def opened(batch, rita):
    """The address of the next label, as the button leads to it."""
    response = rita.post(f"/projects/{batch.project.public_id}/reviews/next")
    assert response.status_code == 302
    return response["Location"]


def test_a_reviewer_goes_from_label_to_label(batch):
    rita = client()
    start = rita.get(f"/projects/{batch.project.public_id}/reviews/").content.decode()
    assert "2 of 2 wait, 2 of them for you" in start
    first = opened(batch, rita)
    shown = rita.get(first).content.decode()
    assert "A cat has whiskers." in shown
    assert shown.count("Take answer") == 3
    second = rita.post(first, {"verdict": "accept", "note": "Clear."}, follow=True)
    assert second.redirect_chain[-1][0] != first
    assert "Noted: the label is right. How sure it was:" in second.content.decode()
    last = rita.post(second.redirect_chain[-1][0], {"verdict": "correct", "t0-animal": "cat"}, follow=True)
    assert "No label waits for you" in last.content.decode()
    assert list(Review.objects.order_by("pk").values_list("verdict", "note")) == [("accept", "Clear."), ("correct", "")]
    assert "Clear." in rita.get(first).content.decode()
    assert weighed(batch) == dict.fromkeys(tasks_of(batch), "cat")
    listed = rita.get(f"/projects/{batch.project.public_id}/reviews/").content.decode()
    assert "50 %" in listed


def test_the_page_is_blind_before_the_verdict(batch):
    rita, project = client(), batch.project
    Consensus.objects.update(confidence=0.8765)
    Answer.objects.update(submitted_at=F("submitted_at") - timedelta(days=3))
    first = opened(batch, rita)
    for text in (
        rita.get(first).content.decode(),
        rita.post(f"/api/v1/projects/{project.public_id}/reviews/next").content.decode(),
        rita.get(f"/api/v1{first[:-1]}").content.decode(),
        rita.get(f"/projects/{project.public_id}/reviews/").content.decode(),
    ):
        for answer in Answer.objects.select_related("worker", "assignment"):
            name = project.organisation.pseudonym(answer.worker.public_id)
            hidden = [name, name[:10], answer.worker.public_id, answer.assignment.public_id]
            hidden += [f"{answer.submitted_at:%Y-%m-%d}", f"{answer.submitted_at:%-d %b}"]
            assert not [mark for mark in hidden if mark in text]
        assert not re.search(r"8[78][.,]?\d* ?%|0\.8765", text)
    rita.post(first, {"verdict": "accept"})
    assert "88" in rita.get(first).content.decode()


def test_an_answer_is_taken_by_its_letter(batch):
    rita = client()
    first = opened(batch, rita)
    letter = next(
        one["name"] for one in rita.get(f"/api/v1{first[:-1]}").json()["answers"] if one["value"] == {"animal": "dog"}
    )
    rita.post(first, {"verdict": f"answer-{letter}"})
    assert Review.objects.get(state="final").value == {"animal": "dog"}
    second = opened(batch, rita)
    assert "Say what is right" in rita.post(second, {"verdict": "answer-Z"}).content.decode()


def test_what_is_wrong_is_said_beside_the_form_and_nothing_is_decided(batch):
    rita = client()
    first = opened(batch, rita)
    for sent in ({"verdict": "correct", "t0-animal": "cow"}, {"verdict": "correct"}, {"verdict": "maybe"}):
        assert rita.post(first, sent).status_code == 200
    assert not Review.objects.exclude(state__in=["waiting", "held"]).exists()


def test_sending_back_and_passing_on_lead_to_the_next(batch):
    rita = client()
    first = opened(batch, rita)
    second = rita.post(f"{first}pass")["Location"]
    assert second != first
    assert rita.post(second, {"verdict": "send_back"})["Location"] == first
    assert Task.objects.filter(batch=batch, state="open", bought=4).count() == 1


def test_who_does_not_hold_it_sees_it_without_buttons(batch):
    member(batch, "rosa")
    first = opened(batch, client())
    shown = client("rosa").get(first).content.decode()
    assert "Somebody else looks at it." in shown
    assert "Take answer" not in shown


def test_reviews_are_nobody_elses_business(batch):
    held = taken(batch)
    for name in ("sam", "worker0"):
        them = client(name)
        for path in (
            f"/projects/{batch.project.public_id}/reviews/",
            f"/reviews/{held.public_id}/",
            f"/api/v1/projects/{batch.project.public_id}/reviews",
            f"/api/v1/projects/{batch.project.public_id}/reviews/summary",
            f"/api/v1/reviews/{held.public_id}",
        ):
            assert them.get(path).status_code == 404
        assert them.post(f"/api/v1/reviews/{held.public_id}/decide", {"verdict": "accept"}).status_code == 404


def test_the_api_does_all_of_it(batch):
    rita, at = client(), f"/api/v1/projects/{batch.project.public_id}/reviews"
    case = rita.post(f"{at}/next").json()
    assert case["label"] == {"animal": "cat"}
    assert case["sureness"] == []
    one = f"/api/v1/reviews/{case['review']['id']}"
    assert rita.post(f"{one}/decide", {"verdict": "correct"}, "application/json").status_code == 422
    wrong = rita.post(f"{one}/decide", {"verdict": "correct", "value": {"animal": "cow"}}, "application/json").json()
    assert wrong["errors"][0]["path"] == "value.animal"
    sent = {"verdict": "correct", "value": {"animal": "dog"}}
    done = rita.post(f"{one}/decide", sent, "application/json").json()
    assert (done["review"]["state"], done["review"]["value"]) == ("final", {"animal": "dog"})
    assert done["sureness"][0]["confidence"] > 0
    assert rita.post(f"{one}/decide", sent, "application/json").json()["type"] == "/problems/illegal-move"
    assert rita.post(f"{one}/pass").status_code == 409
    summary = rita.get(f"{at}/summary").json()
    assert (summary["waiting"], summary["for_you"], summary["all"]) == (1, 1, 2)
    assert summary["figures"][-1]["corrected"] == 1
    assert [row["state"] for row in rita.get(f"{at}?state=final").json()["items"]] == ["final"]
    second = rita.post(f"{at}/next").json()["review"]["id"]
    assert rita.post(f"/api/v1/reviews/{second}/pass").status_code == 204
    assert rita.post(f"/api/v1/reviews/{second}/pass").status_code == 409


def test_labels_are_asked_for_by_the_keys_of_their_items():
    batch = labelled(CATS, CATS)
    key = Task.objects.filter(batch=batch).order_by("pk")[0].item.aliases.get().key
    at = f"/api/v1/batches/{batch.public_id}/reviews"
    assert client().post(at, {"keys": [key, "nothing"]}, "application/json").json() == {"asked": 1}
    assert client().post(at, {"keys": [key]}, "application/json").json() == {"asked": 0}
    assert Review.objects.get().task_id == tasks_of(batch)[0]
