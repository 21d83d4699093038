"""Lessons, practice that answers back, exams that do not."""

from datetime import timedelta

import pytest
from django.db import connection

from marketplace import guidelines as offered_guidelines
from marketplace import lessons
from marketplace.core import clock
from marketplace.core.errors import Conflict, IllegalMove, Invalid
from tasks import assignments, batches, forecast, training, way_in
from tasks.errors import (
    AnswersInvalid,
    ExamPassed,
    ExamTooSoon,
    LeaseEnded,
    LessonsUnread,
    NoAttemptLeft,
    NoTaskAvailable,
    NotPublishable,
    OwnWork,
    PracticeNeeded,
)
from tasks.models import Answer, Assignment, Batch, Gold
from tests import make
from tests.tasks import work
from workers import guidelines, profiles, qualifications
from workers.models import Grant, Notice, Worker

pytestmark = pytest.mark.django_db

EXAM = {"exam_size": 2, "exam_pass_mark": 1.0, "exam_attempts": 3, "exam_cooldown_s": 0, "gold_share": 0.0}


def examined(**terms) -> Batch:
    """A batch with an exam of two items, out of six."""
    return work.published(**{"gold": 6, **EXAM, **terms})


def sit(person: Worker, batch: Batch, animal: str = "owl") -> Assignment:
    return work.answer(training.sit(person, batch.project), default=animal)


def end(lease: Assignment) -> None:
    """Its time is over, and the sweep has come by."""
    Assignment.objects.filter(pk=lease.pk).update(leased_until=clock.now() - timedelta(seconds=1))
    assignments.expire()
    lease.refresh_from_db()


def later(person: Worker, **passed: float) -> None:
    """So much time went by since all this person's exams ended."""
    for lease in Assignment.objects.filter(worker=person, purpose="exam"):
        ended = lease.submitted_at or lease.leased_until
        ended -= timedelta(**passed)
        Assignment.objects.filter(pk=lease.pk).update(
            leased_until=ended, **({"submitted_at": ended} if lease.submitted_at else {})
        )


# practice


def test_each_answer_of_a_practice_is_explained_at_once_and_the_first_one_stands():
    batch = work.published(gold=4, practice_size=2, pass_mark=1.0)
    Gold.objects.update(explanation="Look at the eyes.")
    wes = work.worker()
    lease = training.start(wes, batch.project)
    marked = training.check(lease, 0, {"animal": "cat"})
    assert (marked.right, marked.truth) == ({"animal": False}, {"animal": "owl"})
    assert marked.explanation == "Look at the eyes."
    assert marked.differs == ["You said “cat”; right is “owl”."]
    assert training.check(lease, 0, {"animal": "owl"}).value == {"animal": "cat"}
    assert not Assignment.objects.get(pk=lease.pk).score
    assert training.check(lease, 1, {"animal": "owl"}).is_right
    lease.refresh_from_db()
    assert (lease.state, lease.score) == ("submitted", 0.5)
    assert not qualifications.meets(wes, batch.project)


def test_handing_in_a_practice_takes_what_was_checked_and_what_was_not():
    batch = work.published(gold=4, practice_size=2, pass_mark=0.5)
    wes = work.worker()
    lease = training.start(wes, batch.project)
    training.check(lease, 0, {"animal": "cat"})
    done = assignments.submit(lease, {0: {"animal": "owl"}, 1: {"animal": "owl"}})
    assert (done.state, done.score) == ("submitted", 0.5)
    assert lease.answers.get(position=0).value == {"animal": "cat"}


def test_a_check_that_does_not_fit_takes_nothing():
    batch = work.published(gold=4, practice_size=2)
    wes = work.worker()
    lease = training.start(wes, batch.project)
    with pytest.raises(AnswersInvalid):
        training.check(lease, 0, {"animal": "cow"})
    with pytest.raises(Invalid):
        training.check(lease, 7, {"animal": "owl"})
    assert not lease.answers.exclude(state="leased").exists()
    assignments.give_back(lease)
    with pytest.raises(IllegalMove):
        training.check(lease, 0, {"animal": "owl"})


def test_work_and_exams_are_not_checked():
    batch = examined()
    exam = training.sit(work.worker(), batch.project)
    with pytest.raises(IllegalMove):
        training.check(exam, 0, {"animal": "owl"})


def test_where_an_exam_follows_practice_is_needed_once_grants_nothing_and_repeats_freely(settings):
    settings.PRACTICE_ATTEMPTS = 1
    batch = examined(practice_size=2, gold=10)
    wes, project = work.worker(), batch.project
    with pytest.raises(PracticeNeeded):
        training.sit(wes, project)
    assert way_in.next_step(wes, project).kind == "practise"
    shown = training.feedback(work.practise(wes, project, "cat"))
    assert (shown.passed, shown.pass_mark, shown.attempts_left) == (True, None, None)
    assert training.status(wes, project) == "done"
    assert not qualifications.meets(wes, project)
    work.practise(wes, project, "cat")
    assert way_in.next_step(wes, project).kind == "exam"
    sit(wes, batch)
    assert qualifications.meets(wes, project)
    work.practise(wes, project)


# exams


def test_an_exam_tells_nothing_until_it_is_handed_in_and_then_no_truth():
    batch = examined()
    wes = work.worker()
    lease = training.sit(wes, batch.project)
    with pytest.raises(Conflict):
        training.result(lease)
    with pytest.raises(PracticeNeeded):
        assignments.claim(wes, batch.project)
    shown = training.result(work.answer(lease, "owl", "cat"))
    assert (shown.score, shown.passed, shown.attempts_left) == (0.5, False, 2)
    assert [answer.right for answer in shown.answers] == [True, False]
    assert not hasattr(shown.answers[0], "truth")
    assert not qualifications.meets(wes, batch.project)


def test_passing_grants_access_once():
    batch = examined()
    wes = work.worker()
    assert sit(wes, batch).score == 1.0
    assert (Grant.objects.get().score, training.stand(wes, batch.project).state) == (1.0, "passed")
    assignments.claim(wes, batch.project)
    with pytest.raises(ExamPassed):
        training.sit(wes, batch.project)


def test_exam_gold_is_set_apart_and_served_nowhere_else():
    batch = examined(gold=20, practice_size=2, gold_share=0.5, page_size=4)
    kinds = Gold.objects.filter(batch=batch)
    assert [kinds.filter(purpose=p).count() for p in ("exam", "practice", "hidden")] == [6, 4, 10]
    wes = work.worker()
    work.practise(wes, batch.project)
    sit(wes, batch)
    work.work_all(wes, batch)
    used = Answer.objects.filter(task__gold__purpose="exam").values_list("assignment__purpose", flat=True)
    assert set(used) == {"exam"}
    assert len(used) == 2


def test_draws_differ_between_people_and_no_item_comes_twice_while_the_pool_lasts():
    batch = examined()
    seen = {}
    for name in ("wes", "ann", "bob", "cleo"):
        person = work.worker(name)
        mine = [task for _ in range(3) for task in sit(person, batch, "cat").answers.values_list("task", flat=True)]
        assert len(set(mine)) == 6
        seen[name] = tuple(mine)
    assert len(set(seen.values())) > 1


def test_an_item_that_was_practised_on_in_another_batch_comes_last():
    batch = examined(gold=8, practice_size=2)
    wes, project = work.worker(), batch.project
    practised = set(work.practise(wes, project).answers.values_list("task__item", flat=True))
    again = work.publish(project, batch.dataset)
    Gold.objects.filter(batch=again).update(purpose="exam")
    asked = training.sit(wes, project).answers.values_list("task__item", flat=True)
    assert not practised & set(asked)


def test_attempts_end_and_all_count():
    batch = examined(exam_attempts=2)
    wes = work.worker()
    assignments.give_back(training.sit(wes, batch.project))
    assert training.stand(wes, batch.project).attempts_left == 1
    sit(wes, batch, "cat")
    assert (training.stand(wes, batch.project).state, way_in.next_step(wes, batch.project).kind) == ("failed", "failed")
    with pytest.raises(NoAttemptLeft):
        training.sit(wes, batch.project)


def test_the_next_try_is_possible_when_the_cool_down_is_over_and_not_before():
    batch = examined(exam_cooldown_s=600)
    wes = work.worker()
    sit(wes, batch, "cat")
    with pytest.raises(ExamTooSoon) as refused:
        training.sit(wes, batch.project)
    assert refused.value.facts["retry_at"] == training.stand(wes, batch.project).retry_at.isoformat()
    assert way_in.next_step(wes, batch.project).kind == "wait"
    later(wes, seconds=595)
    with pytest.raises(ExamTooSoon):
        training.sit(wes, batch.project)
    later(wes, seconds=5)
    assert way_in.next_step(wes, batch.project).kind == "exam"
    assert training.sit(wes, batch.project).attempt == 2


def test_an_exam_is_taken_until_its_time_is_over_and_not_after():
    batch = examined(exam_s=60)
    wes, ann = work.worker(), work.worker("ann")
    lease = training.sit(wes, batch.project)
    assert lease.leased_until - lease.claimed_at == timedelta(seconds=60)
    Assignment.objects.filter(pk=lease.pk).update(leased_until=clock.now() + timedelta(seconds=20))
    assert work.answer(lease, default="owl").score == 1.0
    late = training.sit(ann, batch.project)
    Assignment.objects.filter(pk=late.pk).update(leased_until=clock.now() - timedelta(milliseconds=1))
    with pytest.raises(LeaseEnded):  # the sweep has not come by, the clock decides
        work.answer(late, default="owl")
    with pytest.raises(LeaseEnded):
        assignments.keep_draft(late, {"0": {"animal": "owl"}, "1": {"animal": "owl"}})
    assignments.expire()
    with pytest.raises(LeaseEnded):
        work.answer(late, default="owl")
    late.refresh_from_db()
    assert (late.state, late.score, late.draft) == ("expired", 0.0, None)


def test_the_time_of_an_exam_is_not_extended():
    batch = examined()
    lease = training.sit(work.worker(), batch.project)
    before = lease.leased_until
    Assignment.objects.filter(pk=lease.pk).update(claimed_at=clock.now() - timedelta(minutes=10))
    assert assignments.renew(lease, 30).leased_until == before
    assert lease.active_s == 30


def test_an_exam_that_ran_out_is_graded_from_its_draft():
    batch = examined()
    wes, ann = work.worker(), work.worker("ann")
    lost, junk = training.sit(wes, batch.project), training.sit(ann, batch.project)
    assignments.keep_draft(lost, {"0": {"animal": "owl"}, "1": {"animal": "owl"}})
    assignments.keep_draft(junk, {"0": {"animal": ["owl"]}, "1": 7, "x": None})
    end(lost), end(junk)
    assert (lost.state, lost.score, lost.passed) == ("expired", 1.0, True)
    assert (junk.score, junk.passed) == (0.0, False)
    assert qualifications.meets(wes, batch.project)
    assert not qualifications.meets(ann, batch.project)
    with pytest.raises(LeaseEnded):
        assignments.keep_draft(junk, {"0": {"animal": "owl"}, "1": {"animal": "owl"}})


def test_nobody_is_examined_who_may_not_work_here():
    batch = examined()
    with pytest.raises(OwnWork):
        training.sit(profiles.of(make.user("rita")), batch.project)


def test_two_exams_at_once_are_the_same_one():
    batch = examined()
    wes = work.worker()
    assert training.sit(wes, batch.project).pk == training.sit(wes, batch.project).pk


# exams scored again


def test_a_score_without_a_doubted_item_may_pass_and_never_takes_away():
    batch = examined(exam_size=3, gold=9, exam_pass_mark=0.9)
    wes, ann, bob = (work.worker(name) for name in ("wes", "ann", "bob"))
    failed = work.answer(training.sit(wes, batch.project), "owl", "owl", "cat")
    passed = work.answer(training.sit(ann, batch.project), "owl", "owl", "owl")
    other = examined(exam_size=3, gold=9, exam_pass_mark=0.9)
    still = work.answer(training.sit(bob, other.project), "cat", "owl", "cat")
    for lease in (failed, passed, still):
        _doubt(lease, 2)
    training.rescore([failed.pk, passed.pk, still.pk])
    for lease in (failed, passed, still):
        lease.refresh_from_db()
    assert [(lease.score, lease.passed) for lease in (failed, passed, still)] == [
        (1.0, True),
        (1.0, True),
        (0.5, False),
    ]
    assert qualifications.meets(wes, batch.project)
    assert qualifications.meets(ann, batch.project)
    assert not training.result(failed).answers[2].counted
    assert Notice.objects.filter(kind="exam_rescored").values_list("user", flat=True).get() == wes.user_id
    training.rescore([failed.pk])
    assert Notice.objects.filter(kind="exam_rescored").count() == 1


def test_who_passed_has_passed_although_the_score_falls():
    batch = examined(exam_pass_mark=0.5)
    wes = work.worker()
    lease = work.answer(training.sit(wes, batch.project), "owl", "cat")
    _doubt(lease, 0)
    training.rescore([lease.pk])
    lease.refresh_from_db()
    assert (lease.score, lease.passed) == (0.0, True)
    assert qualifications.meets(wes, batch.project)


def test_where_nothing_counts_any_more_the_score_stays_and_a_retired_item_still_counts():
    batch = examined()
    lease = sit(work.worker(), batch)
    Gold.objects.update(state="retired")
    training.rescore([lease.pk])
    lease.refresh_from_db()
    assert lease.score == 1.0
    other = sit(work.worker("ann"), examined(), "cat")
    for position in (0, 1):
        _doubt(other, position)
    training.rescore([other.pk])
    other.refresh_from_db()
    assert (other.score, other.passed) == (0.0, False)


def test_an_exam_graded_from_its_draft_is_scored_again_from_it():
    batch = examined()
    wes = work.worker()
    lease = training.sit(wes, batch.project)
    assignments.keep_draft(lease, {"0": {"animal": "owl"}})
    end(lease)
    assert lease.score == 0.5
    _doubt(lease, 1)
    training.rescore([lease.pk])
    assert qualifications.meets(wes, batch.project)


def _doubt(lease: Assignment, position: int) -> None:
    """As if the state were known to the model already."""
    with connection.cursor() as sql:
        sql.execute("SET CONSTRAINTS ALL IMMEDIATE")
        sql.execute("ALTER TABLE tasks_gold DROP CONSTRAINT IF EXISTS gold_state_known")
        sql.execute("ALTER TABLE tasks_gold ALTER state TYPE text")
    Gold.objects.filter(task__answers__assignment=lease, task__answers__position=position).update(state="quarantined")


# paid exams


PAID = {"exam_price_micros": 100_001, "exam_paid_most": 2}


def test_a_paid_exam_is_reserved_split_to_the_micro_and_paid_by_the_sweep():
    batch = examined(**PAID)
    offer = forecast.quote(batch.project, batch.dataset)
    assert offer.lines["training"] == 2 * (100_001 + 10_000)
    wes = work.worker()
    done = sit(wes, batch, "cat")
    prices = done.answers.order_by("position").values_list("state", "price_micros", "fee_micros")
    assert list(prices) == [("accepted", 50_001, 5_000), ("accepted", 50_000, 5_000)]
    work.sweep()
    assert not Answer.objects.filter(assignment=done, entry=None).exists()
    assert training.result(done).paid_micros == 100_001
    assert batches.progress(batch).spent_micros == 110_001


def test_when_the_paid_exams_are_given_out_no_more_begin_until_one_is_abandoned():
    batch = examined(**PAID)
    wes, ann, bob = (work.worker(name) for name in ("wes", "ann", "bob"))
    sit(wes, batch, "cat")
    left = training.sit(ann, batch.project)
    with pytest.raises(NoTaskAvailable, match="every paid exam"):
        training.sit(bob, batch.project)
    end(left)
    assert not left.answers.filter(state="accepted").exists()
    sit(bob, batch)
    with pytest.raises(NoTaskAvailable):
        training.sit(wes, batch.project)
    work.sweep()
    batch.refresh_from_db()
    assert batch.exams_taken == 2


def test_a_batch_that_closes_keeps_the_price_of_the_exam_that_is_being_sat():
    batch = examined(items=1, **PAID)
    wes = work.worker()
    lease = training.sit(wes, batch.project)
    batches.close(batch, make.user("rita"))
    work.sweep()
    assert batches.owed_micros(batch) == 110_001 == batches.progress(batch).reserved_micros
    with pytest.raises(NoTaskAvailable):
        training.sit(work.worker("ann"), batch.project)
    work.answer(lease, default="owl")
    work.sweep()
    Batch.objects.update(look_again_at=None)
    work.sweep()
    batch.refresh_from_db()
    assert batch.returned_at
    assert batches.progress(batch).reserved_micros == 0


# what is told and refused before


@pytest.mark.parametrize(
    ("terms", "problem"),
    [
        ({"exam_size": 2, "gold": 5}, "the exam wants 6 items with a known truth of its own"),
        ({"exam_size": 2, "practice_size": 2, "gold": 7}, "and the practice 2: 8 in all, the dataset has 7"),
        ({"exam_size": 2, "exam_price_micros": 5, "gold": 9}, "say how many exams are bought"),
        ({"practice_size": 11, "gold": 11}, "330 s of unpaid time (30 s a task, as you expect), and at most 300 s"),
        (
            {"practice_size": 4, "exam_size": 7, "gold": 40},
            "and the exam (7 tasks) would take 330 s",
        ),
    ],
)
def test_publishing_is_refused_with_the_figures(terms, problem):
    with pytest.raises(NotPublishable) as refused:
        work.published(**terms)
    assert problem in " ".join(refused.value.facts["problems"])


def test_a_paid_exam_may_take_longer_than_an_unpaid_one():
    work.published(gold=40, practice_size=4, exam_size=10, exam_price_micros=100_000, exam_paid_most=1, exam_s=600)


def test_price_and_time_are_what_is_offered_and_measured_once_there_are_answers():
    batch = work.published(items=40, gold=8, practice_size=2, exam_size=2, page_size=10, expected_s=10, **PAID)
    practice, exam = training.efforts(batch.project)
    assert (practice.items, practice.expected_s, practice.price_micros, practice.is_measured) == (2, 20, 0, False)
    assert (exam.items, exam.expected_s, exam.price_micros, exam.time_limit_s) == (2, 20, 100_001, 900)
    wes = work.worker()
    qualifications.grant(wes, batch.project, 1.0)
    work.work_all(wes, batch)
    Assignment.objects.filter(purpose="work").update(active_s=40)
    assert [(effort.expected_s, effort.is_measured) for effort in training.efforts(batch.project)] == [(8, True)] * 2


# lessons


def test_lessons_come_before_practice_and_exam():
    batch = examined(practice_size=2, gold=10)
    wes, project, rita = work.worker(), batch.project, make.user("rita")
    first, second = (lessons.write(project, rita, title, "Look.") for title in ("Cats", "Owls"))
    assert way_in.next_step(wes, project).facts["lesson"] == first
    for begin in (training.start, training.sit):
        with pytest.raises(LessonsUnread):
            begin(wes, project)
    training.read(wes, first)
    training.read(wes, first)
    assert [(one.title, one.is_read) for one in training.progress(wes, project)] == [("Cats", True), ("Owls", False)]
    training.read(wes, second)
    work.practise(wes, project)
    new = lessons.revise(first, rita, "Cats and dogs", "Look twice.")
    assert list(training.unread(wes, project)) == [new]
    with pytest.raises(IllegalMove):
        training.read(wes, first)
    training.read(wes, new)
    sit(wes, batch)
    lessons.revise(new, rita, "Cats", "Again.")
    assert way_in.next_step(wes, project).kind == "start"


def test_the_guideline_is_read_before_the_exam():
    batch = examined()
    offered_guidelines.write(batch.project, make.user("rita"), "Look.")
    wes = work.worker()
    with pytest.raises(Exception, match="version 1"):
        training.sit(wes, batch.project)
    guidelines.acknowledge(wes, batch.project, 1)
    training.sit(wes, batch.project)
