import pytest

from marketplace import accounts
from tasks import rules
from tasks.models import Decision, Rule
from tests import make
from tests.conftest import signed_in
from tests.tasks import work
from tests.tasks.ruled import MISSED, STOP, batch, checked, rule, sweep, when

pytestmark = pytest.mark.django_db

TYPED = {
    **{"name": "Missed checks", "collector": "gold", "history": "10", "kind": "stop", "hours": "24"},
    **{"figure0": "correct_share", "is0": "LessThan", "to0": "0.6"},
    **{"figure2": "total", "is2": "GreaterThanOrEqualTo", "to2": "4"},
}


def text_of(response):
    return response.content.decode()


@pytest.fixture
def here():
    return batch()


@pytest.fixture
def new(here):
    return f"/projects/{here.project.public_id}/rules/new/"


def test_a_rule_is_typed_tried_switched_on_seen_by_workers_and_switched_off(as_rita, here, new):
    wes = work.worker()
    checked(wes, here, 0, 0, 1, 0)
    page = as_rita.post(new, TYPED)
    made = Rule.objects.get()
    assert page["Location"] == f"/rules/{made.public_id}/"
    assert (made.conditions, made.action, made.history) == (MISSED, STOP, 10)
    assert "Switch it on" not in text_of(as_rita.get(page["Location"]))
    as_rita.post(f"/rules/{made.public_id}/try")
    page = text_of(as_rita.get(f"/rules/{made.public_id}/"))
    assert "It would have hit 1 of them." in page
    assert here.project.organisation.pseudonym(wes.public_id)[:10] in page
    assert "the share that is right: 25 %" in page
    assert 'class="hit"' in page
    offer = f"/work/projects/{here.project.public_id}/"
    assert rules.describe(made).replace("'", "&#x27;") not in text_of(signed_in(wes.user).get(offer))
    as_rita.post(f"/rules/{made.public_id}/on")
    assert rules.describe(made).replace("'", "&#x27;") in text_of(signed_in(wes.user).get(offer))
    checked(wes, here, 0)
    sweep()
    assert "1 decision stands, 0 undone" in text_of(as_rita.get(f"/projects/{here.project.public_id}/rules/"))
    assert f"/decisions/{Decision.objects.get().public_id}/" in text_of(as_rita.get(f"/rules/{made.public_id}/"))
    assert "Missed checks v1" in text_of(
        signed_in(wes.user).get(f"/work/decisions/{Decision.objects.get().public_id}/")
    )
    as_rita.post(f"/rules/{made.public_id}/off")
    made.refresh_from_db()
    assert made.state == "off"


def test_what_is_wrong_stands_beside_its_field(as_rita, new):
    page = as_rita.post(new, {**TYPED, "to0": "60", "hours": "100"})
    form = page.context["form"]
    assert {"to0", "hours"} == set(form.errors)
    assert "never" not in form.errors["to0"][0]
    assert "always holds" in form.errors["to0"][0]
    form = as_rita.post(new, {**TYPED, "figure2": "fast", "name": ""}).context["form"]
    assert "name" in form.errors
    form = as_rita.post(new, {**TYPED, "figure2": "fast"}).context["form"]
    assert set(form.errors) == {"figure2"}
    form = as_rita.post(new, {**TYPED, "to2": ""}).context["form"]
    assert set(form.errors) == {"to2"}
    form = as_rita.post(new, {**TYPED, "figure0": "p_below"}).context["form"]
    assert set(form.errors) == {"figure0"}
    form = as_rita.post(new, {"name": "None", "collector": "practice", "kind": "notify"}).context["form"]
    assert set(form.errors) == {"collector", "figure0", "text", "whom"}
    assert not Rule.objects.exists()


def test_a_revision_begins_with_what_was_written(as_rita, here):
    first = rule(here.project, "speed", [when("fast_share", "GreaterThan", 0.5)], measure={"fast_s": 2})
    page = text_of(as_rita.get(f"/rules/{first.public_id}/revise/"))
    assert 'value="2.0"' in page or 'value="2"' in page
    typed = {**TYPED, "name": "Hasty", "kind": "small_pages", "page_size": "1"}
    page = as_rita.post(f"/rules/{first.public_id}/revise/", typed)
    second = Rule.objects.get(version=2)
    assert page["Location"] == f"/rules/{second.public_id}/"
    assert second.action == {"kind": "small_pages", "page_size": 1, "hours": 24}
    shown = text_of(as_rita.get(f"/rules/{first.public_id}/"))
    assert "There is a newer version" in shown
    assert "Version 1" in text_of(as_rita.get(f"/rules/{second.public_id}/"))


def test_a_refusal_is_a_message(as_rita, here):
    made = rule(here.project, on=False)
    page = as_rita.post(f"/rules/{made.public_id}/on", headers={"referer": f"/rules/{made.public_id}/"}, follow=True)
    assert "Try it on past data first" in text_of(page)


def test_names_and_texts_of_requesters_are_text(as_rita, here):
    bad = "<script>alert(1)</script>"
    made = rules.draft(here.project, make.user("rita"), bad, "gold", MISSED, {**NOTE, "text": bad})
    rules.try_on_past(made, make.user("rita"))
    rules.switch_on(made, make.user("rita"))
    offer = f"/work/projects/{here.project.public_id}/"
    for client, path in ((as_rita, f"/rules/{made.public_id}/"), (signed_in(make.user("wes")), offer)):
        assert bad not in text_of(client.get(path))


NOTE = {"kind": "notify", "whom": "worker", "text": "Look again."}


def test_over_the_api_a_rule_is_written_tried_on_revised_and_off(as_rita, here):
    wes = work.worker()
    checked(wes, here, 0, 0, 0, 0)
    sent = {"name": "Missed", "collector": "gold", "conditions": MISSED, "action": STOP}
    listed = f"/api/v1/projects/{here.project.public_id}/rules"
    made = as_rita.post(listed, sent, "application/json").json()
    assert (made["state"], made["version"], made["tried"], made["conditions"]) == ("draft", 1, None, MISSED)
    assert made["sentence"].startswith("When, of all of a worker's")
    early = as_rita.post(f"/api/v1/rules/{made['id']}/on")
    assert (early.status_code, early.json()["type"]) == (409, "/problems/illegal-move")
    trial = as_rita.post(f"/api/v1/rules/{made['id']}/try").json()
    assert (trial["would_have"], trial["hit"][0]["figures"]["total"]) == (1, 4)
    assert as_rita.post(f"/api/v1/rules/{made['id']}/on").json()["state"] == "on"
    offer = signed_in(wes.user).get(f"/api/v1/work/projects/{here.project.public_id}").json()
    assert offer["rules"] == [{"name": "Missed", "version": 1, "sentence": made["sentence"]}]
    after = as_rita.post(f"/api/v1/rules/{made['id']}/revise", {"action": NOTE}, "application/json")
    assert (after.status_code, after.json()["replaces"]) == (201, made["id"])
    assert as_rita.get(f"/api/v1/rules/{made['id']}").json()["state"] == "off"
    assert as_rita.post(f"/api/v1/rules/{made['id']}/off").status_code == 409
    assert [one["id"] for one in as_rita.get(listed).json()["items"]] == [after.json()["id"]]
    assert as_rita.get(listed).json()["items"][0]["action"] == NOTE


def test_over_the_api_a_rule_that_cannot_be_says_where_and_why(as_rita, here):
    sent = {"name": "Never", "collector": "gold", "conditions": [when("total", "LessThan", 0)], "action": STOP}
    refused = as_rita.post(f"/api/v1/projects/{here.project.public_id}/rules", sent, "application/json")
    assert refused.status_code == 422
    assert refused.json()["errors"][0]["path"] == "conditions[0].to"


def test_rules_of_others_do_not_exist_and_reviewers_only_read(as_sam, here):
    made = rule(here.project, on=False)
    for path in (f"/rules/{made.public_id}/", f"/projects/{here.project.public_id}/rules/"):
        assert as_sam.get(path).status_code == 404
    assert as_sam.post(f"/api/v1/rules/{made.public_id}/try").status_code == 404
    rosa = make.user("rosa")
    accounts.add_member(here.project.organisation, "rosa@example.org", "reviewer", make.user("rita"))
    assert signed_in(rosa).get(f"/rules/{made.public_id}/").status_code == 200
    assert signed_in(rosa).post(f"/api/v1/rules/{made.public_id}/try").status_code == 403
