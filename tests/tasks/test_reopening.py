"""Asking again what was answered under an older guideline: seats, money, scores and labels stay right."""

from datetime import timedelta

import pytest

from marketplace import accounts, guidelines
from marketplace.core import clock
from marketplace.core.errors import Forbidden, IllegalMove, InsufficientFunds, Invalid
from marketplace.models import AuditEvent, Project
from payments import reserves
from payments.models import Account
from tasks import assignments, audit, batches, consensus, decisions, jobs, reopening
from tasks.models import Answer, Assignment, Batch, Consensus, ConsensusChange, Evidence, Reopening, Task
from tests import make
from tests.tasks import work
from tests.tasks.paid import prepaid
from workers import guidelines as read
from workers.models import Notice, Reliability

pytestmark = pytest.mark.django_db

EACH_MICROS = 55_000  # price and fee


def person(name, project):
    """A worker who has read the latest guideline."""
    made = work.worker(name)
    read.acknowledge(made, project, project.guidelines.first().version)
    return made


def labelled(items=4, animals=("cat", "cat"), **terms):
    """A batch whose items were all answered so under the first version, and weighed."""
    batch = work.published(
        **{"items": items, "page_size": items, "guideline": "Look.", "accept_after_s": 0, **terms},
    )
    for number, animal in enumerate(animals):
        work.work(person(f"old{number}", batch.project), batch, animal)
    consensus.update(batch)
    return batch


def revised(batch):
    """The same, with a second version."""
    return guidelines.write(batch.project, make.user("rita"), "Look twice.")


def reopened(batch, label="cat", version=1):
    return reopening.reopen(batch.project, make.user("rita"), "animal", label, version)


def test_the_quote_says_what_is_touched_and_what_it_costs(rita):
    batch = labelled()
    revised(batch)
    offer = reopening.quote(batch.project, rita, "animal", "cat", 1)
    assert (offer.tasks, offer.answers, offer.reserve_micros) == (4, 8, 8 * EACH_MICROS)
    assert (offer.available_micros, offer.missing_micros) == (prepaid(), 0)
    assert reopening.quote(batch.project, rita, "animal", "dog", 1).tasks == 0
    assert not Answer.objects.exclude(superseded_at=None).exists()


def test_old_answers_stop_speaking_and_each_has_another_bought_and_reserved_in_its_place():
    batch = labelled()
    revised(batch)
    had, set_aside, epoch = prepaid(), reserves.balance(batch.subject), Batch.objects.get().queue_epoch
    run = reopened(batch)
    assert (run.state, run.tasks, run.answers, run.reserved_micros) == ("done", 4, 8, 8 * EACH_MICROS)
    assert had - prepaid() == reserves.balance(batch.subject) - set_aside == 8 * EACH_MICROS
    assert set(Task.objects.values_list("state", "bought", "taken", "open")) == {("open", 4, 2, True)}
    batch.refresh_from_db()
    assert batch.queue_epoch > epoch
    assert batch.touched_at
    assert not Answer.objects.counted().exists()
    assert Answer.objects.superseded().count() == 8
    assert AuditEvent.objects.filter(verb="reopen", target_id=run.pk).get().facts["answers"] == 8


def test_who_answered_is_paid_as_agreed_and_gets_no_evidence_of_it():
    batch = labelled()
    revised(batch)
    assert Evidence.objects.filter(kind="consensus", void=None).count() == 8
    reopened(batch)
    assert not Evidence.objects.filter(void=None).exists()
    assert set(Reliability.objects.values_list("judged", flat=True)) == {0.0}
    work.sweep()
    assert set(Answer.objects.values_list("state", flat=True)) == {"accepted"}
    assert not Answer.objects.filter(entry=None).exists()
    assert sum(account.balance_micros for account in Account.objects.filter(kind="earnings")) == 8 * 50_000


def test_others_answer_anew_and_only_their_answers_make_the_label():
    batch = labelled()
    revised(batch)
    reopened(batch)
    consensus.update(batch)
    assert not Consensus.objects.exists()
    assert ConsensusChange.objects.filter(value="cat").count() == 4
    for name in ("new0", "new1"):
        work.work(person(name, batch.project), batch, "dog")
    consensus.update(batch)
    assert set(Consensus.objects.values_list("value", "support")) == {("dog", 2)}
    assert set(Task.objects.values_list("state", "bought", "taken")) == {("closed", 4, 4)}
    assert Evidence.objects.filter(kind="consensus", void=None).count() == 8


def test_who_answered_before_is_not_asked_again():
    batch = labelled()
    revised(batch)
    reopened(batch)
    again = person("old0", batch.project)
    with pytest.raises(work.NoTaskAvailable):
        assignments.claim(again, batch.project)


def test_what_has_another_label_or_newer_answers_is_left_alone():
    batch = labelled(animals=())
    lease = assignments.claim(person("old0", batch.project), batch.project)
    work.answer(lease, "cat", "dog", "cat", "dog")
    revised(batch)
    work.work(person("new0", batch.project), batch, "cat")
    consensus.update(batch)
    cats = Consensus.objects.filter(value="cat").count()
    run = reopened(batch)
    assert (run.tasks, run.answers) == (cats, cats)  # of each only the one under the old version
    assert Answer.objects.superseded().filter(assignment__guideline_version=2).count() == 0
    assert Answer.objects.counted().filter(worker__user__email="new0@example.org").count() == 4


def test_asked_again_it_changes_nothing():
    batch = labelled()
    revised(batch)
    run = reopened(batch)
    seats = list(Task.objects.values_list("bought", "taken"))
    assert reopened(batch) == run
    assert list(Task.objects.values_list("bought", "taken")) == seats
    assert Reopening.objects.count() == 1
    consensus.update(batch)
    assert reopened(batch) == run


def test_an_old_page_handed_in_after_a_reopening_can_be_reopened_too():
    batch = labelled(redundancy_min=3, redundancy_max=3)
    late = assignments.claim(person("late", batch.project), batch.project)
    consensus.update(batch)
    revised(batch)
    first = reopened(batch)
    work.answer(late, default="cat")
    consensus.update(batch)
    second = reopened(batch)
    assert second != first
    assert (second.tasks, second.answers) == (4, 4)


def test_without_the_money_nothing_is_half_done():
    batch = labelled()
    revised(batch)
    reserves.add(batch.subject, "answers", prepaid() - 7 * EACH_MICROS)
    before = list(Task.objects.values_list("state", "bought"))
    with pytest.raises(InsufficientFunds) as refusal:
        reopened(batch)
    assert refusal.value.facts == {"missing_micros": EACH_MICROS, "currency": "USD"}
    assert list(Task.objects.values_list("state", "bought")) == before
    assert not Reopening.objects.exists()
    assert not Answer.objects.superseded().exists()


def test_a_task_is_bought_no_further_answer_than_its_batch_allows_beside_what_was_superseded():
    batch = labelled(items=1, animals=("cat", "cat"), redundancy_min=2, redundancy_max=3)
    revised(batch)
    reopened(batch)
    for name, animal in (("new0", "dog"), ("new1", "owl"), ("new2", "cat")):
        work.work(person(name, batch.project), batch, animal)
        consensus.update(batch)
    task = Task.objects.get()
    assert (task.state, task.bought, task.taken) == ("closed", 5, 5)  # two superseded, three that speak
    assert audit.check() == []


def test_a_big_reopening_goes_on_in_steps_from_where_it_was(monkeypatch):
    monkeypatch.setattr(reopening, "WINDOW", 2)
    batch = labelled(items=5)
    revised(batch)
    run = reopened(batch)
    assert (run.state, run.tasks, Answer.objects.superseded().count()) == ("running", 2, 4)
    assert reopened(batch) == run
    assert audit.check() == []
    while jobs.reopen():
        pass
    run.refresh_from_db()
    assert (run.state, run.tasks, run.answers, run.reserved_micros) == ("done", 5, 10, 10 * EACH_MICROS)
    assert run.ended_at
    assert set(Task.objects.values_list("bought", "taken")) == {(4, 2)}


def test_a_big_reopening_whose_money_runs_out_stops_clearly_and_can_be_taken_up_again(monkeypatch):
    monkeypatch.setattr(reopening, "WINDOW", 2)
    batch = labelled(items=4)
    revised(batch)
    run = reopened(batch)
    taken = prepaid() - EACH_MICROS
    reserves.add(batch.subject, "answers", taken)
    assert not jobs.reopen()
    run.refresh_from_db()
    assert (run.state, run.tasks, run.missing_micros) == ("stopped", 2, 3 * EACH_MICROS)
    assert "is missing" in Notice.objects.get(user=make.user("rita")).subject
    assert Answer.objects.superseded().count() == 4
    assert audit.check() == []
    reserves.release(batch.subject, taken, "answers")
    rest = reopened(batch)
    while jobs.reopen():
        pass
    rest.refresh_from_db()
    assert rest != run
    assert (rest.state, rest.tasks) == ("done", 2)


def test_several_batches_are_reopened_one_after_the_other_and_closed_ones_stay():
    batch = labelled(accept_after_s=3600)
    other = work.publish(
        batch.project, make.dataset([{"text": f"more {n}"} for n in range(3)], batch.project.organisation)
    )
    closed = work.publish(batch.project, make.dataset([{"text": "x"}], batch.project.organisation))
    for number in range(2):
        work.work_all(person(f"old{number}", batch.project), other)
    for one in (other, closed):
        consensus.update(one)
    batches.close(closed, make.user("rita"))
    revised(batch)
    assert reopened(batch).state == "running"
    while jobs.reopen():
        pass
    run = Reopening.objects.get()
    assert (run.state, run.tasks) == ("done", 7)
    assert not Answer.objects.superseded().filter(batch=closed).exists()


def test_what_can_touch_nothing_is_refused(rita):
    batch = labelled()
    nothing = (("animal", "cat", 1), ("animal", "cow", 0), ("size", "cat", 0), ("animal", "cat", -1))
    for field, label, version in nothing:
        with pytest.raises(Invalid):
            reopening.reopen(batch.project, rita, field, label, version)
    revised(batch)
    assert reopening.reopen(batch.project, rita, "animal", "cat", 1)


def test_only_managers_reopen_and_a_closed_project_stays(rita, wes, sam):
    batch = labelled()
    revised(batch)
    accounts.add_member(batch.project.organisation, wes.email, "reviewer", rita)
    for somebody in (wes, sam):
        with pytest.raises(Forbidden):
            reopening.reopen(batch.project, somebody, "animal", "cat", 1)
    with pytest.raises(Forbidden):
        reopening.quote(batch.project, sam, "animal", "cat", 1)
    Project.objects.update(state="closed")
    with pytest.raises(IllegalMove):
        reopened(batch)


@pytest.mark.parametrize("refill", [True, False])
def test_a_superseded_answer_that_is_excluded_leaves_the_new_seats_open(rita, refill):
    batch = labelled(items=1, redundancy_min=2, redundancy_max=2)
    revised(batch)
    reopened(batch)
    old = Answer.objects.select_related("batch__project", "task").first()
    decision = decisions.exclude(old, rita, "damaged", "Not used.", refill=refill)
    task = Task.objects.get()
    assert (task.state, task.bought, task.taken) == ("open", 4 if refill else 3, 1)
    assert audit.check() == []
    decisions.overturn(decision, None, "It was wrong.")
    task.refresh_from_db()
    assert (task.bought - task.taken, task.taken) == (3 if refill else 2, 2)
    assert audit.check() == []


def test_a_batch_closes_once_the_new_answers_are_in():
    batch = labelled(items=2)
    revised(batch)
    reopened(batch)
    work.sweep()
    assert Batch.objects.get().state == "open"
    for name in ("new0", "new1"):
        work.work(person(name, batch.project), batch, "dog")
    Answer.objects.filter(state="submitted").update(accept_at=clock.now() - timedelta(seconds=1))
    work.sweep()
    assert Batch.objects.get().state == "closed"
    assert reserves.balance(batch.subject) == 0
    assert Assignment.objects.filter(state="open").count() == 0
