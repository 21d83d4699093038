"""Pages of the offer: what they say, what they refuse, and that a stranger finds nothing."""

import json
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import reverse

from marketplace import accounts
from marketplace.models import Import, Organisation, Project, Role, User
from marketplace.web.project_forms import ProjectEditor, built
from tests import make

FIELDS = {
    "display-TOTAL_FORMS": "1",
    "display-INITIAL_FORMS": "0",
    "display-0-column": "text",
    "display-0-kind": "text",
    "fields-TOTAL_FORMS": "1",
    "fields-INITIAL_FORMS": "0",
    "fields-0-type": "choice",
    "fields-0-name": "animal",
    "fields-0-title": "Which animal?",
    "fields-0-options": "cat | A cat\ndog",
    "fields-0-truth": "factual",
    "fields-0-required": "on",
}
TYPED = {
    **FIELDS,
    "title": "Animals",
    "description": "",
    "guideline": "# Look",
    "price_micros": "0.05",
    "currency": "USD",
    "redundancy_min": "2",
    "redundancy_max": "3",
    "redundancy_by": "confidence",
    "ask_experts": "on",
    "target_confidence_pct": "99",
    "page_size": "10",
    "lease_min": "30",
    "practice_size": "0",
    "expected_s": "30",
    "pay_floor_micros": "0",
    "top_up_most_percent": "50",
    "exam_size": "0",
    "exam_pass_mark_pct": "80",
    "exam_min": "15",
    "exam_attempts": "3",
    "exam_cooldown_h": "1",
    "exam_price_micros": "0",
    "exam_paid_most": "0",
    "pilot_size": "0",
    "pilot_agreement_pct": "70",
    "pass_mark_pct": "80",
    "grant_days": "0",
    "grant_accuracy_pct": "0",
    "gold_share_pct": "10",
    "review_share_pct": "0",
    "review_unsure_pct": "0",
    "review_verdicts": "1",
    "accept_after_h": "72",
    "appeal_window_days": "14",
    "pick_column": "",
    "schema_json": "",
}


@pytest.fixture
def lab(rita: User) -> Organisation:
    return make.organisation(rita)


def text(response: Any) -> str:
    return response.content.decode()


def test_a_guest_sees_two_doors(client: Client, db: None) -> None:
    page = text(client.get("/"))
    assert "I have data" in page
    assert "I want to work" in page
    assert "Play money" in page


def test_pages_ask_a_guest_to_sign_in(client: Client, db: None) -> None:
    for name in ("account", "api-keys", "organisations", "projects"):
        response = client.get(reverse(name))
        assert response.status_code == 302
        assert response["Location"].startswith("/accounts/login/")


def test_a_page_that_is_not_there_says_so_in_the_same_look(client: Client, db: None) -> None:
    response = client.get("/nothing/")
    assert response.status_code == 404
    assert "There is nothing here" in text(response)


def test_an_unconfirmed_person_is_asked_to_confirm(client: Client, db: None) -> None:
    client.force_login(make.user("new", confirmed=False), "allauth.account.auth_backends.AuthenticationBackend")
    assert "confirm your e-mail address" in text(client.get("/"))


def test_founding_an_organisation_leads_to_it(as_rita: Client) -> None:
    response = as_rita.post(reverse("organisations"), {"name": "Rita's lab"}, follow=True)
    assert "Draft a project" in text(response)
    assert Organisation.objects.get().name == "Rita's lab"


def test_a_refusal_stands_in_the_form(as_rita: Client, lab: Organisation) -> None:
    page = text(as_rita.post(reverse("members", args=[lab.public_id]), {"email": "x@example.org", "role": "manager"}))
    assert "nobody here has confirmed this address" in page
    assert 'aria-invalid="true"' in page


def test_a_refused_action_becomes_a_message(as_rita: Client, lab: Organisation) -> None:
    own = lab.memberships.get()
    response = as_rita.post(reverse("remove-member", args=[lab.public_id, own.pk]), follow=True)
    assert "at least one owner" in text(response)
    assert lab.memberships.count() == 1


def test_owners_change_roles_and_others_see_no_such_form(as_rita: Client, lab: Organisation, wes: User) -> None:
    member = accounts.add_member(lab, wes.email, Role.REVIEWER, make.owner(lab))
    as_rita.post(reverse("change-role", args=[lab.public_id, member.pk]), {f"{member.pk}-role": "manager"})
    member.refresh_from_db()
    assert member.role == "manager"
    client = Client()
    client.force_login(wes, "allauth.account.auth_backends.AuthenticationBackend")
    assert "Change role" not in text(client.get(reverse("members", args=[lab.public_id])))


def test_a_drafted_project_has_what_was_typed(as_rita: Client, lab: Organisation) -> None:
    response = as_rita.post(reverse("draft", args=[lab.public_id]), TYPED)
    drafted = Project.objects.get()
    assert response["Location"] == reverse("data", args=[drafted.public_id])
    assert (drafted.price_micros, drafted.lease_s, drafted.accept_after_s) == (50_000, 1800, 3 * 24 * 3600)
    assert (drafted.target_confidence, drafted.gold_share, drafted.pass_mark) == (0.99, 0.1, 0.8)
    assert drafted.schema["fields"][0]["options"][0] == {"value": "cat", "title": "A cat"}
    assert drafted.guidelines.get().text == "# Look"


def test_what_is_wrong_stands_beside_its_field(as_rita: Client, lab: Organisation) -> None:
    wrong = {**TYPED, "fields-0-options": "cat", "price_micros": "0.00000001", "redundancy_max": "1"}
    page = text(as_rita.post(reverse("draft", args=[lab.public_id]), wrong))
    assert "at most six decimals" in page
    page = text(as_rita.post(reverse("draft", args=[lab.public_id]), {**wrong, "price_micros": "1"}))
    assert "there must be 2 to 100 options" in page
    page = text(as_rita.post(reverse("draft", args=[lab.public_id]), {**TYPED, "redundancy_max": "1"}))
    assert "must not be less than redundancy_min" in page
    assert not Project.objects.exists()


def test_another_question_is_added_without_a_script_and_without_scolding(as_rita: Client, lab: Organisation) -> None:
    typed = {**TYPED, "title": "", "add_field": "1"}
    page = text(as_rita.post(reverse("draft", args=[lab.public_id]), typed))
    assert 'name="fields-1-name"' in page
    assert "aria-invalid" not in page
    assert not Project.objects.exists()


def test_json_is_taken_in_place_of_the_fields(as_rita: Client, lab: Organisation) -> None:
    typed = {**TYPED, "fields-0-name": "", "schema_json": json.dumps(make.SCHEMA)}
    as_rita.post(reverse("draft", args=[lab.public_id]), typed)
    assert Project.objects.get().schema["fields"][0]["name"] == "animal"
    page = text(as_rita.post(reverse("draft", args=[lab.public_id]), {**typed, "schema_json": "{"}))
    assert "This is not JSON" in page


@pytest.mark.parametrize(
    "field",
    [
        {"type": "choices", "options": ["a", {"value": "b", "title": "Bee"}]},
        {"type": "number", "min": 0, "max": 5, "integer": True},
        {"type": "rating", "points": 7},
        {"type": "text"},
    ],
)
def test_a_schema_comes_out_of_the_form_as_it_went_in(lab: Organisation, field: dict[str, Any]) -> None:
    schema = {"display": [{"column": "x", "kind": "image"}], "fields": [{"name": "f", **field}]}
    project = make.project(lab, schema=schema)
    editor = ProjectEditor(project=project)
    rows = [dict(form.initial) for form in editor.fields.forms]
    assert built([dict(form.initial) for form in editor.displays.forms], rows)[0] == project.schema
    assert not editor.form["schema_json"].value()


def test_a_schema_that_says_more_than_the_form_is_edited_as_json(lab: Organisation) -> None:
    schema = {"fields": [{"name": "f", "type": "rating", "points": 5, "tolerance": 1}]}
    editor = ProjectEditor(project=make.project(lab, schema=schema))
    assert '"tolerance": 1' in editor.form["schema_json"].value()


def test_revising_writes_a_guideline_only_when_it_changed(as_rita: Client, lab: Organisation) -> None:
    project = make.project(lab, guideline="# Look")
    address = reverse("revise", args=[project.public_id])
    as_rita.post(address, {**TYPED, "title": "Beasts"})
    as_rita.post(address, {**TYPED, "title": "Beasts", "guideline": "# Look twice"})
    project.refresh_from_db()
    assert project.title == "Beasts"
    assert [one.version for one in project.guidelines.all()] == [2, 1]


def test_the_preview_is_safe(as_rita: Client) -> None:
    page = text(as_rita.post(reverse("preview-guideline"), {"guideline": "# Hi\n\n<script>alert(1)</script>"}))
    assert "<h3>Hi</h3>" in page
    assert "<script" not in page


def test_a_file_is_imported_with_progress(as_rita: Client, lab: Organisation) -> None:
    project = make.project(lab)
    file = SimpleUploadedFile("rows.csv", b"id,text,known\n1,a,cat\n2,b,\n3,c,fish\n")
    address = reverse("data", args=[project.public_id])
    response = as_rita.post(address, {"file": file, "key_column": "id", "truth_animal": "known"})
    run = Import.objects.get()
    assert (run.format, run.truth_columns, run.project) == ("csv", {"known": "animal"}, project)
    assert "every 1s" in text(as_rita.get(response["Location"]))
    make.ended(run)
    page = text(as_rita.get(response["Location"], headers={"HX-Request": "true"}))
    assert "<html" not in page
    assert "every 1s" not in page
    assert "must be one of cat, dog, owl" in page


def test_a_file_of_another_kind_is_refused(as_rita: Client, lab: Organisation) -> None:
    project = make.project(lab)
    file = SimpleUploadedFile("rows.xlsx", b"PK")
    page = text(as_rita.post(reverse("data", args=[project.public_id]), {"file": file}))
    assert "The name must end in .csv" in page
    assert not Import.objects.exists()


def test_a_key_is_shown_once(as_rita: Client) -> None:
    typed = {"name": "robot", "scopes": ["work"], "expires_in_days": "30"}
    page = text(as_rita.post(reverse("api-keys"), typed))
    assert "mh_" in page
    assert "mh_" not in text(as_rita.get(reverse("api-keys")))


def test_a_stranger_finds_nothing(as_sam: Client, lab: Organisation) -> None:
    project = make.project(lab)
    run = make.import_of("text\na\n", lab, project=project)
    member = lab.memberships.get()
    for name, *args in (
        ("organisation", lab.public_id),
        ("members", lab.public_id),
        ("draft", lab.public_id),
        ("revise", project.public_id),
        ("data", project.public_id),
        ("import", run.public_id),
    ):
        assert as_sam.get(reverse(name, args=args)).status_code == 404, name
    actions: list[tuple[Any, ...]] = [
        ("pause", project.public_id),
        ("resume", project.public_id),
        ("change-role", lab.public_id, member.pk),
        ("remove-member", lab.public_id, member.pk),
        ("revoke-key", "key_none"),
    ]
    for name, *args in actions:
        assert as_sam.post(reverse(name, args=args)).status_code == 404, name


def test_changes_come_by_post_with_a_token_only(rita: User, lab: Organisation) -> None:
    project = make.project(lab)
    strict = Client(enforce_csrf_checks=True)
    strict.force_login(rita, "allauth.account.auth_backends.AuthenticationBackend")
    assert strict.get(reverse("pause", args=[project.public_id])).status_code == 405
    assert strict.post(reverse("pause", args=[project.public_id])).status_code == 403


def test_no_page_needs_inline_scripts_or_styles(as_rita: Client, lab: Organisation) -> None:
    project = make.project(lab)
    for name, *args in (
        ("home",),
        ("account",),
        ("organisation", lab.public_id),
        ("draft", lab.public_id),
        ("data", project.public_id),
        ("account_email",),
        ("account_change_password",),
    ):
        page = text(as_rita.get(reverse(name, args=args)))
        assert "style=" not in page, name
        assert "<style" not in page, name
        assert "onclick=" not in page, name
