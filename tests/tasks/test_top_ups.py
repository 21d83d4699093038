import pytest
from django.db import IntegrityError, transaction

from marketplace.core import pay_floors
from payments import reserves
from payments.models import Account, Entry, ReserveLine
from tasks import audit, batches, decisions, fair_pay, forecast
from tasks.models import Batch, PayFigures, TopUp, TopUpProposal
from tests.tasks import paid, work
from tests.tasks.paid import FLOOR
from workers.models import Notice

pytestmark = pytest.mark.django_db


# What is set aside


def test_publishing_sets_the_most_aside_without_a_fee(rita):
    batch = paid.published()
    lines = dict(ReserveLine.objects.filter(reserve__subject=batch.subject).values_list("name", "amount_micros"))
    assert lines == {"answers": 50 * 55_000, "top_ups": 50 * 25_000}
    quote = forecast.quote(batch.project, batch.dataset)
    assert (quote.lines["top_ups"], quote.fee_micros) == (1_250_000, 50 * 5_000)


def test_without_a_floor_nothing_is_set_aside():
    assert "top_ups" not in forecast.quote((batch := work.published()).project, batch.dataset).lines


# What is added


def test_pay_under_the_floor_is_topped_up_with_its_computation():
    """Ten answers of 60 s at 0.05: 3.00 an hour; to 4.50, 0.25 is missing, which is just the cap of half the price."""
    batch, people = paid.published(), paid.crowd()
    paid.slow(batch, people)
    paid.look(batch)
    assert [paid.added(person) for person in people] == [[250_000]] * 5
    assert [paid.earned(person) for person in people] == [750_000] * 5
    made = TopUp.objects.all()[0]
    facts = made.facts
    assert (facts["seconds"], facts["paid"], facts["paid_micros"], facts["floor_micros"]) == (600, 10, 500_000, FLOOR)
    assert (facts["median_micros"], facts["missing_micros"], facts["cap_micros"]) == (3_000_000, 250_000, 250_000)
    entry = Entry.objects.get(key=f"top_up:{made.pk}")
    assert (entry.kind, entry.facts["top_up"]) == ("top_up", made.public_id)
    assert Notice.objects.filter(user=people[0].user, kind="money", subject__contains="0.25 USD").count() == 1
    assert audit.check() == []


def test_looking_again_adds_nothing_and_later_work_only_the_difference():
    batch, people = paid.published(items=20, page_size=10), paid.crowd()
    paid.slow(batch, people)
    paid.look(batch)
    paid.look(batch)
    assert paid.added(people[0]) == [250_000]
    paid.slow(batch, people, 500)  # 1,100 s in all, which the floor makes 1.375; 1.00 is paid
    paid.look(batch)
    assert paid.added(people[0]) == [250_000, 125_000]
    assert audit.check() == []


def test_a_floor_that_is_reached_adds_nothing():
    batch, people = paid.published(), paid.crowd()
    paid.slow(batch, people, 300)
    paid.look(batch)
    assert not TopUp.objects.exists()
    assert not TopUpProposal.objects.exists()


def test_with_too_few_workers_nothing_is_added_until_there_are_enough():
    batch, people = paid.published(), paid.crowd()
    paid.slow(batch, people[:4])
    paid.look(batch)
    assert not TopUp.objects.exists()
    paid.spend(people[4], batch, 600)
    paid.look(batch)
    assert TopUp.objects.count() == 5


def test_who_idles_is_topped_up_for_the_usual_time_at_most():
    batch, people = paid.published(), paid.crowd()
    paid.slow(batch, people[:4])
    paid.spend(people[4], batch, 6_000)
    paid.look(batch)
    assert paid.added(people[4]) == [250_000]  # the cap of the price
    proposed = TopUpProposal.objects.get()
    assert proposed.facts["seconds"] == 900  # ten answers of 60 s, and half as much again
    assert proposed.amount_micros == 900 * FLOOR // 3600 - 500_000 - 250_000


def test_the_operators_floor_holds_by_the_workers_country(settings):
    settings.PAY_FLOORS = pay_floors.read("DE=4.50USD")
    batch, people = paid.published(pay_floor_micros=0), paid.crowd()
    people[0].country = "DE"
    people[0].save()
    paid.slow(batch, people)
    paid.look(batch)
    assert [paid.added(person) for person in people] == [[250_000], [], [], [], []]
    made = TopUp.objects.get()
    assert (made.facts["floor_whose"], made.facts["floor_country"]) == ("operator", "DE")
    assert PayFigures.objects.get().under == 1


def test_rejected_answers_are_not_topped_up(rita):
    batch, people = paid.published(accept_after_s=3600), paid.crowd()
    paid.slow(batch, people)
    lease = people[0].assignments.get()
    for answer in lease.answers.select_related("batch", "task", "worker").order_by("pk")[:5]:
        decisions.reject(answer, rita, "wrong", "No.", refill=False)
    rest = [answer for person in people for answer in person.answers.filter(state="submitted").select_related("batch")]
    decisions.accept(rest, rita)
    paid.look(batch)
    assert paid.added(people[0]) == [125_000]  # five answers, 300 s
    assert paid.added(people[1]) == [250_000]
    assert audit.check() == []


def test_a_line_that_was_spent_otherwise_ends_it():
    batch, people = paid.published(), paid.crowd()
    reserves.release(batch.subject, 1_000_000, "top_ups")  # 0.25 is left
    paid.slow(batch, people)
    paid.look(batch)
    assert TopUp.objects.count() == 1
    assert TopUpProposal.objects.count() == 4
    assert audit.check() == []


def test_a_look_asks_for_each_worker_only_where_something_is_missing(django_assert_max_num_queries):
    batch, people = paid.published(crowd=8), paid.crowd(8)
    paid.slow(batch, people, 300)
    paid.look(batch)
    paid.call_for_top_ups(batch)
    with django_assert_max_num_queries(14) as asked:
        fair_pay.top_up(batch.pk)
    assert not [query for query in asked if "payments_hold" in query["sql"]]


def test_top_ups_are_never_changed():
    batch, people = paid.published(), paid.crowd()
    paid.slow(batch, people)
    paid.look(batch)
    with pytest.raises(IntegrityError), transaction.atomic():
        TopUp.objects.update(amount_micros=1)


# Closing


def closed(**terms):
    batch, people = paid.published(**terms), paid.crowd()
    before = paid.prepaid() + sum(a.balance_micros for a in Account.objects.filter(kind="reserve"))
    paid.slow(batch, people)
    return batch, people, before


def end(batch):
    for _ in range(4):
        Batch.objects.filter(pk=batch.pk).update(look_again_at=None)
        work.sweep()
        paid.sweep()
    batch.refresh_from_db()


def test_a_closed_batch_keeps_the_line_until_the_last_look_and_returns_the_rest_exactly(rita):
    batch, people, before = closed()
    batches.close(batch, rita)
    work.sweep()
    batch.refresh_from_db()
    assert batch.returned_at is None
    assert reserves.balance(batch.subject) == 1_250_000
    end(batch)
    assert [paid.added(person) for person in people] == [[250_000]] * 5
    assert batch.returned_at
    assert reserves.balance(batch.subject) == 0
    assert paid.prepaid() == before - 50 * 55_000 - 1_250_000
    assert audit.check() == []


def test_a_closed_batch_that_pays_enough_returns_all_of_the_line():
    batch, people = paid.published(), paid.crowd()
    paid.slow(batch, people, 300)
    end(batch)
    assert batch.returned_at
    assert reserves.balance(batch.subject) == 0
    assert not TopUp.objects.exists()
    assert audit.check() == []


def test_what_changes_while_a_closed_batch_is_looked_at_begins_the_look_again(rita):
    batch, _, _ = closed()
    batches.close(batch, rita)
    work.sweep()
    Batch.objects.filter(pk=batch.pk).update(top_up_at=batch.published_at, top_up_after=10**9)
    paid.jobs.note_time()
    paid.jobs.update_pay()
    batch.refresh_from_db()
    assert batch.top_up_after == 0
    assert batch.top_up_at > batch.published_at


def test_a_closed_batch_of_workers_without_a_floor_does_not_wait(settings):
    settings.PAY_FLOORS = pay_floors.read("DE=4.50USD")
    batch, people = paid.published(pay_floor_micros=0), paid.crowd()
    paid.slow(batch, people)
    work.sweep()
    batch.refresh_from_db()
    assert batch.returned_at
    assert reserves.balance(batch.subject) == 0


def test_a_proposal_can_be_granted_after_the_rest_returned(rita):
    batch, people, _ = closed(top_up_most_percent=20)
    end(batch)
    assert batch.returned_at
    proposal = TopUpProposal.objects.filter(worker=people[0]).get()
    fair_pay.grant(proposal, rita)
    assert (paid.earned(people[0]), reserves.balance(batch.subject)) == (750_000, 0)
    assert audit.check() == []


def test_an_appeal_upheld_after_close_is_still_topped_up(rita):
    batch, people = paid.published(accept_after_s=3600), paid.crowd()
    paid.slow(batch, people)
    answer = people[0].answers.select_related("batch", "task", "worker").order_by("pk")[0]
    decision = decisions.reject(answer, rita, "wrong", "No.", refill=False)
    rest = [a for person in people for a in person.answers.filter(state="submitted").select_related("batch")]
    decisions.accept(rest, rita)
    batches.close(batch, rita)
    end(batch)
    assert batch.returned_at is None
    assert paid.added(people[0]) == [225_000]
    decisions.withdraw(decision, rita, "It was right.")
    end(batch)
    assert batch.returned_at
    assert paid.added(people[0]) == [225_000, 25_000]
    assert reserves.balance(batch.subject) == 0
    assert audit.check() == []
