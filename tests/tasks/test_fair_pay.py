from datetime import timedelta

import pytest
from django.db import IntegrityError, connection, transaction

from marketplace import accounts
from marketplace.core import clock, pay_floors
from marketplace.core.errors import Conflict, Forbidden, IllegalMove, InsufficientFunds, Invalid
from payments import ledger, reserves
from payments.models import Account, Entry, Hold, ReserveLine
from tasks import audit, batches, decisions, erasure, fair_pay, forecast, jobs, training
from tasks.fair_pay import figures, floors, sheets
from tasks.models import Assignment, Batch, PayFigures, TimeSheet, TopUp, TopUpProposal
from tests import make
from tests.tasks import paid, work
from tests.tasks.paid import FLOOR
from workers.models import Notice

pytestmark = pytest.mark.django_db


def sheet(person, batch):
    return TimeSheet.objects.get(worker=person, batch=batch)


def slow(batch, people, active_s=600):
    for person in people:
        paid.spend(person, batch, active_s)


def prepaid():
    return sum(account.balance_micros for account in Account.objects.filter(kind="prepaid"))


# Time


def test_a_page_is_added_to_its_workers_sheet_once():
    batch, (wes, *_) = paid.published(), paid.crowd()
    paid.spend(wes, batch, 600)
    for _ in range(2):
        jobs.note_time()
    mine = sheet(wes, batch)
    assert (mine.answers, mine.work_s, mine.offered_micros) == (10, 600, 500_000)


def test_seconds_are_bounded_by_the_clock():
    batch, (wes, *_) = paid.published(), paid.crowd()
    lease = work.assignments.claim(wes, batch.project)
    work.assignments.submit(lease, {n: {"animal": "cat"} for n in range(10)}, 10_000)
    jobs.note_time()
    assert sheet(wes, batch).work_s < 5


def test_practice_counts_as_time():
    batch = paid.published(gold=8, practice_size=4)
    wes = work.worker()
    lease = training.start(wes, batch.project)
    Assignment.objects.filter(pk=lease.pk).update(claimed_at=clock.now() - timedelta(minutes=5), active_s=40)
    work.answer(lease, default="owl")
    jobs.note_time()
    mine = sheet(wes, batch)
    assert (mine.tests, mine.test_s, mine.answers, mine.work_s) == (4, 40, 0, 0)


def test_reading_counts_once_and_as_far_as_the_text_explains_it(rita):
    from marketplace import guidelines, lessons

    batch, wes = paid.published(), work.worker()
    guidelines.write(batch.project, rita, "word " * 160)
    lesson = lessons.write(batch.project, rita, "Owls", "Look.")
    training.acknowledge(wes, batch.project, 1, 100)
    training.acknowledge(wes, batch.project, 1, 100)
    training.read(wes, lesson, 5_000)
    training.read(wes, lesson, 5_000)
    assert sheet(wes, batch).reading_s == 100 + sheets.READING_LEAST_S


@pytest.mark.parametrize(("words", "said", "counted"), [(0, 9, 9), (160, 9_999, 120), (9_999, 9_999, 1800), (5, 0, 0)])
def test_reading_is_bounded_by_a_slow_reader(words, said, counted):
    assert sheets.bounded_s("word " * words, said) == counted


def test_rejected_work_does_not_count_as_paid_until_it_is_restored(rita):
    batch, (wes, *_) = paid.published(accept_after_s=3600), paid.crowd()
    lease = paid.spend(wes, batch, 600)
    answer = lease.answers.select_related("batch", "task", "worker").order_by("pk")[0]
    decision = decisions.reject(answer, rita, "wrong", "No.")
    assert sheet(wes, batch).rejected_micros == 50_000
    decisions.withdraw(decision, rita, "It was right.")
    assert sheet(wes, batch).rejected_micros == 0


def paid_in_part(person, rita, percent):
    waiting = person.answers.filter(state="submitted").select_related("batch", "task", "worker")
    return [decisions.pay_part(answer, rita, "wrong", "No.", percent, refill=False) for answer in waiting]


@pytest.mark.parametrize("is_counted", [True, False])
def test_what_is_withheld_is_no_pay_whether_its_page_was_counted_before_or_after(rita, is_counted):
    """Ten answers of 30 s at 0.05 would come to 6.00 an hour, over the floor; a hundredth of it comes to 0.06."""
    batch, people = paid.published(accept_after_s=3600), paid.crowd()
    slow(batch, people, 300)
    if is_counted:
        jobs.note_time()
    for person in people:
        paid_in_part(person, rita, 1)
    paid.look(batch)
    mine = sheet(people[0], batch)
    assert (mine.offered_micros, mine.rejected_micros, mine.paid_micros) == (500_000, 495_000, 5_000)
    assert fair_pay.of(batch.project).median_micros == 60_000
    assert paid.added(people[0]) == [2_500]
    proposal = TopUpProposal.objects.get(worker=people[0])
    assert (proposal.amount_micros, proposal.facts["rejected_micros"]) == (367_500, 495_000)
    assert audit.check() == []


def test_the_rest_that_is_paid_after_all_counts_as_pay_and_for_the_cap(rita):
    batch, people = paid.published(accept_after_s=3600), paid.crowd()
    slow(batch, people)
    made = [decision for person in people for decision in paid_in_part(person, rita, 40)]
    work.sweep()
    for decision in made:
        decisions.withdraw(decision, rita, "It was right.")
    mine = sheet(people[0], batch)
    assert (mine.paid, mine.paid_micros, mine.rejected_micros) == (10, 500_000, 0)
    paid.look(batch)
    assert [paid.earned(person) for person in people] == [750_000] * 5
    assert not TopUpProposal.objects.exists()
    assert audit.check() == []


# Figures


def test_a_project_of_few_tells_nothing_and_of_enough_its_median():
    batch, people = paid.published(), paid.crowd()
    slow(batch, people[:4])
    paid.sweep()
    assert not fair_pay.of(batch.project).is_measured
    paid.spend(people[4], batch, 6_000)
    paid.sweep()
    pay = fair_pay.of(batch.project)
    assert (pay.workers, pay.median_micros, pay.low_micros, pay.high_micros) == (5, 3_000_000, 300_000, 3_000_000)
    assert (pay.under, pay.task_s, pay.floor_micros, pay.floor_whose) == (5, 60.0, FLOOR, "project")
    assert pay.expected_micros == 50_000 * 3600 // 30


def test_figures_are_made_anew_only_where_something_changed():
    batch, people = paid.published(), paid.crowd()
    slow(batch, people)
    paid.sweep()
    made_at = PayFigures.objects.get().made_at
    assert fair_pay.outdated() == []
    paid.sweep()
    assert PayFigures.objects.get().made_at == made_at


def test_projects_wait_for_their_figures_by_age_and_not_by_key(monkeypatch):
    monkeypatch.setattr(figures, "PROJECTS_STEP", 1)
    first, second = paid.published(), paid.published()
    (wes,) = paid.crowd(1)
    for batch in (first, second):
        paid.spend(wes, batch, 600)
    jobs.note_time()
    looked = []
    for _ in range(4):
        looked += fair_pay.outdated()
        jobs.update_pay()
        TimeSheet.objects.update(is_new=True)  # all are busy all the time
    assert looked == [first.project_id, second.project_id] * 2


def test_finding_what_is_outdated_reads_no_sheet_but_the_first_of_each_project():
    with connection.cursor() as sql:
        sql.execute("SET LOCAL enable_seqscan = off")
        sql.execute(f"EXPLAIN {figures.OUTDATED}", [9])
        plan = "\n".join(line for (line,) in sql.fetchall())
    assert "Index Only Scan using timesheet_new" in plan, plan
    assert "Index Scan using tasks_payfigures_pkey" in plan, plan
    assert "Seq Scan" not in plan, plan


def test_who_is_under_a_hold_counts_in_no_figure():
    batch, people = paid.published(), paid.crowd()
    slow(batch, people)
    at = clock.now()
    Hold.objects.create(user=people[0].user, since=at, until=at + timedelta(days=1))
    paid.sweep()
    assert PayFigures.objects.get().workers == 4


# Floors


def test_the_higher_floor_holds_in_its_own_currency_alone(settings):
    settings.PAY_FLOORS = pay_floors.read("DE=12.82EUR US=7.25USD/h *=2USD")
    assert floors.of(0, "DE", "EUR").micros == 12_820_000
    assert floors.of(0, "US", "EUR") == floors.Floor(0, "")
    assert floors.of(0, "DE", "USD") == floors.Floor(2_000_000, "operator")
    assert floors.of(9_000_000, "US", "USD") == floors.Floor(9_000_000, "project")
    assert floors.of(1, "US", "USD") == floors.Floor(7_250_000, "operator", "US")
    assert floors.operators("EUR") == [("DE", 12_820_000)]


@pytest.mark.parametrize("wrong", ["US", "US=7", "US=USD", "US=7.25XXX", "us=7USD", "US=7USD US=8USD", "US=1.0.0USD"])
def test_a_floor_that_is_not_understood_is_refused(wrong):
    with pytest.raises(ValueError, match=r"expected|two floors"):
        pay_floors.read(wrong)


def test_floors_are_read_from_a_file(tmp_path):
    path = tmp_path / "floors.json"
    path.write_text('{"US": {"USD": "7.25"}, "*": {"EUR": "5"}}')
    assert pay_floors.read(str(path)) == {"US": {"USD": 7_250_000}, "*": {"EUR": 5_000_000}}
    path.write_text('{"US": 7}')
    with pytest.raises(ValueError, match="expected an object"):
        pay_floors.read(str(path))
    with pytest.raises(ValueError, match="No such file"):
        pay_floors.read(str(tmp_path / "none.json"))


def test_the_usual_floors_are_read():
    assert pay_floors.read(pay_floors.USUAL)["US"] == {"USD": 7_250_000}


# The line


def test_publishing_sets_the_most_aside_without_a_fee(rita):
    batch = paid.published()
    lines = dict(ReserveLine.objects.filter(reserve__subject=batch.subject).values_list("name", "amount_micros"))
    assert lines == {"answers": 50 * 55_000, "top_ups": 50 * 25_000}
    quote = forecast.quote(batch.project, batch.dataset)
    assert (quote.lines["top_ups"], quote.fee_micros) == (1_250_000, 50 * 5_000)


def test_without_a_floor_nothing_is_set_aside():
    assert "top_ups" not in forecast.quote((batch := work.published()).project, batch.dataset).lines


# Top-ups


def test_pay_under_the_floor_is_topped_up_with_its_computation():
    """Ten answers of 60 s at 0.05: 3.00 an hour; to 4.50, 0.25 is missing, which is just the cap of half the price."""
    batch, people = paid.published(), paid.crowd()
    slow(batch, people)
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
    slow(batch, people)
    paid.look(batch)
    paid.look(batch)
    assert paid.added(people[0]) == [250_000]
    slow(batch, people, 500)  # 1,100 s in all, which the floor makes 1.375; 1.00 is paid
    paid.look(batch)
    assert paid.added(people[0]) == [250_000, 125_000]
    assert audit.check() == []


def test_a_floor_that_is_reached_adds_nothing():
    batch, people = paid.published(), paid.crowd()
    slow(batch, people, 300)
    paid.look(batch)
    assert not TopUp.objects.exists()
    assert not TopUpProposal.objects.exists()


def test_with_too_few_workers_nothing_is_added_until_there_are_enough():
    batch, people = paid.published(), paid.crowd()
    slow(batch, people[:4])
    paid.look(batch)
    assert not TopUp.objects.exists()
    paid.spend(people[4], batch, 600)
    paid.look(batch)
    assert TopUp.objects.count() == 5


def test_who_idles_is_topped_up_for_the_usual_time_at_most():
    batch, people = paid.published(), paid.crowd()
    slow(batch, people[:4])
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
    slow(batch, people)
    paid.look(batch)
    assert [paid.added(person) for person in people] == [[250_000], [], [], [], []]
    made = TopUp.objects.get()
    assert (made.facts["floor_whose"], made.facts["floor_country"]) == ("operator", "DE")
    assert PayFigures.objects.get().under == 1


def test_rejected_answers_are_not_topped_up(rita):
    batch, people = paid.published(accept_after_s=3600), paid.crowd()
    slow(batch, people)
    lease = people[0].assignments.get()
    for answer in lease.answers.select_related("batch", "task", "worker").order_by("pk")[:5]:
        decisions.reject(answer, rita, "wrong", "No.", refill=False)
    rest = [answer for person in people for answer in person.answers.filter(state="submitted").select_related("batch")]
    decisions.accept(rest, rita)
    paid.look(batch)
    assert paid.added(people[0]) == [125_000]  # five answers, 300 s
    assert paid.added(people[1]) == [250_000]
    assert audit.check() == []


def test_who_is_under_a_hold_is_left_to_a_person(rita):
    batch, people = paid.published(crowd=6), paid.crowd(6)
    slow(batch, people)
    at = clock.now()
    Hold.objects.create(user=people[0].user, since=at, until=at + timedelta(days=1))
    paid.look(batch)
    assert paid.added(people[0]) == []
    proposal = TopUpProposal.objects.get()
    assert (proposal.worker, proposal.amount_micros) == (people[0], 250_000)
    assert "is_held" not in str(Entry.objects.filter(kind="top_up")[0].facts)


def test_a_line_that_was_spent_otherwise_ends_it():
    batch, people = paid.published(), paid.crowd()
    reserves.release(batch.subject, 1_000_000, "top_ups")  # 0.25 is left
    slow(batch, people)
    paid.look(batch)
    assert TopUp.objects.count() == 1
    assert TopUpProposal.objects.count() == 4
    assert audit.check() == []


def test_a_look_asks_for_each_worker_only_where_something_is_missing(django_assert_max_num_queries):
    batch, people = paid.published(crowd=8), paid.crowd(8)
    slow(batch, people, 300)
    paid.look(batch)
    called_for(batch)
    with django_assert_max_num_queries(14) as asked:
        fair_pay.top_up(batch.pk)
    assert not [query for query in asked if "payments_hold" in query["sql"]]


# Above the cap


def called_for(batch):
    Batch.objects.filter(pk=batch.pk).update(top_up_at=batch.published_at, top_up_after=0)


def held(days=1):
    """A batch, the worker in it whose payouts are held, and what is proposed to be added for them."""
    batch, people = paid.published(crowd=6), paid.crowd(6)
    slow(batch, people)
    at = clock.now()
    Hold.objects.create(user=people[0].user, since=at, until=at + timedelta(days=days))
    paid.look(batch)
    return batch, people[0], TopUpProposal.objects.get()


def test_a_proposal_ends_when_its_sum_is_added_by_itself(rita):
    batch, wes, proposal = held()
    Hold.objects.update(lifted_at=clock.now())
    called_for(batch)
    fair_pay.top_up(batch.pk)
    proposal.refresh_from_db()
    assert (proposal.state, paid.added(wes)) == ("over", [250_000])
    with pytest.raises(IllegalMove):
        fair_pay.grant(proposal, rita)
    assert audit.check() == []


def test_what_was_granted_before_the_next_look_is_not_added_again(rita):
    batch, wes, proposal = held()
    Hold.objects.update(lifted_at=clock.now())
    fair_pay.grant(proposal, rita)
    called_for(batch)
    fair_pay.top_up(batch.pk)
    assert (paid.added(wes), TopUpProposal.objects.filter(state="open").count()) == ([250_000], 0)
    assert audit.check() == []


@pytest.mark.parametrize(("seconds", "added"), [(300, [100_000, 25_000]), (100, [100_000])])
def test_a_grant_pays_what_is_missing_by_then(rita, seconds, added):
    """To 600 s at 0.50, 0.25 was missing, 0.10 was added; of the next ten answers in 300 s comes all but 0.025."""
    batch, people, proposal = proposed(items=20, page_size=10)
    paid.spend(people[0], batch, seconds)
    work.sweep()
    jobs.note_time()
    jobs.update_pay()
    if len(added) > 1:
        assert fair_pay.grant(proposal, rita).facts["missing_micros"] == 25_000
    else:
        with pytest.raises(Conflict, match="nothing is missing"):
            fair_pay.grant(proposal, rita)
    assert paid.added(people[0]) == added
    assert audit.check() == []


def test_proposals_end_where_the_median_reaches_the_floor():
    batch, _, _ = proposed()
    Batch.objects.filter(pk=batch.pk).update(pay_floor_micros=3_000_000)
    called_for(batch)
    fair_pay.top_up(batch.pk)
    assert set(TopUpProposal.objects.values_list("state", flat=True)) == {"over"}


def test_declining_what_is_no_longer_missing_lowers_nothing_later(rita):
    batch, wes, proposal = held()
    Hold.objects.update(lifted_at=clock.now())
    fair_pay.decline(proposal, rita, "They were away.")
    assert sheet(wes, batch).declined_micros == 0  # the next look adds it without asking
    batch, people, proposal = proposed()
    Batch.objects.filter(pk=batch.pk).update(pay_floor_micros=3_000_000)
    fair_pay.decline(proposal, rita, "They were away.")
    assert sheet(people[0], batch).declined_micros == 0


def test_nobody_is_granted_anything_who_deleted_their_account(rita):
    _, wes, proposal = held()
    erasure.erase(wes.user, leave_rest=True)
    with pytest.raises(Conflict, match="deleted their account"):
        fair_pay.grant(proposal, rita)
    proposal.refresh_from_db()
    assert (proposal.state, paid.added(wes)) == ("open", [])


def test_nothing_is_granted_out_of_a_frozen_organisation(rita, ada):
    _, _, proposal = proposed()
    accounts.freeze(proposal.batch.project.organisation, ada, "A dispute.")
    for by in (rita, ada):
        with pytest.raises(Forbidden, match="frozen"):
            fair_pay.grant(proposal, by)


def told(user):
    return Notice.objects.filter(user=user, kind="money", subject__contains="wait for you to decide")


def test_who_decides_is_told_of_proposals_once_a_day(rita):
    batch, people = paid.published(items=20, page_size=10, top_up_most_percent=20), paid.crowd()
    manager, reviewer = make.user("manager"), make.user("reviewer")
    for person, role in ((manager, "manager"), (reviewer, "reviewer")):
        batch.project.organisation.memberships.create(user=person, role=role)
    slow(batch, people)
    paid.look(batch)
    called_for(batch)
    jobs.tell_of_top_ups()
    assert not told(rita).exists()  # it is being looked at
    fair_pay.top_up(batch.pk)
    for _ in range(2):
        jobs.tell_of_top_ups()
    assert [told(person).count() for person in (rita, manager, reviewer)] == [1, 1, 0]
    notice = told(rita).get()
    assert notice.subject.startswith("Top-ups of 0.75 USD wait")
    assert notice.link == f"/projects/{batch.project.public_id}/top-ups/"
    fair_pay.decline(TopUpProposal.objects.order_by("pk")[0], rita, "They were away.")
    slow(batch, people[:1], 600)
    paid.look(batch)
    jobs.tell_of_top_ups()
    assert told(rita).count() == 1
    Batch.objects.update(proposals_tell_at=clock.now())  # a day has gone by
    jobs.tell_of_top_ups()
    assert told(rita).count() == 2


def proposed(**terms):
    batch, people = paid.published(**{"top_up_most_percent": 20, **terms}), paid.crowd()
    slow(batch, people)
    paid.look(batch)
    return batch, people, TopUpProposal.objects.filter(batch=batch).order_by("pk")[0]


def test_above_the_cap_a_person_grants_and_the_sum_is_set_aside_and_paid(rita):
    batch, people, proposal = proposed()
    assert (proposal.amount_micros, paid.added(people[0])) == (150_000, [100_000])
    before = prepaid()
    made = fair_pay.grant(proposal, rita)
    assert (made.amount_micros, made.granted_by, before - prepaid()) == (150_000, rita, 150_000)
    assert paid.earned(people[0]) == 750_000
    with pytest.raises(IllegalMove):
        fair_pay.grant(proposal, rita)
    paid.look(batch)
    assert sum(paid.added(people[0])) == 250_000
    assert audit.check() == []


def test_granting_without_the_money_changes_nothing(rita):
    _, people, proposal = proposed()
    account = Account.objects.get(kind="prepaid")
    fees = ledger.account("fees", currency=account.currency, mode=account.mode)
    ledger.post("test", "test:empty", (account, fees, account.balance_micros))
    with pytest.raises(InsufficientFunds) as refused:
        fair_pay.grant(proposal, rita)
    assert refused.value.facts["missing_micros"] == 150_000
    proposal.refresh_from_db()
    assert (proposal.state, paid.added(people[0])) == ("open", [100_000])


def test_what_was_declined_is_not_proposed_again(rita):
    batch, people, proposal = proposed()
    with pytest.raises(Invalid):
        fair_pay.decline(proposal, rita, " ")
    fair_pay.decline(proposal, rita, "They were away.")
    paid.look(batch)
    paid.sweep()
    assert not TopUpProposal.objects.filter(worker=people[0], state="open").exists()
    assert sheet(people[0], batch).declined_micros == 150_000


def test_only_managers_and_admins_decide(sam, ada):
    _, _, proposal = proposed()
    with pytest.raises(Forbidden):
        fair_pay.grant(proposal, sam)
    assert fair_pay.grant(proposal, ada).granted_by == ada


def test_top_ups_are_never_changed():
    batch, people = paid.published(), paid.crowd()
    slow(batch, people)
    paid.look(batch)
    with pytest.raises(IntegrityError), transaction.atomic():
        TopUp.objects.update(amount_micros=1)


# Closing


def closed(**terms):
    batch, people = paid.published(**terms), paid.crowd()
    before = prepaid() + sum(a.balance_micros for a in Account.objects.filter(kind="reserve"))
    slow(batch, people)
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
    assert prepaid() == before - 50 * 55_000 - 1_250_000
    assert audit.check() == []


def test_a_closed_batch_that_pays_enough_returns_all_of_the_line():
    batch, people = paid.published(), paid.crowd()
    slow(batch, people, 300)
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
    slow(batch, people)
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
    slow(batch, people)
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


# Plans: what the sweeps and pages ask is found by an index that holds no more than that


@pytest.mark.parametrize(
    ("asked", "index"),
    [
        (
            """SELECT id FROM tasks_assignment WHERE submitted_at IS NOT NULL AND NOT is_timed
               ORDER BY batch_id, id LIMIT 9""",
            "assignment_to_time",
        ),
        ("SELECT project_id FROM tasks_timesheet WHERE is_new ORDER BY project_id LIMIT 1", "timesheet_new"),
        ("SELECT * FROM tasks_timesheet WHERE project_id = 1 ORDER BY id DESC LIMIT 9", "timesheet_of_project"),
        (
            "SELECT * FROM tasks_timesheet WHERE batch_id = 1 AND worker_id > 5 ORDER BY worker_id LIMIT 9",
            "timesheet_once",
        ),
        ("SELECT id FROM tasks_batch WHERE top_up_at <= now() ORDER BY top_up_at LIMIT 9", "batch_to_top_up"),
        ("SELECT * FROM tasks_topup WHERE worker_id = 1 ORDER BY id DESC LIMIT 9", "topup_of_worker"),
    ],
)
def test_every_question_has_its_index(asked, index):
    with connection.cursor() as sql:
        sql.execute("SET LOCAL enable_seqscan = off")
        sql.execute("SET LOCAL enable_sort = off")
        sql.execute(f"EXPLAIN {asked}")
        plan = "\n".join(line for (line,) in sql.fetchall())
    assert index in plan, plan
    assert "Sort" not in plan
