import pytest
from django.urls import reverse

from tasks import appeals, decisions
from tasks.models import Answer, Appeal
from tests import make
from tests.conftest import signed_in
from tests.tasks import work

pytestmark = pytest.mark.django_db


@pytest.fixture
def appeal() -> Appeal:
    answer = work.work(work.worker(), work.published(items=3)).answers.select_related("batch", "task").first()
    decision = decisions.reject(answer, make.user("rita"), "wrong", "It is a dog.")
    return appeals.contest(decision, answer.worker, "Look at the ears.")


def address(appeal: Appeal) -> str:
    return reverse("admin:tasks_appeal_change", args=[appeal.pk])


def test_an_admin_sees_both_sides_and_upholds_the_appeal(appeal, ada):
    client = signed_in(ada)
    page = client.get(address(appeal)).content.decode()
    assert "It is a dog." in page
    assert "Look at the ears." in page
    client.post(address(appeal), {"verdict": "uphold", "reason": "The ears are a cat's."})
    appeal.refresh_from_db()
    assert (appeal.state, appeal.decided_by) == ("upheld", ada)
    assert Answer.objects.filter(state="accepted").count() == 1


def test_a_verdict_needs_a_reason(appeal, ada):
    page = signed_in(ada).post(address(appeal), {"verdict": "dismiss", "reason": " "}, follow=True).content.decode()
    assert "Say why" in page
    appeal.refresh_from_db()
    assert appeal.state == "open"


def test_who_is_no_admin_sees_nothing(appeal, sam):
    assert signed_in(sam).get(address(appeal)).status_code == 302


def test_every_list_of_the_admin_opens(appeal, ada):
    client = signed_in(ada)
    for name in ("batch", "gold", "decision", "worker", "appeal"):
        app = "workers" if name == "worker" else "tasks"
        assert client.get(reverse(f"admin:{app}_{name}_changelist")).status_code == 200


def test_an_admin_suspends_a_worker_with_a_reason_and_another_one_settles_the_appeal(ada):
    wes = work.worker()
    address = reverse("admin:workers_worker_change", args=[wes.pk])
    client = signed_in(ada)
    assert "Nothing more is offered" in client.get(address).content.decode()
    client.post(address, {"reason_code": "conduct", "reason": " "})
    wes.refresh_from_db()
    assert wes.state == "active"
    client.post(address, {"reason_code": "conduct", "reason": "Two people use this account."})
    wes.refresh_from_db()
    assert wes.state == "suspended"
    contested = appeals.contest(wes.decisions.get(), wes, "We are one.")
    own = client.post(reverse("admin:tasks_appeal_change", args=[contested.pk]), {"verdict": "uphold", "reason": "x"})
    assert own.status_code == 302
    contested.refresh_from_db()
    assert contested.state == "open"
    other = signed_in(make.user("abe", staff=True))
    other.get(reverse("admin:tasks_appeal_change", args=[contested.pk]))
    other.post(reverse("admin:tasks_appeal_change", args=[contested.pk]), {"verdict": "uphold", "reason": "You are."})
    wes.refresh_from_db()
    assert wes.state == "active"


def test_strangers_suspend_nobody(sam):
    wes = work.worker()
    address = reverse("admin:workers_worker_change", args=[wes.pk])
    assert signed_in(sam).post(address, {"reason_code": "conduct", "reason": "x"}).status_code == 302
    wes.refresh_from_db()
    assert wes.state == "active"
