"""Answers bought by budget: 0.05 an answer and 10 % fee, so that one answer costs 0.055."""

from datetime import timedelta

import pytest
from django.urls import reverse

from marketplace.core import clock
from marketplace.core.errors import Invalid
from payments.models import Account
from tasks import audit, batches, budgets, consensus, decisions, forecast, jobs, stands, tallies, waiting
from tasks.errors import NotPublishable
from tasks.models import Answer, Assignment, Batch, Task
from tests import make
from tests.tasks import work
from tests.tasks.test_api import post
from tests.tasks.test_web import text

pytestmark = pytest.mark.django_db
EACH = 55_000
PREPAID = 5_000_000
CROWD = ("ann", "ben", "cleo", "dan", "eve", "finn", "gus")


def by_budget(answers: int, **terms) -> Batch:
    return work.published(
        **{"items": 6, "redundancy_min": 2, "redundancy_max": 7, "page_size": 6}
        | {"target_confidence": 0.9999, "micros": PREPAID, **terms},
        budget_micros=answers * EACH,
    )


def prepaid() -> int:
    return Account.objects.get(kind="prepaid").balance_micros


def weigh() -> Batch:
    consensus.update(Batch.objects.get())
    return Batch.objects.get()


def answer(name: str, batch: Batch, *said: str) -> None:
    """This person answers every item that is open to them, in order of the items."""
    person = work.worker(name)
    lease = work.assignments.claim(person, batch.project)
    places = dict(lease.answers.values_list("position", "task__pos"))
    first = Task.objects.order_by("pos").first().pos
    work.assignments.submit(lease, {place: {"animal": said[pos - first]} for place, pos in places.items()})


def given() -> list[int]:
    return [Answer.objects.filter(task=task, submitted_at__isnull=False).count() for task in tasks()]


def tasks() -> list[Task]:
    return list(Task.objects.filter(gold=None).order_by("pos"))


@pytest.fixture
def split() -> Batch:
    """Of 6 items, two people agree on the first four; 4 more answers are paid for."""
    batch = by_budget(16)
    answer("ann", batch, *["cat"] * 6)
    answer("ben", batch, *["cat"] * 4, "dog", "dog")
    return batch


def test_publishing_sets_aside_the_budget_and_no_more():
    batch = by_budget(16)
    assert prepaid() == PREPAID - 16 * EACH
    told = budgets.of(batch)
    assert (told.answers_micros, told.open_seats, told.unused_micros) == (16 * EACH, 12, 4 * EACH)


def test_the_next_answers_go_where_they_are_worth_most(split):
    weigh()
    assert [task.bought for task in tasks()] == [3, 3, 2, 2, 3, 3]  # agreed on by two, the first still have doubt
    assert [task.gain is None for task in tasks()] == [True, True, False, False, True, True]
    gains = [task.gain for task in tasks() if task.gain is not None]
    assert gains == pytest.approx([gains[0]] * 2)


def test_doubt_comes_before_the_queue():
    batch = by_budget(14)
    answer("ann", batch, *["cat"] * 6)
    answer("ben", batch, *["cat"] * 4, "dog", "dog")
    assert weigh().dry_at is None
    assert [task.bought for task in tasks()] == [2, 2, 2, 2, 3, 3]


def test_a_lowered_budget_of_any_batch_goes_where_it_is_worth_most(rita):
    batch = work.published(items=6, redundancy_min=2, redundancy_max=3, page_size=6)
    budgets.lower(batch, rita, 13 * EACH)
    answer("ann", batch, *["cat"] * 6)
    answer("ben", batch, *["cat"] * 5, "dog")
    weigh()
    assert [task.bought for task in tasks()] == [2, 2, 2, 2, 2, 3]


def test_it_never_spends_more_runs_dry_and_says_so(split, rita):
    for name in CROWD[2:]:
        weigh()
        lease = work.worker(name)
        work.work_all(lease, split, "cat")
    batch = weigh()
    assert sum(given()) == 16
    assert batch.dry_at
    assert batch.state == "open"
    decisions.accept(list(Answer.objects.filter(state="submitted").select_related("batch")), rita)
    work.sweep()
    assert audit.check() == []
    assert budgets.of(batch).spent_micros == 16 * EACH
    assert prepaid() == PREPAID - 16 * EACH


def test_a_raise_buys_on_where_it_is_worth_most(split, rita):
    weigh()
    budgets.raise_to(split, rita, 18 * EACH)
    weigh()
    assert [task.bought for task in tasks()] == [3, 3, 3, 3, 3, 3]


def test_it_ends_by_itself_where_all_is_sure_and_gives_back_what_is_left():
    batch = by_budget(30, target_confidence=0.6)
    for name in ("ann", "ben"):
        answer(name, batch, *["cat"] * 6)
    rows = Answer.objects.filter(state="submitted").select_related("batch")
    weigh()
    decisions.accept(list(rows), make.user("rita"))
    work.sweep()
    assert Batch.objects.get().state == "closed"
    assert sum(given()) == 12
    while jobs.close():
        pass
    assert prepaid() == PREPAID - 12 * EACH


def test_what_the_next_money_buys_is_told(split, as_rita):
    weigh()
    told = budgets.of_next(split)
    assert (told.answers, told.cost_micros) == (2, 2 * EACH)  # of 18 that 1.00 would pay
    assert told.righted == pytest.approx(sum(task.gain for task in tasks() if task.gain))
    assert "2 answers more, for 0.11 USD" in text(as_rita.get(reverse("budget", args=[split.public_id])))
    assert as_rita.get(f"/api/v1/batches/{split.public_id}/budget").json()["next_answers"] == 2


def test_no_item_gets_more_than_the_most(split):
    Batch.objects.update(redundancy_max=2)
    waiting.note({task.pk: 1.0 for task in tasks()})
    with_money = Batch.objects.get()
    assert budgets._buy_first(with_money, stands.of(with_money), None) == 4
    assert [task.bought for task in tasks()] == [2] * 6
    assert len(waiting.first(with_money, 9)) == 2  # those that may have no more wait no more


def test_only_a_part_is_open_at_a_time_until_its_answers_say_where_the_next_are_worth_most(split, monkeypatch):
    monkeypatch.setattr(budgets, "PORTION_LEAST", 1)
    weigh()
    assert [task.bought for task in tasks()] == [2, 2, 2, 2, 3, 2]
    weigh()
    assert [task.bought for task in tasks()] == [2, 2, 2, 2, 3, 2]


def test_where_nobody_comes_for_what_is_open_more_is_opened(split, monkeypatch):
    monkeypatch.setattr(budgets, "PORTION_LEAST", 1)
    weigh()
    assert not budgets.idle()
    before = clock.now() - timedelta(seconds=601)
    Batch.objects.update(published_at=before)
    assert not budgets.idle()
    Assignment.objects.update(submitted_at=before)
    assert budgets.idle() == [split.pk]
    assert not jobs.widen()
    assert sum(task.bought for task in tasks()) == 14
    assert not budgets.idle()  # for as long again
    for _ in range(5):
        Batch.objects.update(widened_at=before)
        jobs.widen()
    assert sum(task.bought for task in tasks()) == 16  # and not beyond the budget


def test_a_task_that_waits_is_weighed_again_with_all_others(split, settings):
    settings.FIT_KEPT_FROM_ANSWERS = 0
    weigh()
    before = [task.gain for task in tasks()]
    work.work_all(work.worker("cleo"), split, "cat")
    weigh()
    assert [task.gain for task in tasks()][2:4] == pytest.approx(before[2:4])  # nothing is new
    Batch.objects.update(consensus_at=None)
    weigh()
    assert max(task.gain for task in tasks()[2:4]) < min(before[2:4])  # with three who agree, two are surer to be right


def test_what_answers_may_cost_must_be_said_and_make_sense(rita):
    project = make.project(redundancy_by="budget", redundancy_min=2, redundancy_max=3, gold_share=0.0)
    data = make.dataset([{"text": f"item {n}"} for n in range(6)], project.organisation, project=project)
    with pytest.raises(Invalid, match="say what"):
        batches.publish(project, data, rita)
    for answers in (11.99, 18.01):
        with pytest.raises(NotPublishable) as refused:
            batches.publish(project, data, rita, round(answers * EACH))
        assert "between 0.66 USD (2 for each of 6 items) and 0.99 USD (3 for each)" in str(refused.value.detail)
    assert not Batch.objects.exists()
    plain = make.project(project.organisation)
    with pytest.raises(Invalid, match="not by budget"):
        batches.publish(plain, data, rita, 12 * EACH)


def test_a_quote_says_what_a_budget_buys_and_what_would_be_enough():
    project = make.project(redundancy_by="budget", redundancy_min=2, redundancy_max=5, gold_share=0.0)
    data = make.dataset([{"text": f"item {n}"} for n in range(100)], project.organisation, project=project)
    told = forecast.quote(project, data, 250 * EACH + 7)
    assert (told.answers_least, told.answers_most, told.answers_beyond) == (200, 250, 50)
    assert told.lines["answers"] == 250 * EACH + 7
    assert (told.budget.least_micros, told.budget.most_micros) == (200 * EACH, 500 * EACH)
    assert not told.problems
    enough = forecast.quote(project, data)
    wanted = forecast.answers_expected(project, project)
    assert enough.budget.answers_micros == round(100 * wanted) * EACH
    assert forecast.quote(project, data, 1).problems


def test_the_page_says_what_the_budget_buys_and_publishes_it(as_rita, rita):
    lab = make.organisation(rita)
    project = make.project(lab, redundancy_by="budget", redundancy_min=2, redundancy_max=3, gold_share=0.0)
    data = make.dataset([{"text": f"item {n}"} for n in range(6)], lab, project=project)
    as_rita.post(reverse("money", args=[lab.public_id]), {"amount_micros": "1", "currency": "USD"})
    address = reverse("publish", args=[project.public_id])
    page = text(as_rita.get(address, {"budget_micros": "0.77"}))
    assert "0.77 USD buys 14 answers: first 2 for each item (12), then 2 more" in page
    assert "from 0.66 USD (2 for each item) to 0.99 USD (3 for each)" in page
    assert "A budget for answers must lie between" in text(as_rita.get(address, {"budget_micros": "0.1"}))
    assert "is not an amount" in text(as_rita.get(address, {"budget_micros": "much"}))
    now = reverse("publish-now", args=[project.public_id])
    as_rita.post(now, {"dataset": data.public_id})
    assert not Batch.objects.exists()
    as_rita.post(now, {"dataset": data.public_id, "budget_micros": "0.77"})
    assert budgets.of(Batch.objects.get()).answers_micros == 770_000


def test_the_same_over_the_api(as_rita, rita):
    lab = make.organisation(rita)
    project = make.project(lab, redundancy_by="budget", redundancy_min=2, redundancy_max=3, gold_share=0.0)
    data = make.dataset([{"text": f"item {n}"} for n in range(6)], lab, project=project)
    post(as_rita, f"organisations/{lab.public_id}/prepayments", {"amount_micros": 1_000_000, "currency": "USD"})
    asked = {"dataset": data.public_id, "budget_micros": 770_000}
    quote = as_rita.get(f"/api/v1/projects/{project.public_id}/quote", asked).json()
    assert quote["budget"] == {"answers_micros": 770_000, "least_micros": 660_000, "most_micros": 990_000}
    refused = post(as_rita, f"projects/{project.public_id}/publish", {"dataset": data.public_id})
    assert refused.status_code == 422
    made = post(as_rita, f"projects/{project.public_id}/publish", asked)
    assert (made.status_code, made.json()["redundancy_by"]) == (201, "budget")


def test_a_matter_of_opinion_is_asked_evenly():
    schema = {
        "display": [{"column": "text"}],
        "fields": [{"name": "animal", "type": "choice", "options": ["cat", "dog"], "truth": "perspective"}],
    }
    batch = by_budget(21, schema=schema)
    for name in CROWD:
        work.work_all(work.worker(name), batch, "cat")
        weigh()
    assert sorted(given()) == [3, 3, 3, 4, 4, 4]
    assert tallies.of(batch).closed == 0
