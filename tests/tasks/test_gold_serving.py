"""How often gold is served, that nobody can tell it from work, and where it comes from."""

import re
from collections import Counter
from contextlib import contextmanager

import pytest
from django.db import connection
from scipy.stats import chisquare, mannwhitneyu

from marketplace.core.errors import Conflict, Forbidden, IllegalMove, Invalid, NotFound
from marketplace.models import ItemAlias
from payments import reserves
from tasks import assignments, gold, gold_pool, jobs, seats, terms
from tasks.errors import InUse
from tasks.exports import labels
from tasks.models import Answer, Assignment, Batch, Consensus, Cursor, Gold, Task
from tests import make
from tests.conftest import signed_in
from tests.tasks import work
from workers import reliability, scoring
from workers.models import Notice, Reliability

pytestmark = pytest.mark.django_db


@contextmanager
def asked():
    """Every statement that is sent to the database meanwhile."""
    seen: list[str] = []

    def note(execute, sql, params, many, context):
        seen.append(str(sql))
        return execute(sql, params, many, context)

    with connection.execute_wrapper(note):
        yield seen


def key_of(task):
    return ItemAlias.objects.filter(item=task.item_id)[0].key


def test_the_first_seats_are_dense_then_the_width_of_the_interval_says():
    batch = work.published(items=30, gold=20, gold_share=0.1)
    agreed = terms.of(batch.pk)

    def drawn(claimed, rate):
        return sum(gold.due(agreed, worker, claimed, 10, rate) for worker in range(2000)) / 20_000

    assert drawn(0, None) == drawn(0, 0.01) == pytest.approx(0.2, abs=0.01)
    assert drawn(gold.FIRST_SEATS, None) == pytest.approx(0.1, abs=0.01)
    assert drawn(gold.FIRST_SEATS, 0.03) == pytest.approx(0.03, abs=0.005)


def test_a_cursor_follows_what_is_known_of_its_worker_within_floor_and_ceiling(settings):
    settings.GOLD_FLOOR = 0.5
    batch = work.published(items=30, gold=10, gold_share=0.2, page_size=10)
    wes, ann = work.worker(), work.worker("ann")
    for worker in (wes, ann):
        work.work(worker, batch, "owl")
    assert not Cursor.objects.exclude(gold_rate=None).exists()
    jobs.grade()
    known = Reliability.objects.get(worker=wes)
    rate = scoring.gold_rate(known.accuracy_p05, known.accuracy_p95, 0.2, 0.5)
    assert Cursor.objects.get(worker=wes).gold_rate == pytest.approx(rate, abs=1e-6)
    assert 0.1 <= rate <= 0.4
    Reliability.objects.filter(worker=wes).update(accuracy_p05=0.97, accuracy_p95=0.99)
    Reliability.objects.filter(worker=ann).update(accuracy_p05=0.1, accuracy_p95=0.99)
    gold.follow([(wes.pk, batch.project_id), (ann.pk, batch.project_id)])
    assert Cursor.objects.get(worker=wes).gold_rate == pytest.approx(0.1, abs=gold.STEP * 0.2)  # less is not followed
    assert Cursor.objects.get(worker=ann).gold_rate == pytest.approx(0.4)


def test_the_claim_asks_no_more_of_the_database_for_it():
    batch = work.published(items=60, gold=10, gold_share=0.3, page_size=2)
    wes = work.worker()
    counts = {}
    for rate in (None, 0.01):
        Cursor.objects.update(gold_rate=rate, claimed=gold.FIRST_SEATS, gold_left=5)
        for _ in range(3):
            with asked() as seen:
                lease = assignments.claim(wes, batch.project)
            counts.setdefault(rate, len(seen))
            counts[rate] = min(counts[rate], len(seen))
            work.answer(lease)
    assert counts[0.01] <= counts[None]
    assert counts[0.01] == 2  # one looks, one gives


def test_gold_stands_in_any_place_of_a_page_as_often_as_in_any_other():
    """Positions are drawn by the database: uniform but for one in a million."""
    with connection.cursor() as sql:
        sql.execute("SELECT setseed(0.25)")
    batch = work.published(items=5, gold=40, gold_share=0.3, page_size=5, redundancy_min=100, redundancy_max=100)
    places = Counter()
    for number in range(80):
        lease = assignments.claim(work.worker(f"worker{number}"), batch.project)
        places.update(lease.answers.filter(to_grade=True).values_list("position", flat=True))
    assert sum(places.values()) > 80
    assert chisquare([places[place] for place in range(5)]).pvalue > 1e-6, places


def test_the_order_of_keys_tells_nothing():
    """Of what a worker gets: ranks of public ids, of times, of pay, between gold and work on the same pages."""
    batch = work.published(items=40, gold=40, gold_share=0.2, page_size=8, redundancy_min=30, redundancy_max=30)
    for number in range(12):
        work.work(work.worker(f"worker{number}"), batch)
    rows = Answer.objects.select_related("assignment")
    told = {row.public_id: row.to_grade for row in rows}
    ranks = {public_id: rank for rank, public_id in enumerate(sorted(told))}
    golden = [ranks[each] for each, is_gold in told.items() if is_gold]
    plain = [ranks[each] for each, is_gold in told.items() if not is_gold]
    assert min(len(golden), len(plain)) > 20
    assert mannwhitneyu(golden, plain).pvalue > 1e-6
    for field in ("price_micros", "fee_micros", "submitted_at", "accept_at", "self_selected", "state"):
        for lease in Assignment.objects.all():
            assert len(set(lease.answers.values_list(field, flat=True))) == 1, field


def test_the_api_and_the_page_say_the_same_of_gold_as_of_work():
    batch = work.published(items=30, gold=30, gold_share=0.5, page_size=6)
    wes = make.user("wes")
    lease = assignments.claim(work.worker(), batch.project)
    golden = set(lease.answers.filter(to_grade=True).values_list("position", flat=True))
    assert 0 < len(golden) < 6
    client = signed_in(wes)
    shown = client.get(f"/api/v1/assignments/{lease.public_id}").json()["tasks"]
    for task in shown:
        assert task.keys() == shown[0].keys()
        assert task["payload"].keys() == shown[0]["payload"].keys()
        assert {name: value for name, value in task.items() if name not in ("position", "payload")} == {
            name: value for name, value in shown[0].items() if name not in ("position", "payload")
        }
    page = client.get(f"/work/assignments/{lease.public_id}/").content.decode()
    parts = page.split("<article")[1:] or page.split("<section")[1:]
    bare = {re.sub(r"\d+", "#", re.sub(r"(item|gold) \d+", "payload", part)).split("</article>")[0] for part in parts}
    assert len(parts) == 6
    assert len(bare) == 1, bare


def test_a_page_with_gold_is_claimed_and_submitted_by_the_same_statements_as_one_without():
    batch = work.published(items=60, gold=30, gold_share=0.5, page_size=4)
    said = {True: set(), False: set()}
    for number in range(14):
        worker = work.worker(f"worker{number}")
        work.work(worker, batch)
        Cursor.objects.filter(worker=worker).update(claimed=gold.FIRST_SEATS, gold_left=9, gold_rate=0.2)
        with asked() as seen:
            lease = assignments.claim(worker, batch.project)
            values = {n: {"animal": "cat"} for n in range(4)}
            assignments.submit(lease, values)
        is_golden = lease.answers.filter(to_grade=True).exists()
        said[is_golden].add(tuple(re.sub(r"\d+|'[^']*'", "#", query)[:80] for query in seen))
    assert said[True]
    assert said[False]
    assert said[True] == said[False]
    assert len(said[True]) == 1


def test_gold_made_by_hand_takes_the_seats_of_an_item_that_nobody_began_and_its_money_pays_for_gold():
    batch = work.published(items=6, gold=4, gold_share=0.2, redundancy_min=2, redundancy_max=3)
    rita = make.user("rita")
    work.work(work.worker(), batch)
    begun = Task.objects.filter(answers__isnull=False, gold=None)[0]
    fresh = Task.objects.filter(answers=None, gold=None).order_by("pk")[0]
    before, aside = Batch.objects.get(pk=batch.pk), reserves.balance(batch.subject)
    with pytest.raises(InUse):
        gold_pool.add(batch, rita, key_of(begun), {"animal": "owl"})
    with pytest.raises(NotFound):
        gold_pool.add(batch, rita, "nothing", {"animal": "owl"})
    with pytest.raises(Invalid):
        gold_pool.add(batch, rita, key_of(fresh), {"animal": "horse"})
    with pytest.raises(Forbidden):
        gold_pool.add(batch, make.user("sam"), key_of(fresh), {"animal": "owl"})
    made = gold_pool.add(batch, rita, key_of(fresh), {"animal": "owl"}, "Look at the ears.")
    with pytest.raises(Conflict):
        gold_pool.add(batch, rita, key_of(fresh), {"animal": "owl"})
    fresh.refresh_from_db()
    batch.refresh_from_db()
    assert (fresh.bought, fresh.state, made.task_id, made.state) == (0, "closed", fresh.pk, "active")
    assert batch.gold_bought == before.gold_bought + 3
    assert reserves.balance(batch.subject) == aside
    work.work_all(work.worker("ann"), batch)
    assert work.worker("ann").answers.filter(task=fresh).count() <= 1
    work.sweep()
    key = key_of(fresh)
    assert all(row["key"] != key for row in labels.rows(batch))


def test_a_unanimous_label_that_a_person_confirms_becomes_gold_for_others_and_is_delivered_all_the_same():
    batch = work.published(
        items=3, gold=3, gold_share=0.4, page_size=3, redundancy_min=2, redundancy_max=2, target_confidence=0.5
    )
    rita = make.user("rita")
    with pytest.raises(IllegalMove):
        gold_pool.promote(batch, rita, "1")
    for name in ("ann", "ben"):
        work.work_all(work.worker(name), batch, "owl")
    jobs.update_consensus()
    candidates = list(gold_pool.candidates(batch))
    assert [task.given for task in candidates] == [2, 2, 2]
    task = candidates[0]
    before = list(labels.rows(batch))
    made = gold_pool.promote(batch, rita, task.key)
    assert (made.truth, made.source, made.purpose) == ({"animal": "owl"}, task, "hidden")
    assert made.task.is_copy
    with pytest.raises(IllegalMove):
        gold_pool.promote(batch, rita, task.key)
    assert list(labels.rows(batch)) == before
    assert len(list(gold_pool.candidates(batch))) == 2
    jobs.update_consensus()
    assert Consensus.objects.get(task=task).value == "owl"
    # those who answered it never get it, others do
    with connection.cursor() as sql:
        for name, count in (("ann", 0), ("zoe", 1)):
            values = {"batch": batch.pk, "worker": work.worker(name).pk}
            sql.execute(seats.HIDDEN + " IS NOT NULL", values)
            assert [row[0] for row in sql.fetchall()].count(made.task_id) == count


def test_gold_is_explained_retired_and_used_again():
    batch = work.published(items=3, gold=3, gold_share=0.4)
    rita, row = make.user("rita"), Gold.objects.order_by("pk")[0]
    gold_pool.explain(row, rita, " Look at the ears. ")
    row.refresh_from_db()
    assert row.explanation == "Look at the ears."
    with pytest.raises(IllegalMove):
        gold_pool.reactivate(row, rita)
    assert gold_pool.retire(row, rita).state == "retired"
    assert gold_pool.stock(batch).pool == 2
    assert gold_pool.reactivate(row, rita).state == "active"
    assert list(row.changes.values_list("was", "now").order_by("pk")) == [("active", "retired"), ("retired", "active")]
    with pytest.raises(Forbidden):
        gold_pool.retire(row, make.user("sam"))
    with pytest.raises(Invalid):
        gold_pool.explain(row, rita, "x" * 5001)


def test_the_publisher_is_warned_once_before_gold_runs_out_or_is_known():
    batch = work.published(items=40, gold=3, gold_share=0.3, page_size=5)
    jobs.warn_of_gold()
    assert not Notice.objects.exists()
    work.work_all(work.worker(), batch)  # he meets all three
    Batch.objects.filter(pk=batch.pk).update(gold_taken=batch.gold_bought)
    for _ in range(2):
        jobs.warn_of_gold()
    told = Notice.objects.order_by("pk")
    assert {notice.kind for notice in told} == {"gold.low", "gold.seen"}
    assert told.count() == 2
    assert {notice.user_id for notice in told} == {batch.published_by_id}
    stock = gold_pool.stock(Batch.objects.get(pk=batch.pk))
    assert (stock.is_low, stock.seen_by, stock.pool) == (True, 1, 3)


def test_a_score_that_ages_moves_the_rate_too():
    batch = work.published(items=30, gold=10, gold_share=0.2, page_size=10)
    work.work(work.worker(), batch, "owl")
    jobs.grade()
    Cursor.objects.update(gold_rate=0.01)
    Reliability.objects.update(scored_at=scoring.EPOCH)
    jobs.rescore()
    assert Cursor.objects.get().gold_rate > 0.04
    assert reliability.stale() == []
