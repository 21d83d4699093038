"""Conversations and reports, written to by several at once."""

from threading import Barrier

import pytest
from django.db import IntegrityError

from marketplace import guidelines
from tasks import conversations, reports
from tasks.models import Report
from tests import make
from tests.race import race
from tests.tasks import work

pytestmark = pytest.mark.django_db(transaction=True)
PAIRS = {f"Question {n}?" for n in range(4)}


@pytest.fixture
def questions():
    project = work.published().project
    return [conversations.ask(work.worker(), project, text) for text in sorted(PAIRS)]


def in_the_guideline(project):
    return {line[4:] for line in project.guidelines.first().text.splitlines() if line.startswith("### ")}


def test_of_answers_promoted_at_once_none_is_lost(questions):
    rita = make.user("rita")
    calls = [
        lambda q=q, text=text: conversations.promote(q, rita, text, "Yes.")
        for q, text in zip(questions, sorted(PAIRS), strict=True)
    ]
    versions = [guideline.version for guideline in race(*calls)]
    assert sorted(versions) == [1, 2, 3, 4]
    assert in_the_guideline(questions[0].project) == PAIRS


def test_control_reading_the_guideline_before_it_is_locked_loses_answers(questions):
    project, rita, all_have_read = questions[0].project, make.user("rita"), Barrier(4)

    def naive(text):
        last = project.guidelines.first()
        all_have_read.wait(10)
        return guidelines.write(
            project.__class__.objects.get(pk=project.pk),
            rita,
            conversations.with_pair(last.text if last else "", text, "Yes."),
        )

    race(*[lambda text=text: naive(text) for text in sorted(PAIRS)])
    assert in_the_guideline(project) < PAIRS


def test_a_double_click_reports_once(questions):
    worker, project = questions[0].worker, questions[0].project
    made = race(*[lambda: reports.report(worker.user, "other", "Look.", project=project)] * 4)
    assert len({report.pk for report in made}) == Report.objects.count() == 1


def test_control_looking_before_reporting_meets_the_constraint(questions):
    worker, project, all_have_looked = questions[0].worker, questions[0].project, Barrier(4)

    def naive():
        found = Report.objects.filter(reporter=worker.user, project=project).first()
        all_have_looked.wait(10)
        return found or Report.objects.create(
            reporter=worker.user, project=project, reason_code="other", reported_at=questions[0].opened_at
        )

    assert sum(isinstance(made, IntegrityError) for made in race(*[naive] * 4)) == 3
