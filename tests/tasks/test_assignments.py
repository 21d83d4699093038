from datetime import timedelta

import pytest

from marketplace import accounts, projects
from marketplace.core import clock
from marketplace.core.errors import IllegalMove, Invalid, NotFound
from tasks import assignments, batches, jobs
from tasks.assignments import claiming
from tasks.errors import AnswersInvalid, LeaseEnded, NoTaskAvailable, OwnWork, PracticeNeeded, WorkerSuspended
from tasks.models import Answer, Assignment, Batch, Task
from tests import make
from tests.tasks import work
from workers import profiles

pytestmark = pytest.mark.django_db


def end_lease(lease: Assignment) -> None:
    Assignment.objects.filter(pk=lease.pk).update(leased_until=clock.now() - timedelta(seconds=1))
    assignments.expire()


def test_a_claim_leases_a_page_and_takes_its_seats():
    batch = work.published(items=6)
    lease = assignments.claim(work.worker(), batch.project)
    assert lease.is_new
    assert [task["position"] for task in assignments.pages(lease)] == [0, 1, 2]
    assert Task.objects.filter(taken=1).count() == 3


def test_second_claim_returns_the_same_lease():
    batch = work.published()
    wes = work.worker()
    first = assignments.claim(wes, batch.project)
    second = assignments.claim(wes, batch.project)
    assert (second.pk, second.is_new) == (first.pk, False)
    assert Answer.objects.count() == 3


def test_nobody_gets_a_task_twice_and_everybody_gets_all():
    batch = work.published(items=7)
    wes = work.worker()
    seen: list[str] = []
    for _ in range(3):
        lease = assignments.claim(wes, batch.project)
        seen += [task["payload"]["text"] for task in assignments.pages(lease)]
        work.answer(lease)
    assert sorted(seen) == [f"item {n}" for n in range(7)]
    with pytest.raises(NoTaskAvailable):
        assignments.claim(wes, batch.project)


def test_no_task_collects_more_answers_than_were_bought():
    batch = work.published(items=3)
    for name in ("ann", "ben"):
        work.work(work.worker(name), batch)
    with pytest.raises(NoTaskAvailable):
        assignments.claim(work.worker("cat"), batch.project)


def test_a_submitted_page_cannot_be_changed_by_submitting_again():
    batch = work.published()
    lease = work.work(work.worker(), batch, "dog")
    again = assignments.submit(lease, {})
    assert again.pk == lease.pk
    assert set(lease.answers.values_list("value__animal", flat=True)) == {"dog"}
    assert lease.answers.first().codes == [1]


@pytest.mark.parametrize(
    ("answers", "path", "code"),
    [
        ({0: {"animal": "cat"}, 1: {"animal": "cat"}}, "answers[2]", "missing"),
        ({0: {"animal": "cow"}, 1: {"animal": "cat"}, 2: {"animal": "cat"}}, "answers[0].animal", "option"),
        ({0: {}, 1: {"animal": "cat"}, 2: {"animal": "cat"}}, "answers[0].animal", "missing"),
        ({n: {"animal": "cat"} for n in range(4)}, "answers[3]", "unknown"),
        ({0: None, 1: {"animal": "cat"}, 2: {"animal": "cat"}}, "answers[0]", "type"),
    ],
)
def test_a_wrong_answer_is_refused_with_path_and_code_and_nothing_is_taken(answers, path, code):
    lease = assignments.claim(work.worker(), work.published().project)
    with pytest.raises(AnswersInvalid) as refused:
        assignments.submit(lease, answers)
    assert (path, code) in [(error["path"], error["code"]) for error in refused.value.facts["errors"]]
    assert lease.answers.filter(state="leased").count() == 3


def test_skipping_reopens_the_seat_for_others_but_not_for_the_skipper():
    batch = work.published(items=1, redundancy_min=1, redundancy_max=1)
    wes = work.worker()
    lease = assignments.skip(assignments.claim(wes, batch.project), 0)
    assert lease.state == "returned"
    with pytest.raises(NoTaskAvailable):
        assignments.claim(wes, batch.project)
    assert assignments.claim(work.worker("ann"), batch.project).answers.count() == 1


def test_a_position_skipped_needs_no_answer():
    lease = assignments.claim(work.worker(), work.published().project)
    assignments.skip(lease, 1)
    done = assignments.submit(lease, {0: {"animal": "cat"}, 2: {"animal": "cat"}})
    assert sorted(done.answers.values_list("state", flat=True)) == ["skipped", "submitted", "submitted"]


def test_giving_back_reopens_every_seat_also_for_the_same_worker():
    batch = work.published(items=3)
    wes = work.worker()
    assignments.give_back(assignments.claim(wes, batch.project))
    assert not Task.objects.filter(taken__gt=0).exists()
    assert assignments.claim(wes, batch.project).answers.count() == 3


def test_an_expired_lease_reopens_its_seats():
    batch = work.published(items=3, redundancy_min=1, redundancy_max=1)
    lease = assignments.claim(work.worker(), batch.project)
    end_lease(lease)
    lease.refresh_from_db()
    assert lease.state == "expired"
    assert assignments.claim(work.worker("ann"), batch.project).answers.count() == 3


def test_a_task_freed_behind_a_cursor_is_found_again():
    batch = work.published(items=6, redundancy_min=1, redundancy_max=1)
    ann, wes = work.worker("ann"), work.worker()
    first = assignments.claim(ann, batch.project)
    work.work(wes, batch)
    with pytest.raises(NoTaskAvailable):
        assignments.claim(wes, batch.project)
    end_lease(first)
    assert assignments.claim(wes, batch.project).answers.count() == 3


def test_a_late_submit_is_taken_where_its_seats_are_still_open():
    batch = work.published(items=3, redundancy_min=1, redundancy_max=1)
    lease = assignments.claim(work.worker(), batch.project)
    end_lease(lease)
    work.answer(assignments.claim(work.worker("ann"), batch.project, tasks=1))
    done = work.answer(lease)
    assert done.state == "submitted"
    assert sorted(done.answers.values_list("state", flat=True)) == ["expired", "submitted", "submitted"]


def test_a_late_submit_whose_seats_are_gone_is_refused_and_kept_as_a_draft():
    batch = work.published(items=3, redundancy_min=1, redundancy_max=1)
    lease = assignments.claim(work.worker(), batch.project)
    end_lease(lease)
    work.work(work.worker("ann"), batch)
    with pytest.raises(LeaseEnded):
        work.answer(lease, default="owl")
    lease.refresh_from_db()
    assert lease.draft == {"0": {"animal": "owl"}, "1": {"animal": "owl"}, "2": {"animal": "owl"}}


def test_a_heartbeat_renews_the_lease_and_cannot_claim_more_time_than_passed():
    lease = assignments.claim(work.worker(), work.published(lease_s=60).project)
    Assignment.objects.filter(pk=lease.pk).update(claimed_at=lease.claimed_at - timedelta(seconds=30))
    ended = lease.leased_until
    renewed = assignments.renew(lease, 10_000)
    assert 30 <= renewed.active_s <= 31
    assert renewed.leased_until > ended
    Assignment.objects.filter(pk=lease.pk).update(claimed_at=lease.claimed_at - timedelta(seconds=10_000))
    assert assignments.renew(lease, 40).leased_until == renewed.leased_until  # no lease lasts for ever
    assert assignments.renew(lease, 5).active_s == 40  # time does not run back


def test_members_do_not_work_for_their_own_organisation():
    batch = work.published()
    with pytest.raises(OwnWork):
        assignments.claim(profiles.of(batch.published_by), batch.project)


def test_a_suspended_worker_gets_no_work():
    batch = work.published()
    wes = work.worker()
    profiles.suspend(wes)
    with pytest.raises(WorkerSuspended):
        assignments.claim(wes, batch.project)


def test_practice_comes_before_paid_work():
    batch = work.published(gold=4, practice_size=2)
    with pytest.raises(PracticeNeeded):
        assignments.claim(work.worker(), batch.project)


def test_picking_is_only_for_projects_that_allow_it():
    with pytest.raises(Invalid):
        assignments.claim(work.worker(), work.published().project, pick=["item 1"])


def test_a_picked_task_is_marked_self_selected():
    batch = work.published(items=5, pick_column="text")
    lease = assignments.claim(work.worker(), batch.project, pick=["item 1", "item 4", "no such"])
    assert {task["payload"]["text"] for task in assignments.pages(lease)} == {"item 1", "item 4"}
    assert all(lease.answers.values_list("self_selected", flat=True))


def test_a_paused_or_closed_project_hands_out_nothing_and_takes_what_is_out():
    batch = work.published()
    wes = work.worker()
    lease = assignments.claim(wes, batch.project)
    batches.close(batch, batch.published_by)
    work.sweep()
    with pytest.raises(NoTaskAvailable):
        assignments.claim(work.worker("ann"), batch.project)
    assert work.answer(lease).state == "submitted"


def test_a_frozen_organisation_gives_out_nothing_and_takes_what_is_out():
    batch = work.published()
    wes, ada = work.worker(), make.user("ada", staff=True)
    lease = assignments.claim(wes, batch.project)
    accounts.freeze(batch.project.organisation, ada, "A bank asked.")
    with pytest.raises(NoTaskAvailable):
        assignments.claim(work.worker("ann"), batch.project)
    assert work.answer(lease).state == "submitted"
    accounts.thaw(batch.project.organisation, ada, "It is settled.")
    assert assignments.claim(work.worker("bob"), batch.project)


def test_a_seat_freed_in_a_closed_batch_is_withdrawn():
    batch = work.published(items=3)
    lease = assignments.claim(work.worker(), batch.project)
    batches.close(batch, batch.published_by)
    assignments.give_back(lease)
    while jobs.close():
        pass
    assert not Task.objects.filter(bought__gt=0).exists()
    assert Batch.objects.get().returned_at


def test_a_page_given_back_cannot_be_submitted():
    lease = assignments.claim(work.worker(), work.published().project)
    assignments.give_back(lease)
    with pytest.raises(IllegalMove):
        assignments.submit(lease, {})


def test_a_draft_is_kept():
    lease = assignments.claim(work.worker(), work.published().project)
    assignments.keep_draft(lease, {"0": {"animal": "cat"}})
    lease.refresh_from_db()
    assert lease.draft == {"0": {"animal": "cat"}}


def test_a_paused_project_gives_nothing_and_says_when_to_ask_again():
    batch = work.published()
    projects.pause(batch.project, make.user("rita"))
    with pytest.raises(NoTaskAvailable) as refused:
        assignments.claim(work.worker(), batch.project)
    assert refused.value.facts["retry_after_s"] == claiming.RETRY_S


def test_a_draft_and_a_closed_project_are_not_there():
    draft, batch = make.project(make.organisation()), work.published()
    batches.close_project(batch.project, make.user("rita"))
    for project in (draft, batch.project):
        with pytest.raises(NotFound):
            assignments.claim(work.worker(), project)


def test_a_lease_of_somebody_else_is_not_there():
    batch = work.published()
    lease = assignments.claim(work.worker("ann"), batch.project)
    stolen = Assignment(public_id=lease.public_id, worker_id=work.worker("sam").pk)
    for verb in (lambda: assignments.submit(stolen, {}), lambda: assignments.renew(stolen, 1)):
        with pytest.raises(NotFound):
            verb()


def test_a_page_of_a_claim_is_what_the_database_says_of_it():
    lease = assignments.claim(work.worker(), work.published().project)
    told = lease.seats
    read = Assignment.objects.get(pk=lease.pk)
    assert assignments.seats_of(read) == told
    for name in ("worker_id", "project_id", "batch_id", "purpose", "state", "guideline_version", "claimed_at"):
        assert getattr(read, name) == getattr(lease, name)
    assert (read.leased_until, read.attempt, read.active_s) == (lease.leased_until, 0, 0)
