"""Guidelines on pages and over the API: for those who write them, and for those who work by them."""

import json
from html import unescape

import pytest
from django.test import Client
from django.urls import reverse

from marketplace import accounts, guidelines
from tasks import assignments, consensus
from tasks.errors import GuidelineUnread
from tasks.models import Answer, Reopening
from tests import make
from tests.conftest import signed_in
from tests.marketplace.test_guidelines import CAT, OWL
from tests.tasks import work
from tests.tasks.test_reopening import labelled, person, revised
from workers import guidelines as read

pytestmark = pytest.mark.django_db


def text(reply):
    return unescape(reply.content.decode())


def call(client: Client, method, path, body=None):
    sent = {"data": json.dumps(body), "content_type": "application/json"} if body is not None else {}
    return getattr(client, method)(f"/api/v1/{path}", **sent)


def offered(**terms):
    """A project open for work, its guideline in one version with an example and a counterexample."""
    batch = work.published(**{"items": 6, **terms})
    guidelines.write(batch.project, make.user("rita"), "# Look\n\nAt the ears.", [CAT, OWL])
    return batch


def typed(*examples, words="# Look\n\nTwice."):
    """What the editor sends."""
    rows = {"text": words, "examples-TOTAL_FORMS": str(len(examples)), "examples-INITIAL_FORMS": "0"}
    for number, example in enumerate(examples):
        rows |= {f"examples-{number}-{name}": value for name, value in example.items()}
    return rows


TYPED_CAT = {"kind": "example", "column_0": "meow", "answer_animal": "cat", "explanation": "It says meow."}


# Those who write


def test_the_page_shows_the_latest_version_with_its_examples_and_all_versions(as_rita):
    batch = offered()
    guidelines.write(batch.project, make.user("rita"), "# Look\n\nAt the <b>tail</b>.")
    reply = as_rita.get(reverse("guideline", args=[batch.project.public_id]))
    page = text(reply)
    for words in ("Version 2", "Version 1", "It says meow.", "A common mistake 2", 'id="passage-1"', "What changed"):
        assert words in page
    assert "<b>tail" not in reply.content.decode()


def test_the_editor_warns_previews_and_publishes(as_rita, rita):
    batch = offered()
    address = reverse("edit-guideline", args=[batch.project.public_id])
    page = text(as_rita.get(address))
    assert "Everybody who works here reads and acknowledges a new version" in page
    assert "It says meow." in page
    page = text(as_rita.post(address, {**typed(TYPED_CAT), "preview": "1"}))
    assert "As workers will see it" in page
    assert "Twice." in page
    assert batch.project.guidelines.count() == 1
    assert as_rita.post(address, typed(TYPED_CAT)).status_code == 302
    written = batch.project.guidelines.first()
    assert (written.version, written.text) == (2, "# Look\n\nTwice.")
    (example,) = written.examples.all()
    assert (example.payload, example.value, example.explanation) == (
        {"text": "meow"},
        {"animal": "cat"},
        CAT["explanation"],
    )


def test_the_editor_adds_and_removes_examples_without_scripts(as_rita):
    batch = offered()
    address = reverse("edit-guideline", args=[batch.project.public_id])
    page = text(as_rita.post(address, {**typed(TYPED_CAT), "add_example": "1"}))
    assert "Example 2" in page
    assert "examples-1-explanation" in page
    as_rita.post(address, typed(TYPED_CAT, {**TYPED_CAT, "DELETE": "on", "explanation": "Gone."}))
    assert [row.explanation for row in batch.project.guidelines.first().examples.all()] == ["It says meow."]


def test_the_editor_says_which_example_lacks_what(as_rita):
    batch = offered()
    wrong = {"kind": "example", "column_0": "hoo", "explanation": "", "answer_animal": ""}
    page = text(as_rita.post(reverse("edit-guideline", args=[batch.project.public_id]), typed(TYPED_CAT, wrong)))
    assert batch.project.guidelines.count() == 1
    assert 'id="id_examples-1-explanation_error"' in page
    assert 'id="id_examples-0-explanation_error"' not in page


def test_the_editor_takes_an_example_from_the_data(as_rita):
    batch = offered()
    data = make.dataset([{"id": "a", "text": "purr"}], batch.project.organisation, key_column="id")
    taken = {**TYPED_CAT, "column_0": "", "dataset": data.public_id, "key": "a"}
    as_rita.post(reverse("edit-guideline", args=[batch.project.public_id]), typed(taken))
    assert batch.project.guidelines.first().examples.get().payload == {"text": "purr"}


def test_the_comparison_marks_words_without_colour_and_is_safe(as_rita):
    batch = offered()
    guidelines.write(batch.project, make.user("rita"), "# Look\n\nAt the <script>alert(1)</script>tail.", [OWL])
    page = as_rita.get(reverse("compare-guidelines", args=[batch.project.public_id])).content.decode()
    assert '<del><span class="unseen">removed: </span>ears' in page
    assert '<ins><span class="unseen">added: </span>' in page
    assert "&lt;" in page
    assert "<script>alert" not in page
    assert "Gone: Example 1" in page
    assert as_rita.get(reverse("compare-guidelines", args=[batch.project.public_id]), {"from": "7"}).status_code == 404


def test_the_api_writes_reads_and_compares_versions(as_rita):
    batch = offered()
    path = f"projects/{batch.project.public_id}/guidelines"
    made = call(as_rita, "post", path, {"text": "# Look\n\nAt the tail.", "examples": [CAT]})
    assert (made.status_code, made.json()["version"], made.json()["examples"]) == (201, 2, [CAT])
    kept = call(as_rita, "post", path, {"text": "New"}).json()
    assert kept["examples"] == [CAT]
    assert [one["version"] for one in call(as_rita, "get", path).json()["items"]] == [3, 2, 1]
    assert call(as_rita, "get", f"{path}/1").json()["examples"] == [CAT, OWL]
    found = call(as_rita, "get", f"{path}/2/diff?from=1").json()
    assert [line["kind"] for line in found["lines"]] == ["same", "same", "changed"]
    assert (found["removed"], found["added"]) == ([OWL], [])
    refused = call(as_rita, "post", path, {"text": "New", "examples": [{**CAT, "value": {"animal": "cow"}}]})
    assert (refused.status_code, refused.json()["errors"][0]["path"]) == (422, "examples[0].value.animal")
    assert call(as_rita, "get", f"{path}/2/diff").status_code == 422
    assert call(as_rita, "get", f"{path}/9").status_code == 404


def test_a_stranger_finds_no_guideline_and_a_reviewer_writes_none(as_sam, rita, wes):
    batch = offered()
    names = ("guideline", "edit-guideline", "compare-guidelines", "agreement", "reopen")
    for name in names:
        assert as_sam.get(reverse(name, args=[batch.project.public_id])).status_code == 404
    accounts.add_member(batch.project.organisation, wes.email, "reviewer", rita)
    page = signed_in(wes).post(reverse("edit-guideline", args=[batch.project.public_id]), typed())
    assert "only members with the role" in text(page).lower()
    assert batch.project.guidelines.count() == 1


# Those who work


def test_nothing_is_given_out_before_the_guideline_is_read(wes):
    batch = offered()
    browser = signed_in(wes)
    page = text(browser.get(reverse("work-project", args=[batch.project.public_id])))
    assert "First read the guideline below with its examples" in page
    assert "A common mistake 2" in page
    with pytest.raises(GuidelineUnread):
        assignments.claim(work.worker(), batch.project)
    browser.post(reverse("acknowledge", args=[batch.project.public_id]), {"version": "1"})
    assert assignments.claim(work.worker(), batch.project).guideline_version == 1


def test_a_new_version_is_read_again_and_shows_what_changed(wes):
    batch = offered()
    worker = person("wes", batch.project)
    work.work(worker, batch)
    guidelines.write(batch.project, make.user("rita"), "# Look\n\nAt the tail.", [CAT])
    with pytest.raises(GuidelineUnread) as refusal:
        assignments.claim(worker, batch.project)
    assert refusal.value.facts == {"version": 2}
    browser = signed_in(wes)
    page = text(browser.get(reverse("work-project", args=[batch.project.public_id])))
    assert "you have read version 1, and this is version 2" in page
    assert '<del><span class="unseen">removed: </span>ears' in page
    assert "Gone: A common mistake" in page
    browser.post(reverse("acknowledge", args=[batch.project.public_id]), {"version": "2"})
    assert "What changed since" not in text(browser.get(reverse("work-project", args=[batch.project.public_id])))
    assert assignments.claim(worker, batch.project).guideline_version == 2


def test_an_open_page_stays_valid_and_stays_with_its_version(wes):
    batch = offered()
    worker = person("wes", batch.project)
    lease = assignments.claim(worker, batch.project)
    guidelines.write(batch.project, make.user("rita"), "At the tail.", [])
    assert assignments.claim(worker, batch.project) == lease
    page = text(signed_in(wes).get(reverse("assignment", args=[lease.public_id])))
    assert "At the ears." in page
    assert "It says meow." in page
    assert "At the tail." not in page
    done = work.answer(lease)
    assert (done.state, done.guideline_version) == ("submitted", 1)


def test_the_api_of_the_offer_carries_examples_and_every_version_can_be_read(wes):
    batch = offered()
    browser = signed_in(wes)
    path = f"work/projects/{batch.project.public_id}"
    offer = call(browser, "get", path).json()
    assert (offer["guideline"]["examples"], offer["last_read"], offer["next"]) == ([CAT, OWL], None, "read")
    refused = call(browser, "post", f"{path}/claim", {})
    assert (refused.status_code, refused.json()["version"]) == (403, 1)
    assert call(browser, "post", f"{path}/acknowledge", {"version": 1}).status_code == 204
    lease = call(browser, "get", f"assignments/{assignments.claim(work.worker(), batch.project).public_id}").json()
    guidelines.write(batch.project, make.user("rita"), "# Look\n\nAt the tail.", [CAT])
    assert call(browser, "get", f"assignments/{lease['id']}").json()["guideline_version"] == 1
    assert call(browser, "get", f"{path}/guidelines/1").json()["examples"] == [CAT, OWL]
    assert call(browser, "get", f"{path}/guidelines/2/diff?from=1").json()["removed"] == [OWL]
    assert call(browser, "post", f"{path}/acknowledge", {"version": 1}).status_code == 422
    answers = [{"position": task["position"], "value": {"animal": "cat"}} for task in lease["tasks"]]
    assert call(browser, "post", f"assignments/{lease['id']}/submit", {"answers": answers}).status_code == 200
    again = call(browser, "post", f"{path}/claim", {})
    assert (again.status_code, again.json()["type"]) == (403, "/problems/guideline-unread")
    assert call(browser, "get", path).json()["last_read"] == 1


def test_the_guideline_of_what_is_not_offered_does_not_exist_for_workers(wes):
    project = make.project(guideline="Look.")
    assert call(signed_in(wes), "get", f"work/projects/{project.public_id}/guidelines/1").status_code == 404


def test_the_newest_version_read_is_the_last_one():
    batch = offered()
    worker = person("wes", batch.project)
    assert read.last_read(worker, batch.project) == 1
    assert read.last_read(work.worker("ann"), batch.project) is None


# What is asked again, and where people disagree


def test_reopening_by_page_shows_what_it_touches_first(as_rita):
    batch = labelled()
    revised(batch)
    address = reverse("reopen", args=[batch.project.public_id])
    page = text(as_rita.get(address, {"label": "animal:cat", "version": "1"}))
    assert "Ask 4 tasks again" in page
    assert "0.44" in page
    assert not Reopening.objects.exists()
    done = as_rita.post(address, {"label": "animal:cat", "version": "1"}, follow=True)
    assert "4 tasks are asked again." in text(done)
    assert Answer.objects.superseded().count() == 8
    assert "less than or equal to 1" in text(as_rita.get(address, {"label": "animal:cat", "version": "2"}))


def test_reopening_by_the_api(as_rita):
    batch = labelled()
    revised(batch)
    path = f"projects/{batch.project.public_id}/reopenings"
    offer = call(as_rita, "get", f"{path}/quote?field=animal&label=cat&version=1").json()
    assert (offer["tasks"], offer["answers"], offer["reserve_micros"]) == (4, 8, 440_000)
    made = call(as_rita, "post", path, {"field": "animal", "label": "cat", "version": 1})
    assert (made.status_code, made.json()["state"], made.json()["answers"]) == (201, "done", 8)
    assert call(as_rita, "get", path).json()["items"] == [made.json()]
    for wrong in ({"label": "cow"}, {"version": 2}, {"field": "size"}, {"version": -1}):
        body = {"field": "animal", "label": "cat", "version": 1, **wrong}
        assert call(as_rita, "post", path, body).status_code in (400, 422)


def test_who_lacks_the_money_is_told_how_much(as_rita):
    batch = labelled(micros=8 * 55_000)
    revised(batch)
    path = f"projects/{batch.project.public_id}/reopenings"
    refused = call(as_rita, "post", path, {"field": "animal", "label": "cat", "version": 1})
    assert (refused.status_code, refused.json()["missing_micros"]) == (409, 440_000)
    page = text(as_rita.get(reverse("reopen", args=[batch.project.public_id]), {"label": "animal:cat", "version": "1"}))
    assert "is missing" in page


def test_agreement_by_page_and_api(as_rita):
    batch = labelled(items=4, animals=("cat", "dog"), guideline="# Cats\n\nA cat has whiskers.")
    page = text(as_rita.get(reverse("agreement", args=[batch.project.public_id])))
    for words in ("Under version 1", "<svg", "cat and dog: 4 pairs", "#passage-1", "Nowhere"):
        assert words in page
    found = call(as_rita, "get", f"projects/{batch.project.public_id}/agreement").json()
    (animal,) = found["by_field"]
    assert (found["answers"], animal["versions"][0]["labels"][0]["agreement"]) == (8, 0.0)
    assert animal["named"]["cat"] == [{"number": 1, "title": "Cats"}]


def test_an_empty_project_has_pages_too(as_rita, rita):
    project = make.project(make.organisation(rita))
    for name in ("guideline", "edit-guideline", "agreement", "reopen"):
        assert as_rita.get(reverse(name, args=[project.public_id])).status_code == 200


def test_labels_are_weighed_again_after_a_reopening_by_page(as_rita):
    batch = labelled()
    revised(batch)
    as_rita.post(reverse("reopen", args=[batch.project.public_id]), {"label": "animal:cat", "version": "1"})
    assert batch in consensus.waiting()
