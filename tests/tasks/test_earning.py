"""Who may earn what: age, country, account; and whose work is own work because of where they are paid."""

import pytest
from django.urls import reverse

from marketplace.models import Project
from payments.models import PayoutAccount
from tasks import assignments, earning, jobs, training, way_in
from tasks.errors import MayNotEarn, OwnWork
from tests import make
from tests.conftest import signed_in
from tests.tasks import work
from workers import profiles
from workers.models import Worker

pytestmark = pytest.mark.django_db
AGE, COUNTRY = "Say that you are 18 or older.", "Say in which country you live."


@pytest.fixture
def wes() -> Worker:
    return work.worker("wes")


@pytest.fixture
def batch():
    return work.published(page_size=2, practice_size=0)


@pytest.fixture
def project(batch):
    """As if it paid real money: its offer says so, its books stay those of play money."""
    Project.objects.filter(pk=batch.project_id).update(mode="live")
    yield Project.objects.get(pk=batch.project_id)
    Project.objects.filter(pk=batch.project_id).update(mode="sandbox")


def paid_at(user, identity="", mode="live", **fields):
    fields = {"country": "US", "state": "ready", **fields}
    return PayoutAccount.objects.create(user=user, mode=mode, identity=identity, **fields)


def refused(worker, project):
    with pytest.raises(MayNotEarn) as refusal:
        assignments.claim(worker, Project(pk=project.pk))
    return refusal.value.facts["missing"]


def test_play_money_asks_for_nothing(wes, batch):
    assert assignments.claim(wes, batch.project).seats
    assert (wes.may_earn, wes.of_age_at) == ([], None)


def test_a_first_paid_claim_says_what_is_missing_until_it_is_stated(wes, project):
    assert refused(wes, project) == [AGE, COUNTRY]
    step = way_in.next_step(wes, project)
    assert (step.kind, step.facts["missing"]) == ("payable", [AGE, COUNTRY])
    earning.state(wes, of_age=True)
    assert refused(wes, project) == [COUNTRY]
    earning.state(wes, country="FR")
    assert refused(wes, project) == ["We cannot pay USD to people in France yet."]
    earning.state(wes, country="US")
    assert assignments.claim(wes, project).seats
    assert Worker.objects.get(pk=wes.pk).may_earn == ["test:USD", "live:USD"]


def test_a_page_that_is_out_stays_when_one_may_earn_no_more(wes, project):
    earning.state(wes, country="US", of_age=True)
    lease = assignments.claim(wes, project)
    earning.state(wes, country="FR")
    assert assignments.claim(wes, project) == lease
    assert work.answer(lease).state == "submitted"
    assert refused(wes, project) != []


def test_age_is_said_once_and_not_taken_back(wes):
    first = earning.state(wes, of_age=True).of_age_at
    assert earning.state(wes, of_age=True).of_age_at == first
    assert earning.state(wes, of_age=False).of_age_at == first


TAKES = {"new": True, "incomplete": True, "ready": True, "restricted": False}


@pytest.mark.parametrize(("state", "may"), TAKES.items())
def test_an_account_that_takes_nothing_earns_nothing(wes, project, state, may):
    earning.state(wes, country="US", of_age=True)
    paid_at(wes.user, state=state)
    jobs.relate(wes.user_id)
    wes.refresh_from_db()
    assert ("live:USD" in wes.may_earn) == may
    assert "test:USD" in wes.may_earn
    if not may:
        assert "takes no money" in refused(wes, project)[0]


def test_after_a_closed_account_another_counts(wes):
    earning.state(wes, country="US", of_age=True)
    paid_at(wes.user, state="closed")
    assert "live:USD" not in earning.look(wes)
    paid_at(wes.user, state="new")
    assert "live:USD" in earning.look(wes)


def test_the_country_of_the_account_counts_more_than_what_is_said(wes):
    earning.state(wes, country="US", of_age=True)
    paid_at(wes.user, country="DE")
    assert earning.look(wes) == ["test:USD", "live:EUR"]


def test_what_was_derived_too_long_ago_is_written_anew(wes, project):
    earning.state(wes, country="US", of_age=True)
    Worker.objects.update(may_earn=[])
    assert assignments.claim(wes, project).seats


def test_currencies_and_countries_are_settings(wes, settings):
    settings.PAYOUT_COUNTRIES, settings.CURRENCIES = {"DE": {"USD", "EUR"}}, ["USD"]
    earning.state(wes, country="DE", of_age=True)
    assert wes.may_earn == ["test:USD", "live:USD"]


def test_a_paid_exam_asks_for_it_too(wes):
    terms = {"practice_size": 0, "exam_size": 2, "exam_price_micros": 1_000, "exam_paid_most": 5}
    project = work.published(gold=10, **terms).project
    Project.objects.filter(pk=project.pk).update(mode="live")
    with pytest.raises(MayNotEarn):
        training.sit(wes, Project.objects.get(pk=project.pk))
    Project.objects.filter(pk=project.pk).update(mode="sandbox")
    assert training.sit(wes, Project.objects.get(pk=project.pk)).purpose == "exam"


def test_the_page_and_the_api_state_it(wes, project, settings):
    client = signed_in(wes.user)
    project_page = client.get(reverse("work-project", args=[project.public_id])).content.decode()
    assert AGE in project_page
    assert reverse("payable") in project_page
    offered = client.get("/api/v1/work/projects").json()["items"]
    assert offered[0]["missing"] == [AGE, COUNTRY]
    assert client.get(f"/api/v1/work/projects/{project.public_id}").json()["next"] == "payable"
    assert client.post(reverse("payable"), {"country": "US"}).status_code == 200  # the age is not said
    back = client.post(reverse("payable") + "?next=/work/", {"country": "US", "of_age": "on"})
    assert back["Location"] == "/work/"
    told = client.get("/api/v1/work/profile").json()
    assert (told["may_earn"], told["country"]) == (["test:USD", "live:USD"], "US")
    assert told["of_age_at"]
    assert "of_age" not in client.get(reverse("payable")).content.decode()
    said = client.patch("/api/v1/work/profile", {"country": "FR", "of_age": True}, "application/json").json()
    assert said["may_earn"] == ["test:EUR", "live:EUR"]


# Kin


def related(*users):
    for user in users:
        jobs.relate(user.pk)
    return [sorted(Worker.objects.get(user=user).kin) for user in users]


def test_who_is_paid_to_the_same_place_is_kin_both_ways_until_they_are_not():
    wes, sue, sam = (make.user(name) for name in ("wes", "sue", "sam"))
    for user in (wes, sue, sam):
        profiles.of(user)
    mine = paid_at(wes, "bank-1")
    paid_at(sue, "bank-1"), paid_at(sam, "bank-2")
    assert related(sam, sue) == [[], [wes.pk]]
    assert Worker.objects.get(user=wes).kin == [sue.pk]
    PayoutAccount.objects.filter(pk=mine.pk).update(identity="bank-2")
    assert related(wes) == [[sam.pk]]
    assert Worker.objects.get(user=sue).kin == []
    assert Worker.objects.get(user=sam).kin == [wes.pk]


def test_places_of_test_money_say_nothing_of_real_ones():
    wes, sue = make.user("wes"), make.user("sue")
    paid_at(wes, "bank-1", "test"), paid_at(sue, "bank-1", "live")
    assert related(wes, sue) == [[], []]


def test_work_of_a_kins_organisation_is_own_work(wes, batch):
    rita = make.user("rita")
    paid_at(rita, "bank-1"), paid_at(wes.user, "bank-1")
    assert assignments.claim(work.worker("sue"), batch.project).seats
    jobs.relate(rita.pk)
    wes.refresh_from_db()
    with pytest.raises(OwnWork):
        assignments.claim(wes, batch.project)
    step = way_in.next_step(wes, batch.project)
    assert (step.kind, step.facts["by_kin"]) == ("own", True)
    client = signed_in(wes.user)
    assert (
        "paid to the same account"
        in client.get(reverse("work-project", args=[batch.project.public_id])).content.decode()
    )
    assert batch.project.title not in client.get(reverse("work")).content.decode()
    PayoutAccount.objects.filter(user=wes.user_id).update(identity="bank-2")
    jobs.relate(wes.user_id)
    assert assignments.claim(Worker.objects.get(pk=wes.pk), batch.project).seats
