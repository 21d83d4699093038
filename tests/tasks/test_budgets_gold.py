"""Gold and the budget of its batch: made by hand, decided about, and what is still kept for it."""

import pytest

from marketplace.models import ItemAlias
from payments.models import ReserveLine
from tasks import audit, budgets, decisions, gold_pool, stands
from tasks.models import Answer, Batch, Decision, Task
from tasks.stands import Stand
from tests.tasks import work

pytestmark = pytest.mark.django_db
EACH = 55_000


def stand(batch: Batch) -> Stand:
    return stands.of(Batch.objects.get(pk=batch.pk))


def free(batch: Batch) -> int:
    """What is in the reserve and kept for nothing."""
    return budgets._free(Batch.objects.get(pk=batch.pk), stand(batch))


def lines(batch: Batch) -> dict[str, int]:
    return dict(ReserveLine.objects.filter(reserve__subject=batch.subject).values_list("name", "amount_micros"))


def make_gold(batch: Batch, rita, place: int = 0) -> None:
    fresh = Task.objects.filter(batch=batch, answers=None, gold=None).order_by("pos")[place]
    gold_pool.add(batch, rita, ItemAlias.objects.get(item=fresh.item).key, {"animal": "owl"})


def published(**terms) -> Batch:
    return work.published(items=6, gold=4, gold_share=0.2, redundancy_min=1, redundancy_max=3, **terms)


def test_gold_made_by_hand_keeps_what_its_task_might_have_cost_under_its_own_line(rita):
    batch = published()
    before, bought = lines(batch), batch.gold_bought
    make_gold(batch, rita)
    assert lines(batch) == {"answers": before["answers"] - 3 * EACH, "gold": before["gold"] + 3 * EACH}
    told = budgets.change(batch, rita, gold_answers=0)
    assert (told.gold_answers, lines(batch)["gold"], bought) == (0, 0, 4)
    assert told.unused_micros == 10 * EACH  # 15 that 5 tasks may come to want, of which 5 are bought
    assert audit.check() == []


def test_in_a_lowered_batch_it_keeps_no_more_than_the_seats_that_are_there(rita):
    batch = published()
    told = budgets.lower(batch, rita, 6 * EACH)
    make_gold(batch, rita)
    assert Batch.objects.get().gold_bought == told.gold_answers + 1
    assert (free(batch), stand(batch).open_seats) == (0, 5)
    assert audit.check() == []
    assert budgets.change(batch, rita, gold_answers=0).gold_answers == 0


def test_of_seats_that_wait_for_money_it_keeps_nothing(rita):
    batch = published()
    told = budgets.lower(batch, rita, 3 * EACH)
    before = lines(batch)
    make_gold(batch, rita, place=5)
    now = budgets.of(batch)
    assert (now.gold_answers, lines(batch)) == (told.gold_answers, before)
    assert (now.open_seats, now.withdrawn_seats) == (3, 2)
    assert audit.check() == []


def test_gold_whose_seats_another_line_paid_leaves_no_line_below_nothing(rita):
    batch = published()
    budgets.lower(batch, rita, 0)
    Batch.objects.update(gold_bought=3)  # so that one answer is paid out of the line of gold
    Batch.objects.update(dry_at="2020-01-01T00:00:00Z")
    budgets.resume(batch.pk)
    assert stand(batch).open_seats == 1
    make_gold(batch, rita)
    assert lines(batch) == {"answers": 0, "gold": 4 * EACH}
    assert audit.check() == []


def golden_answers(batch: Batch) -> list[Answer]:
    answers = Answer.objects.filter(batch=batch, task__gold__isnull=False, state="submitted").order_by("pk")
    return list(answers.select_related("task", "worker", "batch"))


@pytest.fixture
def answered(rita) -> Batch:
    batch = work.published(
        items=8, gold=4, gold_share=0.5, redundancy_min=1, redundancy_max=1, practice_size=0, page_size=4
    )
    work.work(work.worker(), batch)
    return batch


@pytest.mark.parametrize("verb", [decisions.exclude, decisions.reject])
def test_gold_that_was_decided_about_is_not_still_to_come(answered, rita, verb):
    before, to_come = free(answered), stand(answered).gold_to_come
    verb(golden_answers(answered)[0], rita, "damaged", "No.", refill=False)
    assert (free(answered), stand(answered).gold_to_come) == (before, to_come)
    Answer.objects.filter(state="submitted").update(accept_at="2020-01-01T00:00:00Z")
    Decision.objects.update(contestable_until="2020-01-01T00:00:00Z")
    work.sweep()
    gained = EACH if verb is decisions.reject else 0  # what is finally rejected costs nothing
    assert (free(answered), stand(answered).gold_to_come) == (before + gained, to_come)
    assert audit.check() == []


def test_a_raise_by_one_answer_buys_one_although_gold_was_rejected(answered, rita):
    batch, given = answered, Answer.objects.filter(task__gold=None).count()
    budgets.lower(batch, rita, given * EACH)
    decisions.reject(golden_answers(batch)[0], rita, "damaged", "No.", refill=False)
    assert budgets.raise_to(batch, rita, (given + 1) * EACH).open_seats == 1
    decisions.withdraw(Decision.objects.get(), rita, "It was right.")
    assert audit.check() == []
