import pytest

from marketplace import accounts, projects
from marketplace.core.errors import Forbidden, InsufficientFunds
from payments import prepayments, reserves
from payments.models import Account, ReserveLine
from tasks import assignments, batches, forecast, gold, jobs, settlement
from tasks.errors import NoTaskAvailable, NotPublishable
from tasks.models import Answer, Batch, Task
from tests import make
from tests.tasks import work
from workers.models import Notice

pytestmark = pytest.mark.django_db
EACH = 55_000  # price and fee


def draft(rows, micros=100_000_000, **terms):
    home = make.organisation()
    if micros:
        prepayments.request(home, make.owner(home), micros, "USD")
    project = make.project(home, **{"gold_share": 0.1, "redundancy_min": 2, "redundancy_max": 4, **terms})
    truth = {"truth_columns": {"truth": "animal"}} if any("truth" in row for row in rows) else {}
    return project, make.dataset(rows, home, project=project, **truth)


def rows(items, gold=0):
    return [{"text": f"item {n}"} for n in range(items)] + [{"text": f"gold {n}", "truth": "owl"} for n in range(gold)]


def test_a_quote_says_what_is_bought_line_by_line():
    project, data = draft(rows(10, gold=8), practice_size=2)
    quote = forecast.quote(project, data)
    assert (quote.items, quote.gold, quote.practice_gold, quote.answers_most) == (10, 8, 4, 40)
    assert quote.gold_answers_most == 4
    assert quote.lines == {"answers": 40 * EACH, "gold": 4 * EACH}
    assert quote.fee_micros == 44 * 5_000
    assert (quote.total_micros, quote.missing_micros, quote.problems) == (44 * EACH, 0, [])


def test_publishing_pins_the_terms_and_sets_the_money_aside():
    project, data = draft(rows(3))
    batch = work.publish(project, data)
    assert (batch.state, batch.items) == ("open", 3)
    assert reserves.balance(batch.subject) == 3 * 4 * EACH
    assert set(ReserveLine.objects.values_list("name", "amount_micros")) == {("answers", 12 * EACH)}
    project.refresh_from_db()
    projects.revise(project, make.owner(project.organisation), price_micros=1)
    batch.refresh_from_db()
    assert batch.price_micros == 50_000
    lease = assignments.claim(work.worker(), project)
    assert lease.answers.first().price_micros == 50_000


def test_publishing_without_the_money_says_what_is_missing_and_changes_nothing():
    project, data = draft(rows(3), micros=12 * EACH - 10_000)
    with pytest.raises(InsufficientFunds) as refused:
        batches.publish(project, data, make.owner(project.organisation))
    assert refused.value.facts["missing_micros"] == 10_000
    assert not Batch.objects.exists()
    assert Account.objects.get(kind="prepaid").balance_micros == 12 * EACH - 10_000


def test_exactly_enough_money_is_enough():
    project, data = draft(rows(3), micros=12 * EACH)
    assert work.publish(project, data).state == "open"


@pytest.mark.parametrize(
    ("items", "terms", "problem"),
    [
        (rows(0, gold=2), {}, "nothing to ask"),
        (rows(2, gold=1), {"practice_size": 2}, "the practice wants 2 items with a known truth, the dataset has 1"),
    ],
)
def test_what_cannot_work_is_not_published(items, terms, problem):
    project, data = draft(items, **terms)
    with pytest.raises(NotPublishable) as refused:
        batches.publish(project, data, make.owner(project.organisation))
    assert problem in refused.value.detail


def test_a_truth_that_no_longer_fits_the_schema_is_named_before_publishing():
    project, data = draft(rows(2, gold=1))
    projects.revise(
        project,
        make.owner(project.organisation),
        schema={"fields": [{"name": "animal", "type": "choice", "options": ["a", "b"]}]},
    )
    assert "does not fit the label schema: animal" in forecast.quote(project, data).problems[0]


def test_the_unconfirmed_and_strangers_do_not_publish():
    project, data = draft(rows(2))
    with pytest.raises(Forbidden):
        batches.publish(project, data, make.user("sam"))
    owner = make.owner(project.organisation)
    owner.emailaddress_set.update(verified=False)
    with pytest.raises(Forbidden):
        batches.publish(project, data, owner)


def test_filling_goes_on_where_it_was_cut(monkeypatch):
    monkeypatch.setattr(batches, "FILL_STEP", 2)
    project, data = draft(rows(5, gold=2))
    batch = batches.publish(project, data, make.owner(project.organisation))
    assert batches.fill(batch.pk)
    assert Task.objects.count() == 2
    work.sweep()
    while batches.fill(batch.pk):
        pass
    batch.refresh_from_db()
    assert (batch.state, batch.items, Task.objects.count()) == ("open", 5, 7)
    assert not batches.fill(batch.pk)


def test_items_of_a_later_import_are_not_in_the_batch():
    project, data = draft(rows(2))
    batch = batches.publish(project, data, make.owner(project.organisation))
    make.ended(make.import_of("text\nlater\n", data))
    while batches.fill(batch.pk):
        pass
    assert Task.objects.count() == 2


def test_closing_twice_is_refused_and_the_rest_returns_once():
    batch = work.published(items=3)
    before = Account.objects.get(kind="prepaid").balance_micros
    reserved = reserves.balance(batch.subject)
    batches.close(batch, batch.published_by)
    for _ in range(3):
        work.sweep()
    assert Account.objects.get(kind="prepaid").balance_micros == before + reserved
    assert reserves.balance(batch.subject) == 0


def test_progress_counts_what_happened():
    batch = work.published(items=4, page_size=2, accept_after_s=0)
    work.work(work.worker(), batch)
    assignments.claim(work.worker("ann"), batch.project)
    work.sweep()
    now = batches.progress(batch)
    assert (now.tasks, now.closed, now.answers_bought, now.answers_in) == (4, 0, 8, 2)
    assert (now.accepted, now.leased, now.waiting) == (2, 2, 0)
    assert now.spent_micros == 2 * EACH
    assert now.reserved_micros == 6 * EACH


def test_a_page_of_gold_alone_is_not_leased_from_a_batch_that_closed_meanwhile(monkeypatch):
    project, data = draft(rows(3, gold=8), page_size=1, gold_share=0.5)
    batch = work.publish(project, data)
    by_chance = gold.due

    def closed_meanwhile(*asked):
        batches.close(Batch.objects.get(), batch.published_by)
        while jobs.close():
            pass
        monkeypatch.setattr(gold, "due", by_chance)
        return 1

    monkeypatch.setattr(gold, "due", closed_meanwhile)
    with pytest.raises(NoTaskAvailable):
        assignments.claim(work.worker(), project)


def test_a_batch_whose_money_is_gone_does_not_hold_up_the_others(monkeypatch):
    first, second = work.published(items=1, accept_after_s=0), work.published(items=1, accept_after_s=0)
    for batch in (first, second):
        work.work(work.worker(), batch)
    real = settlement.settle
    monkeypatch.setattr(settlement, "settle", lambda pk: 1 / 0 if pk == first.pk else real(pk))
    jobs.accept()
    jobs.settle()
    paid = Answer.objects.filter(entry__isnull=False)
    assert set(paid.values_list("batch", flat=True)) == {second.pk}


def test_what_is_still_owed_is_looked_at_again_later():
    batch = work.published(items=1)
    assignments.claim(work.worker(), batch.project)
    batches.close(batch, batch.published_by)
    while jobs.close():
        pass
    assert batches.returnable() == []
    Batch.objects.update(look_again_at=batch.published_at)
    assert batches.returnable() == [batch.pk]


def test_owners_and_who_published_it_are_told_when_a_batch_ends_and_its_reserve_returns():
    batch = work.published(items=3, redundancy_min=1, redundancy_max=1, accept_after_s=0)
    rita, max_, rosa = batch.published_by, make.user("max"), make.user("rosa")
    home = batch.project.organisation
    accounts.add_member(home, max_.email, "manager", rita)
    accounts.add_member(home, rosa.email, "manager", rita)
    Batch.objects.update(published_by=max_)
    work.work(work.worker(), batch)
    work.sweep()
    told = Notice.objects.filter(kind="batch").order_by("pk")
    expected = ["Batch 1 of Animals is finished", "Batch 1 of Animals cost 0.165 USD"]
    for person in (rita, max_):
        assert list(told.filter(user=person).values_list("subject", flat=True)) == expected
    assert not told.filter(user=rosa).exists()


def test_who_closes_a_batch_is_not_told_that_it_is_closed():
    batch = work.published(items=3)
    batches.close(batch, batch.published_by)
    assert not Notice.objects.filter(kind="batch").exists()
