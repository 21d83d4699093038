"""Who holds more is paid more: pinned, reserved at the highest price, paid by what is held at the claim."""

import pytest
from django.urls import reverse

from marketplace.core.errors import Forbidden, Invalid
from marketplace.models import Project
from payments import reserves
from tasks import assignments, batches, decisions, settlement
from tasks.errors import NotPublishable
from tasks.models import Answer, Batch
from tests import make
from tests.conftest import signed_in
from tests.tasks import work
from workers import profiles, qualifications, tiers

pytestmark = pytest.mark.django_db
BASE, GOOD, BEST = 50_000, 70_000, 90_000
EACH_MOST = BEST + BEST // 10


@pytest.fixture
def project(rita) -> Project:
    """A draft with two tiers, of which Wes holds the lower and Ann both."""
    from payments import prepayments

    home = make.organisation(rita)
    prepayments.request(home, rita, 100_000_000, "USD")
    terms = {"gold_share": 0.0, "redundancy_min": 2, "redundancy_max": 2, "page_size": 3}
    project = make.project(home, price_micros=BASE, **terms)
    good, best = (qualifications.define(home, rita, name) for name in ("Good", "Best"))
    wes, ann = (profiles.introduce(work.worker(name), home) for name in ("wes", "ann"))
    qualifications.give(good, rita, [(wes, 1.0), (ann, 1.0)])
    qualifications.give(best, rita, [(ann, 1.0)])
    offered = [{"qualification": best.public_id, "price_micros": BEST}]
    return tiers.offer(project, rita, [*offered, {"qualification": good.public_id, "price_micros": GOOD}])


@pytest.fixture
def batch(project) -> Batch:
    data = make.dataset([{"text": f"item {n}"} for n in range(6)], project.organisation, project=project)
    return work.publish(project, data)


def test_what_is_wrong_is_told_with_its_place(project, rita, sam):
    own = [one.public_id for one in project.organisation.qualifications.all()]
    olga = make.user("olga")
    theirs = qualifications.define(make.organisation(olga), olga, "Theirs").public_id
    for wrong, path in (
        ({}, "tiers"),
        ([{}] * 6, "tiers"),
        ([{"qualification": own[0]}], "tiers[0]"),
        ([{"qualification": 3, "price_micros": BASE + 1}], "tiers[0].qualification"),
        ([{"qualification": own[0], "price_micros": BASE}], "tiers[0].price_micros"),
        ([{"qualification": own[0], "price_micros": 10**13}], "tiers[0].price_micros"),
        ([{"qualification": own[0], "price_micros": True}], "tiers[0].price_micros"),
        ([{"qualification": theirs, "price_micros": BEST}], "tiers[0].qualification"),
        ([{"qualification": own[0], "price_micros": BEST}] * 2, "tiers[1].qualification"),
    ):
        with pytest.raises(Invalid) as refused:
            tiers.offer(project, rita, wrong)
        assert refused.value.facts["errors"][0]["path"] == path
    with pytest.raises(Forbidden):
        tiers.offer(project, sam, [])
    assert tiers.offer(project, rita, [{"qualification": own[0], "price_micros": BASE + 1}]).tiers


def test_publishing_reserves_every_answer_at_the_highest_price_and_pins_the_tiers(project, batch, rita):
    assert reserves.standing(batch.subject).left_micros == 12 * EACH_MOST
    assert batch.seat_most_micros == EACH_MOST
    tiers.offer(project, rita, [])
    assert len(Batch.objects.get(pk=batch.pk).tiers) == 2
    assert assignments.price_micros(assignments.claim(work.worker("ann"), project)) == BEST


def test_a_price_that_overtook_its_tiers_is_not_published(project, rita):
    from marketplace import projects

    data = make.dataset([{"text": "item"}], project.organisation, project=project)
    projects.revise(project, rita, price_micros=GOOD)
    with pytest.raises(NotPublishable, match="price_micros"):
        batches.publish(project, data, rita)


@pytest.mark.parametrize(("name", "price"), [("sam", BASE), ("wes", GOOD), ("ann", BEST)])
def test_a_worker_is_paid_the_highest_price_they_hold(project, batch, rita, name, price):
    worker = work.worker(name)
    lease = assignments.claim(worker, project)
    paid = {(answer.price_micros, answer.fee_micros) for answer in lease.answers.all()}
    assert paid == {(price, price // 10)}
    assert assignments.price_micros(lease) == price
    client = signed_in(worker.user)
    told = client.get(f"/api/v1/assignments/{lease.public_id}").json()["price_micros"]
    listed = client.get("/api/v1/assignments").json()["items"][0]["price_micros"]
    offer = client.get(f"/api/v1/work/projects/{project.public_id}").json()
    assert (told, listed, offer["your_price_micros"], offer["price_micros"]) == (price, price, price, BASE)
    work.answer(lease)
    decisions.accept(list(Answer.objects.select_related("batch__project")), rita)
    settlement.settle(batch.pk)
    assert worker.user.accounts.get(kind="earnings").balance_micros == 3 * price
    assert reserves.standing(batch.subject).left_micros == 12 * EACH_MOST - 3 * (price + price // 10)


def test_a_page_keeps_the_price_it_was_given_with(project, batch, rita):
    worker = work.worker("wes")
    lease = assignments.claim(worker, project)
    qualifications.end(worker.grants.get(), "Over.")
    work.answer(lease)
    assert set(lease.answers.values_list("price_micros", flat=True)) == {GOOD}
    assert assignments.price_micros(assignments.claim(worker, project)) == BASE


def test_what_the_tiers_did_not_cost_comes_back_and_a_refill_is_reserved_at_the_highest_price(project, batch, rita):
    cheap = work.work(work.worker("sam"), batch)
    before = reserves.standing(batch.subject).left_micros
    decisions.exclude(cheap.answers.select_related("task", "batch").first(), rita, "damaged", "Nothing to see.")
    assert reserves.standing(batch.subject).left_micros == before + EACH_MOST
    batches.close(batch, rita)
    while batches.return_rest(batch.pk):
        pass
    assert reserves.standing(batch.subject).left_micros == 3 * (BASE + BASE // 10)


def test_gold_pays_the_same(rita):
    home = make.organisation(rita)
    from payments import prepayments

    prepayments.request(home, rita, 100_000_000, "USD")
    terms = {"gold_share": 0.5, "redundancy_min": 2, "redundancy_max": 2, "page_size": 4}
    project = make.project(home, price_micros=BASE, **terms)
    good = qualifications.define(home, rita, "Good")
    wes = work.worker("wes")
    qualifications.give(good, rita, [(profiles.introduce(wes, home), 1.0)])
    tiers.offer(project, rita, [{"qualification": good.public_id, "price_micros": GOOD}])
    rows = [{"text": f"item {n}"} for n in range(12)] + [{"text": f"gold {n}", "truth": "owl"} for n in range(12)]
    batch = work.publish(project, make.dataset(rows, home, project=project, truth_columns={"truth": "animal"}))
    work.work_all(wes, batch)
    answers = Answer.objects.filter(worker=wes)
    assert {True, False} == set(answers.values_list("to_grade", flat=True))
    assert set(answers.values_list("price_micros", flat=True)) == {GOOD}


def test_pages_say_the_price_and_what_is_set_aside(project, batch):
    path = reverse("work-project", args=[project.public_id])
    assert "0.07 USD" in signed_in(make.user("wes")).get(path).content.decode()
    page = signed_in(make.user("rita")).get(reverse("publish", args=[project.public_id])).content.decode()
    assert "Enough is set aside to pay the highest price, 0.09 USD, for every answer" in page
