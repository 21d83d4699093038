"""What aggregators cost: those who have none, and those whose labels are many."""

import pytest

from tasks import consensus, consolidations, jobs
from tasks.consolidations import looking
from tasks.models import (
    Answer,
    Batch,
    Task,
)
from tests.tasks import work
from tests.tasks.aggregated import answered, made, named, sweep, values

pytestmark = pytest.mark.django_db


def test_projects_without_one_pay_one_small_query(django_assert_num_queries):
    batch = made()

    def tasks():
        raise AssertionError("nobody asked")
        yield

    with django_assert_num_queries(1):
        assert consolidations.of(batch, tasks()) == {}


def test_what_was_said_is_one_query_however_many_tasks(there, django_assert_num_queries):
    batch = work.published(items=9, page_size=9)
    answered(batch, ann="cat", ben="cat")
    named(batch, there.url)
    sweep()
    tasks = list(values())
    with django_assert_num_queries(2):
        found = consolidations.of(batch, tasks)
    assert found == {task: {"animal": ("owl", 0.9)} for task in values()}
    assert consolidations.of(batch, list(values())[:1]).keys() == set(list(values())[:1])


def test_labels_are_made_anew_when_all_is_said_and_not_after_every_call(there, settings, monkeypatch):
    batch = work.published(items=4, page_size=4)
    answered(batch, ann="cat", ben="cat")
    named(batch, there.url)
    settings.AGGREGATOR_TASKS_AT_ONCE = 1
    wanted = []
    for _ in range(5):
        jobs.consolidate()
        wanted.append(Batch.objects.filter(pk=batch.pk, touched_at__isnull=False).exists())
        consensus.update(batch)
    assert wanted == [True, False, False, True, False]


def test_the_digest_in_python_is_the_one_of_the_database():
    batch = made()
    for task in Task.objects.filter(batch=batch).annotate(now=looking.digest("pk")):
        answers = list(Answer.objects.counted().filter(task=task).order_by("pk").values_list("pk", flat=True))
        assert looking.digest_of(answers) == task.now
    assert looking.digest_of([]) == ""
