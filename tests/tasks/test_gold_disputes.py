import random
from contextlib import suppress

import pytest
from django.db import IntegrityError, connection, transaction

from marketplace.core.errors import Forbidden, IllegalMove, Invalid, NotFound
from marketplace.models import Item
from tasks import assignments, decisions, evidence, gold_disputes, jobs
from tasks.models import Answer, Batch, Consensus, Decision, Evidence, EvidenceVoid, Gold, GoldChange, GoldContest
from tests import make
from tests.tasks import work
from tests.tasks.test_evidence import assert_counts_from_scratch
from workers import qualifications
from workers.models import Grant, Notice, OverallReliability, Reliability

pytestmark = pytest.mark.django_db

NAMES = ["ann", "ben", "cleo", "dan", "eve", "fay"]


def crowd(batch, names=NAMES, animal="cat"):
    """Each of these people does all the work there is, answering one animal; gold says "owl"."""
    for name in names:
        work.work_all(work.worker(name), batch, animal)
    while jobs.grade():
        pass


def good_crowd(batch, names=NAMES):
    """People known to be good: much else was found right."""
    for name in names:
        worker = work.worker(name)
        work.work_all(worker, batch, "owl")
        answers = worker.answers.filter(batch=batch, task__gold=None).select_related("batch__project")
        evidence.add("review", [(answer, 1.0) for answer in answers])
    while jobs.grade():
        pass


def a_batch(**terms):
    terms = {"redundancy_min": 20, "redundancy_max": 20, "gold_share": 0.4, "page_size": 10, **terms}
    return work.published(items=30, gold=8, **terms)


def spoil(row, truth="dog"):
    """Let a piece of gold be wrong."""
    Gold.objects.filter(pk=row.pk).update(truth={"animal": truth})
    Item.objects.filter(pk=row.task.item_id).update(truth={"animal": truth})
    row.refresh_from_db()


def test_gold_that_good_workers_miss_in_the_same_way_is_quarantined_by_itself_and_the_requester_told():
    batch = a_batch()
    wrong, *right = Gold.objects.order_by("pk")
    spoil(wrong)
    good_crowd(batch)
    assert not jobs.suspect_gold()
    wrong.refresh_from_db()
    assert (wrong.state, wrong.missed) == ("quarantined", wrong.served)
    assert wrong.wrong > 0.5
    assert not Gold.objects.filter(pk__in=[row.pk for row in right]).exclude(state="active").exists()
    assert not Gold.objects.filter(to_look=True).exists()
    told = Notice.objects.get(kind="gold.quarantined")
    assert told.user == batch.published_by
    assert told.link == f"/projects/{batch.project.public_id}/gold/"
    assert f"Missed by {wrong.served} of {wrong.served}" in told.text
    change = GoldChange.objects.get()
    assert (change.was, change.now, change.by, change.served) == ("active", "quarantined", None, wrong.served)
    assert not Evidence.objects.filter(answer__task=wrong.task_id, void=None).exists()
    assert_counts_from_scratch(batch.project)
    jobs.suspect_gold()
    assert Notice.objects.filter(kind="gold.quarantined").count() == 1


def test_gold_that_those_who_guess_miss_is_left_alone():
    batch = a_batch()
    crowd(batch, animal="cat")  # always the same, and always wrong
    jobs.suspect_gold()
    assert set(Gold.objects.values_list("state", flat=True)) == {"active"}


def test_what_is_in_doubt_is_not_served_and_what_was_out_says_nothing_of_anybody():
    batch = a_batch()
    rows = list(Gold.objects.order_by("pk"))
    lease = assignments.claim(work.worker(), batch.project)
    held = Gold.objects.filter(task__answers__assignment=lease).first()
    gold_disputes.quarantine(held, "Look at the ears.", make.user("rita"))
    work.answer(lease, default="cat")
    work.work_all(work.worker("ann"), batch)
    while jobs.grade():
        pass
    assert not work.worker("ann").answers.filter(task=held.task_id).exists()
    assert not Evidence.objects.filter(answer__task=held.task_id).exists()
    held.refresh_from_db()
    assert (held.served, held.missed) == (1, 1)
    assert len(rows) == 8


def test_it_is_served_again_once_a_person_says_it_is_right_and_what_was_void_stays_void():
    batch = a_batch()
    rita, row = make.user("rita"), Gold.objects.order_by("pk")[0]
    spoil(row)
    good_crowd(batch)
    jobs.suspect_gold()
    row.refresh_from_db()
    restored = gold_disputes.reinstate(row, rita, "It is a dog; look at the ears.")
    assert (restored.state, restored.contested, restored.wrong) == ("active", 0, 0)
    assert not Evidence.objects.filter(answer__task=row.task_id, void=None).exists()
    Gold.objects.filter(pk=row.pk).update(to_look=True)
    jobs.suspect_gold()  # what came before is no doubt any more
    row.refresh_from_db()
    assert row.state == "active"
    work.work_all(work.worker("zoe"), batch, "dog")
    while jobs.grade():
        pass
    assert Evidence.objects.filter(answer__task=row.task_id, void=None, correct=1).count() == 1
    assert_counts_from_scratch(batch.project)


def test_overturned_gold_gives_the_item_its_truth_and_never_comes_back():
    a_batch()
    rita = make.user("rita")
    first, second = Gold.objects.order_by("pk")[:2]
    with pytest.raises(Invalid):
        gold_disputes.overturn(first, rita, "It is no owl.", {"animal": "horse"})
    with pytest.raises(Invalid):
        gold_disputes.overturn(first, rita, " ", {"animal": "cat"})
    gold_disputes.overturn(first, rita, "It is a cat.", {"animal": "cat"})
    gold_disputes.overturn(second, rita, "Nobody can tell.")
    first.refresh_from_db()
    assert (first.state, first.truth) == ("overturned", {"animal": "cat"})
    assert Item.objects.get(pk=first.task.item_id).truth == {"animal": "cat"}
    assert Item.objects.get(pk=second.task.item_id).truth is None
    assert set(GoldChange.objects.values_list("truth", flat=True).distinct()[:1][0].values()) == {"owl"}
    with pytest.raises(IllegalMove):
        gold_disputes.reinstate(first, rita, "After all.")
    with pytest.raises(Forbidden):
        gold_disputes.overturn(Gold.objects.order_by("pk")[2], make.user("sam"), "No.")


def test_quarantined_gold_is_no_longer_known_to_consensus_and_labels_are_computed_again():
    batch = a_batch(redundancy_min=3, redundancy_max=3)
    crowd(batch, ["ann", "ben", "cleo"], "cat")
    jobs.update_consensus()
    row = Gold.objects.filter(served__gt=0).order_by("pk")[0]
    assert not Consensus.objects.filter(task=row.task_id).exists()
    Batch.objects.filter(pk=batch.pk).update(consensus_s=0)
    for each in Gold.objects.filter(served__gt=0):
        gold_disputes.quarantine(each, "Look.", make.user("rita"))
    before = dict(Consensus.objects.values_list("task", "confidence"))
    jobs.update_consensus()
    assert Consensus.objects.get(task=row.task_id).value == "cat"  # shown beside the doubt
    after = dict(Consensus.objects.filter(task__gold=None).values_list("task", "confidence"))
    assert all(after[task] > before[task] for task in before)  # these people are wrong about nothing any more
    assert not Evidence.objects.filter(answer__task__gold__isnull=False, void=None).exists()
    batch.refresh_from_db()
    assert batch.consensus_at


def practised(name, batch):
    work.practise(work.worker(name), batch.project, "cat")
    return work.worker(name).answers.filter(attempt__gt=0).order_by("pk")


def test_several_who_contest_what_practice_showed_put_it_in_quarantine(settings):
    settings.GOLD_CONTESTED_MOST = 2
    batch = work.published(gold=2, practice_size=2)
    row = Gold.objects.order_by("pk")[0]
    for name in ("ann", "ben"):
        answer = practised(name, batch).get(task=row.task_id)
        made = gold_disputes.contest(work.worker(name), answer, "It is a cat.")
        assert gold_disputes.contest(work.worker(name), answer, "Again.") == made
    assert GoldContest.objects.count() == 2
    row.refresh_from_db()
    assert (row.contested, row.to_look, row.state) == (2, True, "active")
    jobs.suspect_gold()
    row.refresh_from_db()
    assert row.state == "quarantined"
    assert "2 workers say it is wrong" in GoldChange.objects.get().reason


def test_nobody_learns_by_contesting_what_is_hidden_gold():
    batch = a_batch()
    wes = work.worker()
    work.work(wes, batch)
    while jobs.grade():
        pass
    for answer in wes.answers.all():
        with pytest.raises(NotFound):
            gold_disputes.contest(wes, answer, "It is a cat.")
    told = Evidence.objects.filter(worker=wes)
    decisions.decide(
        Decision.Kind.STOP, wes, project=batch.project, by=make.user("rita"), reason_code="wrong", reason="Missed.",
        evidence=told,
    )  # fmt: skip
    answer = told[0].answer
    assert gold_disputes.contest(wes, answer, "It is a cat.").gold.task_id == answer.task_id
    with pytest.raises(NotFound):
        gold_disputes.contest(work.worker("ann"), answer, "It is a cat.")
    with pytest.raises(Invalid):
        gold_disputes.contest(wes, told[1].answer, " ")


def test_whatever_happens_to_gold_all_that_is_derived_equals_a_count_and_nobody_loses(settings):
    settings.GOLD_CONTESTED_MOST = 2
    batch = a_batch(practice_size=2, accept_after_s=0)
    rita, rng = make.user("rita"), random.Random(5)
    for name in NAMES:
        work.practise(work.worker(name), batch.project)
    grants, history = Grant.objects.count(), 0
    assert grants == len(NAMES)
    for _ in range(60):
        row = rng.choice(list(Gold.objects.all()))
        step = rng.choice(["work", "work", "contest", "quarantine", "reinstate", "overturn", "sweep", "retire"])
        with suppress(IllegalMove, NotFound):
            if step == "work":
                lease = None
                with suppress(Exception):
                    lease = assignments.claim(work.worker(rng.choice(NAMES)), batch.project)
                if lease:
                    work.answer(lease, *rng.choices(["cat", "dog", "owl"], [1, 1, 3], k=10))
                jobs.grade()
            elif step == "contest":
                answer = rng.choice(list(Answer.objects.filter(attempt__gt=0)))
                gold_disputes.contest(answer.worker, answer, "It is a cat.")
            elif step == "quarantine":
                gold_disputes.quarantine(row, "Look.", rita)
            elif step == "reinstate":
                gold_disputes.reinstate(row, rita, "It is right.")
            elif step == "overturn" and rng.random() < 0.3:
                gold_disputes.overturn(row, rita, "It is a cat.", rng.choice([None, {"animal": "cat"}]))
            elif step == "sweep":
                jobs.suspect_gold()
                jobs.update_consensus()
                jobs.accept()
        assert EvidenceVoid.objects.count() >= history
        history = EvidenceVoid.objects.count()
    assert history
    assert GoldChange.objects.filter(now="overturned").exists()
    assert_counts_from_scratch(batch.project)
    doubtful = Gold.objects.exclude(state__in=Gold.BELIEVED)
    assert not Evidence.objects.filter(answer__task__gold__in=doubtful, kind="gold", void=None).exists()
    assert Grant.objects.filter(revoked_at=None).count() == grants
    assert all(qualifications.meets(work.worker(name), batch.project) for name in NAMES)
    assert not Answer.objects.filter(state__in=["rejected", "excluded"]).exists()
    assert Reliability.objects.exists()
    assert OverallReliability.objects.exists()


@pytest.mark.parametrize("change", ["UPDATE {} SET id = id", "DELETE FROM {}"])
@pytest.mark.parametrize("table", ["tasks_goldchange"])
def test_what_was_decided_about_gold_is_never_changed_or_deleted(table, change):
    batch = work.published(gold=2, practice_size=2)
    answer = practised("wes", batch)[0]
    gold_disputes.contest(answer.worker, answer, "It is a cat.")
    gold_disputes.overturn(answer.task.gold, make.user("rita"), "It is.", {"animal": "cat"})
    refused = pytest.raises(IntegrityError, match=f"rows of {table} are append-only")
    with connection.cursor() as sql, refused, transaction.atomic():
        sql.execute(change.format(table))
