import random
from datetime import timedelta

import numpy as np
import pytest
from django.db import connection

from marketplace.core import clock
from tasks import assignments, audit, evidence, gold, jobs
from tasks.models import Answer, Evidence
from tests.tasks import work
from workers import confusions, reliability, scoring
from workers.models import Confusion, OverallReliability, Reliability

pytestmark = pytest.mark.django_db

CLASSES = ["cat", "dog", "owl"]
FIGURES = ("correct_sum", "judged_sum", "correct", "judged", "accuracy", "accuracy_p05", "accuracy_p95")


def derived():
    """All that is derived from evidence, to compare."""
    rows = {
        ("project", row.worker_id, row.project_id): [getattr(row, name) for name in FIGURES]
        for row in Reliability.objects.all()
    }
    rows |= {
        ("overall", row.worker_id): [getattr(row, name) for name in FIGURES] for row in OverallReliability.objects.all()
    }
    for row in Confusion.objects.all():
        table = np.array(row.counts).reshape(len(row.classes), -1)
        rows |= {
            ("confusion", row.worker_id, row.project_id, row.field, truth, answer): [table[i, j]]
            for i, truth in enumerate(row.classes)
            for j, answer in enumerate(row.classes)
            if table[i, j]
        }
    return rows


def assert_counts_from_scratch(*projects):
    for model in (Reliability, OverallReliability):  # drawn towards a crowd that has changed since
        model.objects.update(scored_at=clock.now() - timedelta(days=2))
    jobs.rescore()
    before = derived()
    for project in projects:
        evidence.recount(project)
    after = derived()
    assert before.keys() == after.keys()
    for key in before:
        assert before[key] == pytest.approx(after[key], rel=1e-6, abs=1e-9), key


def answers_of(name, batch, count=3):
    """Answers of a person that nothing was said of yet."""
    worker = work.worker(name)
    while worker.answers.filter(batch=batch).count() < count:
        work.work(worker, batch)
    return list(worker.answers.filter(batch=batch).select_related("batch__project").order_by("pk")[:count])


def age(piece, days):
    """Let a piece of evidence be so old, as if it had been told then."""
    with connection.cursor() as sql:
        sql.execute("SET CONSTRAINTS ALL IMMEDIATE")
        sql.execute("ALTER TABLE tasks_evidence DISABLE TRIGGER tasks_evidence_append_only")
        sql.execute(
            "UPDATE tasks_evidence SET created_at = created_at - %s * interval '1 day' WHERE id = %s", [days, piece.pk]
        )
        sql.execute("ALTER TABLE tasks_evidence ENABLE TRIGGER tasks_evidence_append_only")
    evidence.recount(piece.project)


def test_old_evidence_weighs_half_after_a_half_life(settings):
    settings.RELIABILITY_HALF_LIFE_DAYS = 10
    batch = work.published()
    old, new, _ = answers_of("wes", batch)
    evidence.add("review", [(old, 0.0), (new, 1.0)])
    score = Reliability.objects.get()
    assert (score.judged, score.correct) == (pytest.approx(2, abs=1e-4), pytest.approx(1, abs=1e-4))
    age(Evidence.objects.get(answer=old), 10)
    score.refresh_from_db()
    assert (score.judged, score.correct) == (pytest.approx(1.5, abs=1e-4), pytest.approx(1, abs=1e-4))
    age(Evidence.objects.get(answer=old), 190)
    score.refresh_from_db()
    assert (score.judged, score.correct) == (pytest.approx(1, abs=1e-4), pytest.approx(1, abs=1e-4))


def test_a_score_that_is_a_day_old_is_asked_again_and_knows_less():
    batch = work.published()
    evidence.add("review", [(answer, 1.0) for answer in answers_of("wes", batch, 5)])
    before = Reliability.objects.get()
    for model in (Reliability, OverallReliability):
        model.objects.update(scored_at=clock.now() - timedelta(days=2))
    Reliability.objects.update(judged=99, accuracy_p95=1)
    assert not jobs.rescore()
    after = Reliability.objects.get()
    assert after.judged == pytest.approx(before.judged, abs=1e-4)
    assert after.accuracy_p95 == pytest.approx(before.accuracy_p95, abs=1e-4)
    assert after.scored_at > before.scored_at
    assert OverallReliability.objects.get().scored_at > before.scored_at
    jobs.rescore()
    assert Reliability.objects.get().scored_at == after.scored_at


def test_another_half_life_is_counted_anew_by_the_sweep_and_by_what_comes_next(settings):
    batch = work.published()
    first, second, third = answers_of("wes", batch)
    evidence.add("review", [(first, 1.0)])
    settings.RELIABILITY_HALF_LIFE_DAYS = 30
    evidence.add("review", [(second, 1.0)])
    assert Reliability.objects.get().half_life_days == 30
    assert Reliability.objects.get().judged == pytest.approx(2, abs=1e-4)
    settings.RELIABILITY_HALF_LIFE_DAYS = 60
    jobs.rescore()
    assert Reliability.objects.get().half_life_days == OverallReliability.objects.get().half_life_days == 60
    assert audit.check() == []
    evidence.add("review", [(third, 0.0)])
    assert_counts_from_scratch(batch.project)


def test_sums_of_before_this_existed_are_counted_by_the_sweep():
    batch = work.published()
    evidence.add("review", [(answers_of("wes", batch)[0], 1.0)])
    Reliability.objects.update(correct_sum=0, judged_sum=0, half_life_days=0)
    OverallReliability.objects.all().delete()
    jobs.rescore()
    assert Reliability.objects.get().judged == pytest.approx(1, abs=1e-4)
    assert OverallReliability.objects.get().judged == pytest.approx(1, abs=1e-4)


def test_over_all_projects_a_worker_is_the_sum_of_what_they_are_in_each():
    here, there = work.published(), work.published()
    evidence.add("review", [(answers_of("wes", here)[0], 1.0), (answers_of("wes", there)[0], 0.0)])
    overall = OverallReliability.objects.get(worker=work.worker())
    assert (overall.judged, overall.correct) == (pytest.approx(2, abs=1e-4), pytest.approx(1, abs=1e-4))
    assert overall.accuracy_p05 < overall.accuracy < overall.accuracy_p95
    evidence.void(Evidence.objects.filter(project=there.project), "a test")
    overall.refresh_from_db()
    assert (overall.judged, overall.correct) == (pytest.approx(1, abs=1e-4), pytest.approx(1, abs=1e-4))
    assert_counts_from_scratch(here.project, there.project)


def test_speed_is_shown_and_never_weighs():
    batch = work.published()
    evidence.add("speed", [(answers_of("wes", batch)[0], 0.0)])
    assert Evidence.objects.get().kind == "speed"
    assert not Reliability.objects.exists()
    evidence.void(Evidence.objects.all(), "a test")
    evidence.recount(batch.project)
    assert not Reliability.objects.exists()


def test_confusions_say_what_is_answered_where_each_class_is_right_and_are_taken_back_exactly():
    batch = work.published(items=20, gold=20, gold_share=0.5, page_size=10)
    wes = work.worker()
    work.work(wes, batch, "cat")  # gold is owls
    work.work(work.worker("ann"), batch, "owl")
    jobs.grade()
    given = wes.answers.filter(task__gold__isnull=False).count()
    counts = confusions.counts(batch.project, "animal", CLASSES)
    assert counts[wes.pk][2] == pytest.approx([given, 0, 0], abs=1e-3)
    assert counts[work.worker("ann").pk][2, 2] > 0
    mine = confusions.of(batch.project, "animal", CLASSES)[wes.pk]
    np.testing.assert_allclose(mine.sum(axis=1), 1)
    assert mine[2, 0] == mine[2].max()
    assert_counts_from_scratch(batch.project)
    evidence.void(Evidence.objects.filter(worker=wes), "a test")
    assert not confusions.counts(batch.project, "animal", CLASSES)[wes.pk].any()
    assert_counts_from_scratch(batch.project)


def test_consensus_tells_confusions_by_its_posterior():
    batch = work.published(items=6, redundancy_min=3, redundancy_max=3)
    for name, animal in (("ann", "dog"), ("ben", "dog"), ("cleo", "cat")):
        work.work_all(work.worker(name), batch, animal)
    jobs.update_consensus()
    table = confusions.counts(batch.project, "animal", CLASSES)[work.worker("cleo").pk]
    assert table[1, 0] > table[0, 0]
    assert table.sum() == pytest.approx(6, abs=0.2)
    assert_counts_from_scratch(batch.project)


def test_a_class_that_came_later_finds_its_place():
    batch = work.published()
    wes = work.worker().pk
    confusions.add(batch.project, {(wes, "size"): {("big", "small"): 1.0}})
    confusions.add(batch.project, {(wes, "size"): {("tiny", "small"): 2.0, ("big", "big"): 1.0}})
    table = confusions.counts(batch.project, "size", ["tiny", "small", "big", "huge"])[wes]
    assert table.tolist() == [
        pytest.approx([0, 2, 0, 0], abs=1e-3), [0, 0, 0, 0], pytest.approx([0, 1, 1, 0], abs=1e-3), [0, 0, 0, 0]
    ]  # fmt: skip
    confusions.add(batch.project, {(wes, "size"): {("tiny", "small"): -2.0, ("big", "small"): -1, ("big", "big"): -1}})
    Confusion.objects.all().delete()  # for the audit: this was told without evidence


def test_gold_in_a_perspective_is_no_evidence():
    field = {"name": "animal", "type": "choice", "options": CLASSES, "truth": "perspective"}
    batch = work.published(items=10, gold=10, gold_share=0.5, page_size=5, schema={"fields": [field]})
    for _ in range(2):
        work.work(work.worker(), batch, "cat")
    assert Answer.objects.filter(to_grade=True).exists()
    jobs.grade()
    assert not Answer.objects.filter(to_grade=True).exists()
    assert not Evidence.objects.exists()
    assert gold.right({"animal": "cat"}, {"animal": "owl"}, batch.schema) == {}


def test_sets_and_free_text_are_graded_in_part_within_their_tolerance():
    schema = {
        "fields": [
            {"name": "seen", "type": "choices", "options": CLASSES, "tolerance": 0.4, **COMMON},
            {"name": "told", "type": "text", "tolerance": 0.9, "min_length": 0, "max_length": 99, **COMMON},
            {"name": "kind", "type": "choice", "options": [{"value": name} for name in CLASSES], **COMMON},
        ]
    }
    truth = {"seen": ["cat", "dog", "owl"], "told": "a black cat", "kind": "cat"}
    near = gold.shares({"seen": ["cat", "dog"], "told": "A black cat.", "kind": "cat"}, truth, schema)
    assert near == {"seen": 1.0, "told": 1.0, "kind": 1.0}
    far = gold.shares({"seen": ["cat"], "told": "a black dog", "kind": "dog"}, truth, schema)
    assert far["seen"] == pytest.approx(1 / 3)
    assert 0.5 < far["told"] < 0.9
    assert far["kind"] == 0
    assert gold.right({"seen": ["cat"]}, truth, schema) == {"seen": False, "told": False, "kind": False}


COMMON = {"truth": "factual", "required": True}


def test_any_order_of_telling_and_voiding_comes_to_a_count_from_scratch():
    rng = random.Random(4)
    batches = [work.published(items=12, page_size=6) for _ in range(2)]
    answers = [a for batch in batches for name in ("ann", "ben") for a in answers_of(name, batch, 6)]
    for _ in range(40):
        if rng.random() < 0.6:
            chosen = rng.sample(answers, 3)
            truths = {a.pk: {"animal": {str(rng.randrange(3)): 0.7}} for a in chosen}
            evidence.add(rng.choice(["gold", "consensus", "speed"]), [(a, rng.random()) for a in chosen], truths)
        else:
            pks = list(Evidence.objects.values_list("pk", flat=True))
            evidence.void(Evidence.objects.filter(pk__in=rng.sample(pks, min(2, len(pks)))), "a test")
    assert_counts_from_scratch(*(batch.project for batch in batches))


def test_a_worker_sees_each_day_that_is_over_and_a_requester_each_piece():
    batch = work.published()
    wes = work.worker()
    right, wrong, today = answers_of("wes", batch)
    evidence.add("gold", [(right, 1.0), (wrong, 0.0)])
    for piece in Evidence.objects.all():
        age(piece, 1)
    evidence.add("review", [(today, 0.0)])
    assert [day[1:] for day in evidence.days(wes, batch.project)] == [("gold", 2, 1.0, 0)]
    evidence.void(Evidence.objects.filter(answer=wrong), "a test")
    assert [day[1:] for day in evidence.days(wes, batch.project)] == [("gold", 1, 1.0, 1)]
    assert evidence.behind(wes, batch.project).count() == 3
    name = batch.project.organisation.pseudonym(wes.public_id)
    assert evidence.measured(batch.project, name) == wes
    assert evidence.measured(batch.project, "w_nobody") is None


def test_hidden_gold_gives_the_evidence_that_reliability_counts():
    batch = work.published(items=10, gold=10, gold_share=0.5, page_size=10)
    lease = assignments.claim(work.worker(), batch.project)
    work.answer(lease, default="owl")
    jobs.grade()
    assert set(Evidence.objects.values_list("correct", flat=True)) == {1.0}
    assert {str(truths) for truths in Evidence.objects.values_list("truths", flat=True)} == {"{'animal': {'2': 1.0}}"}
    assert reliability.stale() == []
    assert scoring.weight(clock.now(), 90) > 1
