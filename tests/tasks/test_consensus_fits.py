"""A batch of many answers: between two fits only what is new is weighed."""

from datetime import timedelta

import pytest

from marketplace.core import clock
from tasks import assignments, consensus, effects
from tasks.consensus import fits, rows
from tasks.models import Answer, Assignment, Batch, Consensus, Evidence, Fit, Task, Touch
from tests.tasks import work

pytestmark = pytest.mark.django_db

TERMS = {"redundancy_min": 3, "redundancy_max": 4, "target_confidence": 0.9999, "page_size": 1}

ANIMALS = ("cat", "dog", "owl")


@pytest.fixture(autouse=True)
def kept(settings):
    settings.FIT_KEPT_FROM_ANSWERS = 10


@pytest.fixture
def batch() -> Batch:
    """Forty tasks, each answered by two people, of whom one errs at times, and open to one more."""
    batch = work.published(items=40, **TERMS)
    for name, errs in (("ann", 0), ("ben", 5)):
        person = work.worker(name)
        for _ in range(40):
            lease = assignments.claim(person, batch.project)
            number = int(lease.answers.get().task.item.payload["text"].split()[1])
            work.answer(lease, ANIMALS[(number + (errs and number % errs == 0)) % 3])
    run(batch)
    return batch


def run(batch: Batch) -> None:
    """Look at it as the sweep does, some time after what was handed in before."""
    batch.refresh_from_db()
    consensus.update(batch)


def later(batch: Batch) -> None:
    """Put what there is so far into the past, as nothing was handed in for a minute."""
    past = clock.now() - timedelta(minutes=1)
    Assignment.objects.filter(submitted_at__gt=past).update(submitted_at=past)


def written() -> dict[int, object]:
    return dict(Consensus.objects.values_list("task", "updated_at"))


def fit_at() -> object:
    return Fit.objects.values_list("at", flat=True).get()


def test_only_tasks_with_new_answers_are_weighed_and_written(batch):
    later(batch)
    before, at = written(), fit_at()
    lease = work.work(work.worker("dora"), batch, "dog")
    run(batch)
    task = lease.answers.get().task_id
    assert {pk for pk, when in written().items() if when != before[pk]} == {task}
    assert Consensus.objects.get(task=task).support == 3
    assert fit_at() == at
    assert Fit.objects.get().since == 1


def test_what_comes_between_two_fits_is_weighed_as_the_next_fit_weighs_it_but_for_what_is_learned_anew(batch):
    later(batch)
    lease = work.work(work.worker("dora"), batch, "cat")
    run(batch)
    between = Consensus.objects.get(task=lease.answers.get().task_id)
    Batch.objects.update(consensus_at=None)
    run(batch)
    after = Consensus.objects.get(pk=between.pk)
    assert (between.value, between.support, between.method) == (after.value, after.support, after.method)
    assert between.posterior == pytest.approx(after.posterior, abs=0.2)


def test_tasks_are_settled_and_judged_and_answers_bought_between_two_fits(batch):
    later(batch)
    task = work.work(work.worker("dora"), batch, "owl").answers.get().task_id
    run(batch)
    assert set(Task.objects.filter(bought=4).values_list("pk", flat=True)) == {task}
    work.work_all(work.worker("emil"), batch, "dog")
    at = fit_at()
    run(batch)
    assert fit_at() == at
    assert set(Task.objects.filter(state="closed").values_list("pk", flat=True)) == {task}
    assert Evidence.objects.filter(answer__task=task).count() == Evidence.objects.count() == 4


@pytest.mark.parametrize(("answers", "is_due"), [(4, False), (5, True)])
def test_a_twentieth_more_answers_bring_the_next_fit(batch, answers, is_due):
    later(batch)
    at = fit_at()
    person = work.worker("dora")
    for _ in range(answers):
        work.work(person, batch, "dog")
    run(batch)
    assert (fit_at(), Fit.objects.get().since) == (at, answers)
    run(batch)
    assert (fit_at() > at) is is_due


def test_the_last_new_answers_have_a_fit_in_the_end(batch):
    later(batch)
    at = fit_at()
    work.work(work.worker("dora"), batch, "dog")
    run(batch)
    batch.refresh_from_db()
    assert batch.fit_due_at == at + fits.LEAST_REST
    later(batch)
    Batch.objects.update(consensus_at=clock.now(), consensus_s=0)
    assert list(consensus.waiting()) == []
    Batch.objects.update(fit_due_at=clock.now())
    assert list(consensus.waiting()) == [batch]
    run(batch)
    assert fit_at() > at
    assert Fit.objects.get().since == 0
    Batch.objects.update(consensus_at=clock.now(), consensus_s=0)
    assert list(consensus.waiting()) == []


def test_where_gold_changed_everything_is_weighed_again(batch):
    at = fit_at()
    effects.wants_consensus(batch)
    run(batch)
    assert fit_at() > at


def test_what_was_decided_about_a_task_has_that_one_weighed_again_and_the_others_with_the_next_fit(batch, monkeypatch):
    later(batch)
    at, written = fit_at(), []
    task, *_ = Task.objects.filter(batch=batch, gold=None).order_by("pk").values_list("pk", flat=True)
    Answer.objects.filter(task=task).update(state="excluded")
    effects.touch(batch, [task])
    assert [each.pk for each in consensus.waiting()] == [batch.pk]
    monkeypatch.setattr(consensus.answers, "load", noting(consensus.answers.load, written))
    run(batch)
    assert (fit_at(), Fit.objects.get().since, written) == (at, 1, [[task]])
    assert not Consensus.objects.filter(task=task).exists()
    batch.refresh_from_db()
    assert (batch.touched_at, batch.fit_due_at) == (None, at + fits.LEAST_REST)
    assert not Touch.objects.exists()


def noting(load, written):
    def noted(batch, only=None, **named):
        written.append(only)
        return load(batch, only, **named)

    return noted


def test_what_is_touched_while_others_are_weighed_is_weighed_next(batch, monkeypatch):
    later(batch)
    one, other, *_ = Task.objects.filter(batch=batch).order_by("pk").values_list("pk", flat=True)
    effects.touch(batch, [one])
    with monkeypatch.context() as meanwhile:
        note = fits.note
        meanwhile.setattr(fits, "note", lambda *given: (note(*given), effects.touch(batch, [other])))
        run(batch)
    assert set(Touch.objects.values_list("task", flat=True)) == {other}
    batch.refresh_from_db()
    assert batch.touched_at


def test_many_that_are_touched_are_weighed_in_steps(batch, monkeypatch):
    later(batch)
    monkeypatch.setattr(consensus.answers, "TOUCHED_STEP", 2)
    tasks = Task.objects.filter(batch=batch).order_by("pk").values_list("pk", flat=True)[:3]
    effects.touch(batch, tasks)
    run(batch)
    batch.refresh_from_db()
    assert (Touch.objects.count(), bool(batch.touched_at)) == (1, True)
    run(batch)
    batch.refresh_from_db()
    assert (Touch.objects.count(), batch.touched_at) == (0, None)


def test_a_run_that_dies_loses_no_answer_and_no_wish(batch, monkeypatch):
    later(batch)
    Batch.objects.update(weighed_to=clock.now() - timedelta(seconds=50))
    lease = work.work(work.worker("dora"), batch, "dog")
    Assignment.objects.filter(pk=lease.pk).update(submitted_at=clock.now() - timedelta(seconds=30))
    task = lease.answers.get().task_id
    with monkeypatch.context() as broken:
        broken.setattr(rows, "write", lambda *args, **named: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            run(batch)
    run(batch)
    assert Consensus.objects.get(task=task).support == 3
    at = fit_at()
    Batch.objects.update(consensus_at=None)
    with monkeypatch.context() as broken:
        broken.setattr(rows, "write", lambda *args, **named: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            run(batch)
    Batch.objects.update(consensus_s=0)
    assert [each.pk for each in consensus.waiting()] == [batch.pk]
    run(batch)
    assert fit_at() > at
    Batch.objects.update(consensus_s=0)
    assert list(consensus.waiting()) == []


def test_a_newcomer_is_thought_to_be_like_the_crowd(batch):
    later(batch)
    person = work.worker("dora")
    lease = assignments.claim(person, batch.project)
    before = Consensus.objects.get(task=lease.answers.get().task)
    work.answer(lease, before.value)
    run(batch)
    assert Consensus.objects.get(pk=before.pk).confidence > before.confidence


def test_few_answers_are_all_weighed_each_time(settings):
    settings.FIT_KEPT_FROM_ANSWERS = 7
    batch = work.published(items=6, redundancy_min=1, redundancy_max=2)
    work.work_all(work.worker("ann"), batch)
    run(batch)
    assert not Fit.objects.exists()
    work.work(work.worker("ben"), batch)
    run(batch)
    assert Fit.objects.get().answers == Answer.objects.count() == 9


def test_fields_without_classes_are_all_weighed_each_time():
    fields = [{"name": "animal", "type": "choice", "options": ["cat", "dog"]}, {"name": "legs", "type": "number"}]
    batch = work.published(items=12, schema={"fields": fields}, page_size=12)
    lease = assignments.claim(work.worker("ann"), batch.project)
    assignments.submit(lease, {n: {"animal": "cat", "legs": 4} for n in range(12)})
    run(batch)
    assert not Fit.objects.exists()
    assert Consensus.objects.filter(field="legs", value=4).count() == 12
