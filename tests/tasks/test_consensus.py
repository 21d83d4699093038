from contextlib import suppress
from datetime import timedelta

import pytest

from tasks import assignments, consensus, jobs
from tasks.errors import NoTaskAvailable
from tasks.models import Assignment, Batch, Consensus, ConsensusChange, Evidence, Gold, Task
from tests.tasks import work

pytestmark = pytest.mark.django_db

MIXED = {
    "fields": [
        {"name": "animal", "type": "choice", "options": ["cat", "dog", "owl"]},
        {"name": "legs", "type": "number", "integer": True, "min": 0},
        {"name": "mood", "type": "choice", "options": ["calm", "wild"], "truth": "perspective"},
    ]
}


def crowd(batch, **animals):
    """Each of these people does all the work of a batch, answering one animal."""
    for name, animal in animals.items():
        work.work_all(work.worker(name), batch, animal)


def test_a_label_has_posterior_support_method_and_version():
    batch = work.published(items=3)
    crowd(batch, ann="dog", ben="dog")
    jobs.update_consensus()
    row = Consensus.objects.first()
    assert (row.value, row.code, row.support) == ("dog", 1, 2)
    assert row.method
    assert row.version
    assert len(row.posterior) == 3
    assert sum(row.posterior) == pytest.approx(1, abs=1e-5)
    assert row.confidence == pytest.approx(max(row.posterior))
    assert row.confidence < 1
    assert Consensus.objects.count() == 3


def test_a_single_answer_is_a_label_of_which_nobody_knows_how_sure_it_is():
    batch = work.published(items=1, page_size=1, schema=MIXED)
    lease = assignments.claim(work.worker("ann"), batch.project)
    assignments.submit(lease, {0: {"animal": "cat", "legs": 4, "mood": "calm"}})
    jobs.update_consensus()
    rows = {row.field: (row.value, row.confidence, row.support) for row in Consensus.objects.all()}
    assert rows == {"animal": ("cat", None, 1), "legs": (4, None, 1), "mood": ("calm", None, 1)}


def test_labels_are_no_surer_than_gold_shows_them_to_be_right():
    """All take every third thing of gold for another: they may agree as they like about the rest."""
    batch = work.published(items=30, gold=30, gold_share=0.5, redundancy_min=4, redundancy_max=4, page_size=10)
    known = set(Gold.objects.filter(task__isnull=False).values_list("task", flat=True))
    for name in ("ann", "ben", "cleo", "dora"):
        with suppress(NoTaskAvailable):
            while lease := assignments.claim(work.worker(name), batch.project):
                seats = lease.answers.values_list("position", "task")
                is_owl = {position: task in known and task % 3 > 0 for position, task in seats}
                assignments.submit(lease, {at: {"animal": "owl" if owl else "dog"} for at, owl in is_owl.items()})
    jobs.update_consensus()
    sure = Consensus.objects.filter(task__gold=None).values_list("confidence", flat=True)
    assert 0.4 < min(sure) <= max(sure) < 0.95  # and not 0.9999, as their agreement alone would be


def test_a_task_closes_when_all_that_may_be_bought_is_in():
    batch = work.published(items=3, redundancy_min=2, redundancy_max=2, target_confidence=0.9999)
    crowd(batch, ann="dog", ben="cat")
    jobs.update_consensus()
    assert set(Task.objects.values_list("state", flat=True)) == {"closed"}


def test_a_sure_task_stops_early():
    batch = work.published(items=9, gold=8, gold_share=0.4, redundancy_min=2, redundancy_max=4, target_confidence=0.9)
    crowd(batch, ann="owl", ben="owl")
    consensus.update(batch)
    assert set(Task.objects.filter(gold=None).values_list("state", "bought")) == {("closed", 2)}


def test_two_who_disagree_are_not_enough():
    batch = work.published(items=3, redundancy_min=2, redundancy_max=3)
    crowd(batch, ann="dog", ben="cat")
    jobs.update_consensus()
    assert set(Task.objects.values_list("state", "bought")) == {("open", 3)}
    crowd(batch, cleo="cat")
    batch.refresh_from_db()
    consensus.update(batch)
    assert set(Task.objects.values_list("state", "bought")) == {("closed", 3)}
    assert set(Consensus.objects.values_list("value", flat=True)) == {"cat"}


def test_answers_that_arrive_are_weighed_in_the_next_run_and_no_row_is_written_twice():
    batch = work.published(items=3, redundancy_min=1, redundancy_max=3)
    crowd(batch, ann="dog")
    consensus.update(batch)
    first = dict(Consensus.objects.values_list("task", "updated_at"))
    consensus.update(batch)
    assert dict(Consensus.objects.values_list("task", "updated_at")) == first


def test_a_label_that_changes_leaves_its_history_and_new_evidence():
    batch = work.published(items=2, page_size=2, redundancy_min=3, redundancy_max=3)
    crowd(batch, ann="dog")
    consensus.update(batch)
    crowd(batch, ben="cat", cleo="cat")
    consensus.update(batch)
    assert set(Consensus.objects.values_list("value", flat=True)) == {"cat"}
    assert set(ConsensusChange.objects.values_list("value", "support")) == {("dog", 1)}
    judged = dict(Evidence.objects.filter(void=None).values_list("worker__user__email", "correct"))
    assert judged["ben@example.org"] > 0.5 > judged["ann@example.org"]


def test_every_field_is_merged_by_its_own_rule():
    batch = work.published(items=1, page_size=1, schema=MIXED, redundancy_min=3, redundancy_max=3)
    for name, legs, mood in (("ann", 4, "calm"), ("ben", 4, "wild"), ("cleo", 2, "wild")):
        lease = assignments.claim(work.worker(name), batch.project)
        assignments.submit(lease, {0: {"animal": "cat", "legs": legs, "mood": mood}})
    jobs.update_consensus()
    rows = {row.field: row for row in Consensus.objects.all()}
    assert {name: row.value for name, row in rows.items()} == {"animal": "cat", "legs": 4, "mood": "wild"}
    assert rows["mood"].posterior == pytest.approx([1 / 3, 2 / 3])
    assert rows["mood"].method == "shares"


def test_disagreement_about_a_perspective_is_no_evidence_against_anyone():
    schema = {
        "fields": [{"name": "animal", "type": "choice", "options": ["cat", "dog", "owl"], "truth": "perspective"}]
    }
    batch = work.published(items=3, schema=schema)
    crowd(batch, ann="dog", ben="cat")
    jobs.update_consensus()
    assert set(Task.objects.values_list("state", flat=True)) == {"closed"}
    assert not Evidence.objects.exists()


def test_only_batches_with_new_answers_are_weighed_again():
    batch = work.published(items=3)
    crowd(batch, ann="dog")
    assert [each.pk for each in consensus.waiting()] == [batch.pk]
    consensus.update(batch)
    Assignment.objects.update(submitted_at=batch.published_at - timedelta(minutes=5))
    Batch.objects.update(consensus_s=0)
    assert list(consensus.waiting()) == []
