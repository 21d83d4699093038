"""What workers freely say of themselves: kept while they want it, shown to them alone."""

import json

import pytest
from django.contrib import admin
from django.urls import reverse

from marketplace.core import clock
from marketplace.core.errors import Invalid
from marketplace.models import AuditEvent
from tests.conftest import signed_in
from workers import profiles, self_descriptions
from workers.models import SelfDescription

pytestmark = pytest.mark.django_db


@pytest.fixture
def wesley(wes):
    return profiles.of(wes)


def test_it_is_kept_with_when_it_was_agreed_to(wesley):
    before = clock.now()
    self_descriptions.say(wesley, {"age": "25_34", "gender": "man"}, consents=True)
    assert self_descriptions.of(wesley) == {"age": "25_34", "gender": "man"}
    assert all(before <= row.consented_at <= clock.now() for row in SelfDescription.objects.all())


def test_what_is_said_again_keeps_its_time_and_what_changes_gets_a_new_one(wesley):
    self_descriptions.say(wesley, {"age": "25_34", "gender": "man"}, consents=True)
    first = dict(SelfDescription.objects.values_list("question", "consented_at"))
    self_descriptions.say(wesley, {"age": "35_44", "gender": "man"}, consents=True)
    then = dict(SelfDescription.objects.values_list("question", "consented_at"))
    assert then["gender"] == first["gender"]
    assert then["age"] > first["age"]


def test_without_consent_nothing_is_kept_and_all_may_be_taken_back(wesley):
    with pytest.raises(Invalid) as refused:
        self_descriptions.say(wesley, {"age": "25_34"}, consents=False)
    assert refused.value.facts["errors"][0]["path"] == "consents"
    assert self_descriptions.of(wesley) == {}
    self_descriptions.say(wesley, {"age": "25_34"}, consents=True)
    self_descriptions.say(wesley, {"age": ""}, consents=False)
    assert self_descriptions.of(wesley) == {}


@pytest.mark.parametrize("said", [{"shoes": "43"}, {"age": "7"}, {"gender": "25_34"}])
def test_only_what_is_asked_can_be_said(wesley, said):
    with pytest.raises(Invalid):
        self_descriptions.say(wesley, {"age": "25_34", **said}, consents=True)
    assert self_descriptions.of(wesley) == {}


def test_what_is_withdrawn_leaves_no_row_and_no_trace_of_what_it_was(wesley):
    self_descriptions.say(wesley, {"age": "25_34", "gender": "man"}, consents=True)
    self_descriptions.say(wesley, {"age": ""}, consents=True)
    assert self_descriptions.of(wesley) == {"gender": "man"}
    self_descriptions.withdraw(wesley)
    assert not SelfDescription.objects.exists()
    events = AuditEvent.objects.filter(target_type="worker", target_id=wesley.pk)
    assert [(event.verb, event.facts) for event in events.order_by("pk")] == [
        ("describe", {}),
        ("describe", {}),
        ("withdraw_description", {}),
    ]


def test_it_goes_with_the_person(wesley):
    self_descriptions.say(wesley, {"age": "25_34"}, consents=True)
    profiles.erase(wesley)
    assert not SelfDescription.objects.exists()
    with pytest.raises(Invalid, match="deleted"):
        self_descriptions.say(wesley, {"age": "25_34"}, consents=True)


def test_the_page_says_what_for_and_keeps_what_is_chosen(wes):
    client = signed_in(wes)
    page = client.get(reverse("about-me")).content.decode()
    assert "groups of at least 10 people" in page
    assert page.count("Rather not say</option>") == len(self_descriptions.QUESTIONS)
    typed = {"age": "25_34", "gender": "", "language": "de", "region": ""}
    refused = client.post(reverse("about-me"), typed)
    assert "only if you agree" in refused.content.decode()
    assert client.post(reverse("about-me"), {**typed, "consents": "on"}).status_code == 302
    assert self_descriptions.of(profiles.of(wes)) == {"age": "25_34", "language": "de"}
    assert client.post(reverse("withdraw-about-me")).status_code == 302
    assert self_descriptions.of(profiles.of(wes)) == {}


def test_the_api_does_the_same(wes):
    client = signed_in(wes)
    sent = {"said": {"gender": "another"}, "consents": True}
    said = client.patch("/api/v1/about-me", json.dumps(sent), content_type="application/json").json()
    assert {one["name"]: one["said"] for one in said["questions"]}["gender"] == "another"
    refused = client.patch("/api/v1/about-me", json.dumps({**sent, "consents": False}), content_type="application/json")
    assert refused.status_code == 422
    assert client.delete("/api/v1/about-me").status_code == 204
    assert client.get("/api/v1/about-me").json() == {
        **said,
        "questions": [{**one, "said": ""} for one in said["questions"]],
    }


def test_the_admin_does_not_show_it_by_person(wesley, ada):
    self_descriptions.say(wesley, {"language": "zu"}, consents=True)
    assert SelfDescription not in admin.site._registry
    inlines = [inline.model for one in admin.site._registry.values() for inline in one.inlines]
    assert SelfDescription not in inlines
    boss = signed_in(ada)
    for path in (f"/admin/workers/worker/{wesley.pk}/change/", f"/admin/workers/worker/{wesley.pk}/history/"):
        assert "Zulu" not in boss.get(path).content.decode()
    assert "zu" not in str(SelfDescription.objects.get())
