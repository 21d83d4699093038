from collections import Counter

import pytest

from tasks import assignments, evidence, gold, jobs, terms, training
from tasks.errors import NoAttemptLeft, PracticePassed
from tasks.models import Answer, Assignment, Evidence, Gold, Task
from tests.tasks import work
from workers.models import Grant, Reliability

pytestmark = pytest.mark.django_db


def test_gold_is_set_apart_for_practice_and_for_hiding_and_has_no_seats():
    batch = work.published(items=5, gold=10, practice_size=3, gold_share=0.2)
    assert Gold.objects.filter(purpose="practice").count() == 6
    assert Gold.objects.filter(purpose="hidden").count() == 4
    assert not Task.objects.filter(gold__isnull=False, bought__gt=0).exists()
    assert batch.items == 0 or batch.tasks.filter(gold=None).count() == 5


def test_practice_shows_what_was_right_and_grants_access_at_the_pass_mark():
    batch = work.published(gold=4, practice_size=2, pass_mark=1.0)
    wes = work.worker()
    lease = training.start(wes, batch.project)
    assert training.start(wes, batch.project).pk == lease.pk
    shown = training.feedback(work.answer(lease, "owl", "owl"))
    assert (shown.score, shown.passed) == (1.0, True)
    assert shown.answers[0].right == {"animal": True}
    assert training.status(wes, batch.project) == "passed"
    assert assignments.claim(wes, batch.project).answers.count() == 3
    with pytest.raises(PracticePassed):
        training.start(wes, batch.project)


def test_a_failed_practice_explains_and_attempts_are_bounded(settings):
    settings.PRACTICE_ATTEMPTS = 2
    batch = work.published(gold=4, practice_size=2, pass_mark=0.8)
    wes = work.worker()
    shown = training.feedback(work.practise(wes, batch.project, "cat"))
    assert (shown.score, shown.passed, shown.attempts_left) == (0.0, False, 1)
    assert shown.answers[0].truth == {"animal": "owl"}
    assert not Grant.objects.exists()
    work.practise(wes, batch.project, "cat")
    assert training.status(wes, batch.project) == "failed"
    with pytest.raises(NoAttemptLeft):
        training.start(wes, batch.project)


def test_a_second_attempt_draws_what_was_seen_least():
    batch = work.published(gold=4, practice_size=2)
    wes = work.worker()
    first = work.practise(wes, batch.project, "cat")
    second = training.start(wes, batch.project)
    assert not set(first.answers.values_list("task", flat=True)) & set(second.answers.values_list("task", flat=True))


def test_practice_is_not_paid_and_leaves_no_evidence():
    batch = work.published(gold=4, practice_size=2)
    work.practise(work.worker(), batch.project)
    work.sweep()
    assert not Evidence.objects.exists()
    assert not Answer.objects.exclude(price_micros=0).exists()


def test_hidden_gold_moves_reliability_and_looks_like_any_other_task():
    batch = work.published(items=30, gold=20, gold_share=0.3, page_size=10)
    wes = work.worker()
    lease = assignments.claim(wes, batch.project)
    golden = lease.answers.filter(to_grade=True)
    assert golden.exists()
    shown = assignments.pages(lease)
    assert {frozenset(task) for task in shown} == {frozenset(["position", "payload", "state", "value"])}
    assert len(set(lease.answers.values_list("price_micros", flat=True))) == 1
    work.answer(lease, default="owl")
    while jobs.grade():
        pass
    graded = Evidence.objects.filter(kind="gold")
    assert graded.count() == lease.answers.filter(task__gold__isnull=False).count()
    score = Reliability.objects.get(worker=wes)
    assert score.correct == score.judged == pytest.approx(graded.count(), abs=1e-4)
    assert score.accuracy_p05 < score.accuracy < score.accuracy_p95
    assert sum(Gold.objects.values_list("served", flat=True)) == graded.count()
    assert not Gold.objects.filter(missed__gt=0).exists()


def test_gold_has_the_payload_the_pay_the_delay_and_any_place_of_work():
    terms = {"gold_share": 0.2, "page_size": 5, "redundancy_min": 40, "redundancy_max": 40, "accept_after_s": 0}
    batch = work.published(items=10, gold=20, **terms)
    places = Counter()
    for number in range(40):
        lease = work.work(work.worker(f"worker{number}"), batch, "owl")
        places.update(lease.answers.filter(task__gold__isnull=False).values_list("position", flat=True))
        shown = assignments.pages(lease)
        assert {frozenset(task["payload"]) for task in shown} == {frozenset(["text"])}
        assert [task["position"] for task in shown] == list(range(5))
    assert set(places) == set(range(5)), places  # one of them missing: once in ten million times
    work.sweep()
    for told in ("state", "price_micros", "fee_micros", "self_selected"):
        assert len(set(Answer.objects.values_list(told, flat=True))) == 1
    for lease in Assignment.objects.all():
        for told in ("submitted_at", "accept_at", "entry"):
            assert len(set(lease.answers.values_list(told, flat=True))) == 1


def test_gold_is_never_served_twice_to_the_same_person_and_stays_within_what_was_bought():
    batch = work.published(items=40, gold=6, gold_share=0.5, page_size=4)
    wes = work.worker()
    for _ in range(10):
        work.work(wes, batch)
    tasks = list(Answer.objects.filter(task__gold__isnull=False).values_list("task", flat=True))
    assert len(tasks) == len(set(tasks)) == 6
    batch.refresh_from_db()
    assert batch.gold_taken <= batch.gold_bought


def test_the_draw_is_the_same_when_asked_again():
    batch = work.published(items=30, gold=20, gold_share=0.3)
    agreed, wes = terms.of(batch.pk), work.worker()
    assert gold.due(agreed, wes.pk, 0, 10) == gold.due(agreed, wes.pk, 0, 10)


def test_reliability_equals_a_count_from_scratch():
    batch = work.published(items=12, gold=8, gold_share=0.3)
    for name in ("ann", "ben", "cat"):
        work.work(work.worker(name), batch, "owl")
    work.sweep()
    before = list(Reliability.objects.order_by("pk").values_list("worker", "correct", "judged", "accuracy"))
    evidence.recount(batch.project)
    after = list(Reliability.objects.order_by("pk").values_list("worker", "correct", "judged", "accuracy"))
    assert [row[:3] for row in before] == [pytest.approx(row[:3]) for row in after]
