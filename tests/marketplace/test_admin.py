import pytest

from marketplace.models import AuditEvent, Organisation
from tests import make
from tests.conftest import signed_in

pytestmark = pytest.mark.django_db

KINDS = ["user", "organisation", "project", "import", "auditevent"]


@pytest.fixture
def things(rita):
    project = make.project(make.organisation(rita))
    run = make.ended(make.import_of("a,b\n1\n1,2\n", project.organisation))
    return {
        "user": rita,
        "organisation": project.organisation,
        "project": project,
        "import": run,
        "auditevent": AuditEvent.objects.first(),
    }


@pytest.mark.parametrize("kind", KINDS)
def test_staff_look_and_change_nothing(ada, things, kind):
    admin, row = signed_in(ada), things[kind]
    assert admin.get(f"/admin/marketplace/{kind}/?q=a").status_code == 200
    page = admin.get(f"/admin/marketplace/{kind}/{row.pk}/change/")
    assert page.status_code == 200
    assert "pbkdf2" not in page.content.decode()
    for refused in (f"{row.pk}/change/", f"{row.pk}/delete/", "add/"):
        assert admin.post(f"/admin/marketplace/{kind}/{refused}", {"name": "x", "post": "yes"}).status_code == 403


@pytest.mark.parametrize("kind", KINDS)
def test_nobody_else_looks(as_sam, things, kind):
    assert as_sam.get(f"/admin/marketplace/{kind}/").status_code == 302


def test_staff_freeze_organisations_with_a_reason_on_a_page_of_its_own(ada, things):
    admin, asked = signed_in(ada), {"action": "freeze", "_selected_action": [things["organisation"].pk]}
    page = admin.post("/admin/marketplace/organisation/", asked)
    assert '<label for="reason"' in page.content.decode()
    assert not Organisation.objects.get().frozen_at
    refused = admin.post("/admin/marketplace/organisation/", {**asked, "reason": "  "})
    assert (refused.status_code, Organisation.objects.get().frozen_at) == (409, None)
    admin.post("/admin/marketplace/organisation/", {**asked, "reason": "A bank asked."})
    assert Organisation.objects.get().frozen_at
    admin.post("/admin/marketplace/organisation/", {**asked, "action": "thaw", "reason": "It was cleared."})
    assert not Organisation.objects.get().frozen_at
    told = AuditEvent.objects.filter(verb__in=["freeze", "thaw"]).order_by("pk")
    assert [event.facts["reason"] for event in told] == ["A bank asked.", "It was cleared."]
