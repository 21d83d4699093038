"""Paying a part, by hand: an answer of 0.05 and its fee of 0.005; 30 % of it are 0.015 and 0.0015."""

import pytest
from django.db import IntegrityError, transaction

from marketplace.core.errors import Forbidden, IllegalMove, InsufficientFunds, Invalid
from payments import reserves
from payments.models import Account, Entry, ReserveLine
from tasks import appeals, batches, budgets, decisions, jobs
from tasks.models import Answer, Conduct, Decision, Task, Withheld
from tests import make
from tests.tasks import work
from tests.tasks.paid import prepaid

pytestmark = pytest.mark.django_db
EACH = 55_000
WHY = ("wrong", "Half of it.")


@pytest.fixture
def answer(rita):
    """Wes's, handed in; the only task."""
    batch = work.published(items=1, redundancy_min=1, redundancy_max=1, page_size=1)
    return answer_of(work.work(work.worker(), batch))


def answer_of(lease) -> Answer:
    return lease.answers.select_related("task", "worker", "batch__project__organisation").get()


def earned(name: str = "wes") -> int:
    return sum(account.balance_micros for account in Account.objects.filter(user=make.user(name)))


def part(answer, rita, percent: int = 30, refill: bool = False) -> Decision:
    return decisions.pay_part(answer, rita, *WHY, percent=percent, refill=refill)


def end_window(decision) -> None:
    Decision.objects.filter(pk=decision.pk).update(contestable_until="2020-01-01T00:00:00Z")


def test_a_part_is_paid_and_the_rest_stays_reserved(answer, rita):
    decision = part(answer, rita)
    row = Answer.objects.get()
    assert (row.state, row.price_micros, row.fee_micros) == ("excluded", 15_000, 1_500)
    kept = Withheld.objects.get()
    assert (kept.decision, kept.percent, kept.price_micros, kept.fee_micros) == (decision, 30, 35_000, 3_500)
    work.sweep()
    assert (earned(), reserves.balance(answer.batch.subject)) == (15_000, 38_500)
    assert batches.owed_micros(answer.batch) == 38_500


def test_a_part_of_an_odd_price_is_rounded_up_and_no_micro_is_lost(rita):
    batch = work.published(items=1, redundancy_min=1, redundancy_max=1, page_size=1, price_micros=33_333)
    part(answer_of(work.work(work.worker(), batch)), rita, percent=50)
    row, kept = Answer.objects.get(), Withheld.objects.get()
    assert (row.price_micros, kept.price_micros) == (16_667, 16_666)
    assert row.fee_micros + kept.fee_micros == 3_333


def test_what_nobody_contests_comes_back_when_the_time_is_over(answer, rita):
    decision = part(answer, rita)
    batches.close(answer.batch, rita)
    work.sweep()
    assert prepaid() == 100_000_000 - EACH
    end_window(decision)
    type(answer.batch).objects.update(look_again_at=None)
    work.sweep()
    assert prepaid() == 100_000_000 - 16_500
    assert earned() == 15_000


def test_an_appeal_that_is_upheld_after_close_pays_the_rest_once(answer, rita, ada):
    decision = part(answer, rita)
    appeal = appeals.contest(decision, work.worker(), "It is whole.")
    batches.close(answer.batch, rita)
    end_window(decision)
    work.sweep()
    assert reserves.balance(answer.batch.subject) == 38_500  # an open appeal keeps it
    appeals.uphold(appeal, ada, "It is.")
    work.sweep()
    assert earned() == 50_000
    assert Entry.objects.get(key=f"rest:{decision.pk}").kind == "settlement"
    assert Answer.objects.get().state == "accepted"
    type(answer.batch).objects.update(look_again_at=None)
    work.sweep()
    assert prepaid() == 100_000_000 - EACH


def test_the_rest_is_paid_also_before_the_part_is_settled(answer, rita, ada):
    appeals.uphold(appeals.contest(part(answer, rita), work.worker(), "It is whole."), ada, "It is.")
    assert earned() == 35_000
    work.sweep()
    assert earned() == 50_000


def test_an_appeal_that_is_dismissed_leaves_the_part(answer, rita, ada):
    appeal = appeals.contest(part(answer, rita), work.worker(), "It is whole.")
    appeals.dismiss(appeal, ada, "It is half.")
    assert batches.owed_micros(answer.batch) == 16_500
    work.sweep()
    assert earned() == 15_000


def test_another_answer_is_bought_with_its_own_money(answer, rita):
    part(answer, rita, refill=True)
    line = ReserveLine.objects.get(reserve__subject=answer.batch.subject, name="answers")
    assert line.amount_micros == 2 * EACH
    assert Task.objects.get().open
    work.work_all(work.worker("olga"), answer.batch)
    assert Answer.objects.count() == 2


def test_it_costs_the_whole_at_most_whatever_happens(answer, rita):
    for percent in (0, 100):
        with pytest.raises(Invalid):
            part(answer, rita, percent=percent)
    kept = Withheld.objects.filter(decision=part(answer, rita))
    with pytest.raises(IntegrityError, match="withheld_is_a_part"), transaction.atomic():
        kept.update(price_micros=-1)


def test_accepted_work_is_paid_in_whole(answer, rita):
    decisions.accept([answer], rita)
    with pytest.raises(IllegalMove):
        part(answer, rita)
    answer.state = "submitted"  # as a page saw it before
    with pytest.raises(IllegalMove):
        part(answer, rita)
    assert Withheld.objects.count() == 0


def test_a_stranger_decides_nothing_and_workers_see_that_it_was_decided(answer, rita, sam):
    with pytest.raises(Forbidden):
        part(answer, sam)
    part(answer, rita)
    assert Conduct.objects.get().decided == 1


def test_withdrawn_after_its_time_the_rest_is_reserved_anew_or_refused(answer, rita):
    """What was returned is not there any more: whoever undoes the decision then pays for it again."""
    decision = part(answer, rita)
    end_window(decision)
    batches.close(answer.batch, rita)
    work.sweep()
    spare = prepaid()
    reserves.add(answer.batch.subject, "spare", spare)
    with pytest.raises(InsufficientFunds):
        decisions.withdraw(Decision.objects.get(pk=decision.pk), rita, "It was whole.")
    reserves.release(answer.batch.subject, spare, "spare")
    decisions.withdraw(Decision.objects.get(pk=decision.pk), rita, "It was whole.")
    assert earned() == 50_000
    assert prepaid() == 100_000_000 - EACH


def test_a_rejection_withdrawn_after_its_time_is_paid_in_whole(answer, rita):
    decision = decisions.reject(answer, rita, "wrong", "No.", refill=False)
    end_window(decision)
    batches.close(answer.batch, rita)
    work.sweep()
    assert prepaid() == 100_000_000
    decisions.withdraw(Decision.objects.get(), rita, "It was right.")
    work.sweep()
    assert earned() == 50_000
    assert prepaid() == 100_000_000 - EACH


def test_excluded_but_paid_costs_what_was_agreed(answer, rita):
    decisions.exclude(answer, rita, "damaged", "It is blurred.", refill=False)
    batches.close(answer.batch, rita)
    work.sweep()
    assert (earned(), prepaid()) == (50_000, 100_000_000 - EACH)


def test_rejected_and_refilled_and_upheld_after_close_pays_both(answer, rita, ada):
    decision = decisions.reject(answer, rita, "wrong", "No.")
    work.work_all(work.worker("olga"), answer.batch)
    decisions.accept(list(Answer.objects.filter(worker=work.worker("olga")).select_related("batch")), rita)
    work.sweep()
    appeal = appeals.contest(decision, work.worker(), "It is one.")
    assert type(answer.batch).objects.get().state == "closed"
    appeals.uphold(appeal, ada, "It is.")
    work.sweep()
    assert (earned("wes"), earned("olga")) == (50_000, 50_000)
    type(answer.batch).objects.update(look_again_at=None)
    work.sweep()
    assert prepaid() == 100_000_000 - 2 * EACH


def test_a_lowered_batch_keeps_what_is_withheld(rita):
    batch = work.published(items=2, redundancy_min=1, redundancy_max=1, page_size=1)
    part(answer_of(work.work(work.worker(), batch)), rita)
    told = budgets.lower(batch, rita, budgets.of(batch).least_micros)
    assert (told.answers_micros, told.open_seats) == (EACH, 0)
    jobs.settle()
    assert reserves.balance(batch.subject) == 38_500
