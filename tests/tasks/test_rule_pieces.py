from datetime import timedelta

import pytest

from marketplace.core import clock
from tasks import appeals, assignments, decisions, evidence, jobs, training
from tasks.models import Answer, Assignment, Decision, Evidence
from tasks.rules import applying, collectors
from tests import make
from tests.tasks import work
from tests.tasks.ruled import batch, checked, rule, when

pytestmark = pytest.mark.django_db


def figures_of(made, person):
    """The figures of a rule at the newest piece of a worker."""
    found = applying.counted(made, person.pk)
    return {name: float(column[-1]) for name, column in collectors.figures_of(made, found).items()} if found else {}


@pytest.mark.parametrize("kind", ["gold", "consensus"])
def test_checks_are_counted_with_share_run_and_probability(kind):
    here, wes = batch(), work.worker()
    checked(wes, here, 1.0, 0.0, 0.25, kind=kind)
    checked(wes, here, 0.0, kind="review")
    made = rule(here.project, kind, on=False, measure={"threshold": 0.9})
    found = figures_of(made, wes)
    assert (found["total"], found["correct"], found["wrong_in_row"]) == (3, 1.25, 2)
    assert found["correct_share"] == pytest.approx(1.25 / 3)
    assert found["p_below"] > 0.95


def test_only_the_last_of_what_is_collected_count_where_the_rule_says_so():
    here, wes = batch(), work.worker()
    checked(wes, here, 0, 0, 0, 1, 0)
    found = figures_of(rule(here.project, conditions=[when("wrong_in_row", "EqualTo", 2)], on=False, history=2), wes)
    assert (found["total"], found["correct"], found["wrong_in_row"]) == (2, 1, 1)


def test_evidence_that_is_void_is_not_counted():
    here, wes = batch(), work.worker()
    rows = checked(wes, here, 0, 0, 1)
    evidence.void(Evidence.objects.filter(pk=rows[0].pk), "wrong gold")
    assert figures_of(rule(here.project, on=False), wes)["total"] == 2


def test_reviews_count_what_was_wrong():
    here, wes = batch(), work.worker()
    checked(wes, here, 1, 0, 0, kind="review")
    found = figures_of(rule(here.project, "review", [when("wrong", "GreaterThan", 1)], on=False), wes)
    assert found == {"total": 3, "wrong": 2}


def test_only_decisions_that_are_final_are_counted():
    here, wes, rita = batch(), work.worker(), make.user("rita")
    page = work.work(wes, here)
    answers = list(page.answers.select_related("task", "batch").order_by("position"))
    made = rule(here.project, "acceptance", [when("rejected", "GreaterThan", 0)], on=False)
    decisions.reject(answers[0], rita, "wrong", "No.", refill=False)
    assert figures_of(made, wes) == {}
    Answer.objects.filter(pk=answers[1].pk).update(accept_at=clock.now())
    jobs.accept()
    assert figures_of(made, wes) == {"total": 1, "accepted": 1, "rejected": 0, "rejected_share": 0}
    Decision.objects.update(contestable_until=clock.now())
    assert figures_of(made, wes) == {"total": 2, "accepted": 1, "rejected": 1, "rejected_share": 0.5}


def test_a_rejection_that_is_contested_is_final_when_the_appeal_is_dismissed():
    here, wes = batch(), work.worker()
    answer = work.work(wes, here).answers.select_related("task", "batch")[0]
    appeal = appeals.contest(decisions.reject(answer, make.user("rita"), "wrong", "No.", refill=False), wes, "Yes.")
    Decision.objects.update(contestable_until=clock.now())
    made = rule(here.project, "acceptance", [when("rejected", "GreaterThan", 0)], on=False)
    assert figures_of(made, wes) == {}
    appeals.dismiss(appeal, make.user("ada", staff=True), "No.")
    assert figures_of(made, wes)["rejected"] == 1


def test_answers_are_counted_in_this_project_alone():
    here, wes = batch(gold_share=0.0), work.worker()
    work.work(wes, work.published())
    work.work(wes, here)
    made = rule(here.project, "answers", [when("total", "GreaterThanOrEqualTo", 2)], on=False)
    assert figures_of(made, wes) == {"total": 3}


def test_a_page_is_fast_by_its_active_seconds_or_where_none_were_told_by_all_of_them():
    here, wes = batch(), work.worker()
    pages = [work.work(wes, here) for _ in range(3)]
    at = clock.now()
    Assignment.objects.filter(pk=pages[0].pk).update(active_s=30)
    Assignment.objects.filter(pk=pages[1].pk).update(active_s=3)
    Assignment.objects.filter(pk=pages[2].pk).update(active_s=0, claimed_at=at - timedelta(minutes=2), submitted_at=at)
    made = rule(here.project, "speed", [when("fast_share", "GreaterThan", 0.5)], on=False, measure={"fast_s": 2})
    found = figures_of(made, wes)
    assert (found["total"], found["fast"]) == (3, 1)


def test_skipped_tasks_are_counted_in_a_row_across_pages_that_are_over():
    here, wes = batch(items=12), work.worker()
    work.work(wes, here)
    for _ in range(2):
        page = assignments.claim(wes, here.project)
        for position in range(3):
            page = assignments.skip(page, position)
    made = rule(here.project, "skips", [when("in_row", "GreaterThan", 4)], on=False)
    assert figures_of(made, wes) == {"total": 9, "in_row": 6}
    work.work(wes, here)
    assert figures_of(made, wes)["in_row"] == 0


def test_failed_attempts_at_the_practice_are_counted():
    here, wes = batch(practice_size=2), work.worker()
    work.practise(wes, here.project, "cat")
    work.practise(wes, here.project, "owl")
    made = rule(here.project, "practice", [when("failed", "GreaterThan", 0)], on=False)
    assert figures_of(made, wes) == {"total": 2, "failed": 1}


def test_failed_attempts_at_the_exam_are_counted():
    here, wes = batch(gold=6, exam_size=2, exam_pass_mark=1.0, exam_attempts=3, exam_cooldown_s=0), work.worker()
    for animal in ("cat", "owl"):
        work.answer(training.sit(wes, here.project), default=animal)
    made = rule(here.project, "exam", [when("failed", "GreaterThan", 0)], on=False)
    assert figures_of(made, wes) == {"total": 2, "failed": 1}
