"""Signals of a project: from rows to what is shown, and to whom."""

from datetime import timedelta

import numpy as np
import pytest
from django.db.models import F

from payments.models import PayoutAccount
from tasks import assignments, jobs, signals
from tasks.errors import NoTaskAvailable
from tasks.models import Answer, Assignment, Evidence
from tests import make
from tests.conftest import signed_in
from tests.tasks import work

pytestmark = pytest.mark.django_db
ANIMALS = ["cat", "dog", "owl"]
TEXT = {
    "display": [{"column": "text"}],
    "fields": [{"name": "why", "type": "text"}],
}


def crowd(batch, people):
    """Everybody works until nothing is left; `people` is name -> what they say of item n."""
    workers = {name: work.worker(name) for name in people}
    waiting = set(people)
    while waiting:
        for name in sorted(waiting):
            try:
                lease = assignments.claim(workers[name], batch.project)
            except NoTaskAvailable:
                waiting.discard(name)
                continue
            held = lease.answers.select_related("task__item").order_by("position")
            assignments.submit(lease, {a.position: people[name](_number(a)) for a in held})
    return workers


def _number(answer):
    return int(answer.task.item.payload["text"].split()[-1])


def honest(name):
    """Says what is there, but for one in ten."""
    rng = np.random.default_rng(sum(map(ord, name)))
    luck = rng.random(1000)
    return lambda n: {"animal": ANIMALS[(n * 7 // 3 + (luck[n] < 0.1)) % 3]}


def unsorted(name):
    """As honest, of items that come in no order."""
    says, item = honest(name), np.random.default_rng(1).permutation(60)
    return lambda n: says(int(item[n]))


def copier(n):
    """Says what is there of every other item, and of those between what another copier says."""
    return {"animal": ANIMALS[(n * 7 // 3 + (n % 2)) % 3]}


def kinds(report):
    return [signal.kind for signal in report.signals]


def pseudonyms(batch, *workers):
    return sorted(batch.project.organisation.pseudonym(worker.public_id) for worker in workers)


def test_a_project_nobody_worked_in_shows_nothing():
    batch = work.published()
    assert signals.of(batch.project) == signals.Report(0, 0, 0)


def test_two_who_copy_each_other_are_shown_with_the_tasks_behind_it():
    batch = work.published(items=40, redundancy_min=8, redundancy_max=8, page_size=40)
    people = {f"honest{n}": honest(f"honest{n}") for n in range(6)}
    workers = crowd(batch, {**people, "copy1": copier, "copy2": copier})
    report = signals.of(batch.project)
    (pair,) = [signal for signal in report.signals if signal.kind == "pair"]
    assert sorted(pair.workers) == pseudonyms(batch, workers["copy1"], workers["copy2"])
    assert (pair.field, report.workers, report.answers) == ("animal", 8, 320)
    assert report.pairs == 28
    assert pair.figure > 15 > pair.expected
    assert len(pair.rows) == 10
    shown = Answer.objects.named([answer for row in pair.rows for answer in row.answers])
    assert {answer.worker for answer in shown} == {workers["copy1"], workers["copy2"]}


def test_nothing_of_it_is_written_down():
    batch = work.published(items=20, redundancy_min=3, redundancy_max=3, page_size=20)
    crowd(batch, {f"w{n}": lambda n: {"animal": "cat"} for n in range(3)})
    while jobs.update_consensus():
        pass
    before = list(Evidence.objects.order_by("pk").values_list())
    signals.of(batch.project)
    assert list(Evidence.objects.order_by("pk").values_list()) == before


def test_perspectives_are_no_mistakes():
    schema = {**make.SCHEMA, "fields": [{**make.SCHEMA["fields"][0], "truth": "perspective"}]}
    batch = work.published(items=40, redundancy_min=8, redundancy_max=8, page_size=40, schema=schema)
    people = {f"honest{n}": honest(f"honest{n}") for n in range(6)}
    crowd(batch, {**people, "other1": copier, "other2": copier})
    report = signals.of(batch.project)
    assert (report.answers, report.pairs, report.signals) == (320, 0, [])


def test_who_is_far_too_fast_is_shown_by_the_clock_where_active_time_is_unknown():
    """Pages of one come in the order of the items; in one order in twenty honest answers look regular by chance."""
    batch = work.published(items=60, redundancy_min=7, redundancy_max=7, page_size=1)
    workers = crowd(batch, {f"w{n}": unsorted(f"w{n}") for n in range(7)})
    everyone = Assignment.objects.filter(batch=batch)
    for number, lease in enumerate(everyone.order_by("pk")):
        everyone.filter(pk=lease.pk).update(active_s=50 + number % 40)
    hasty = everyone.filter(worker=workers["w0"])
    hasty.update(active_s=0, submitted_at=F("claimed_at") + timedelta(seconds=0.6))
    report = signals.of(batch.project)
    assert kinds(report) == ["fast"]
    assert report.signals[0].workers == pseudonyms(batch, workers["w0"])
    assert report.signals[0].figure == 1.0
    assert "0.6 s a task" in report.signals[0].rows[0].words
    hasty.update(submitted_at=F("claimed_at") + timedelta(seconds=60))
    assert kinds(signals.of(batch.project)) == []


def test_cycles_and_the_same_answer_everywhere_are_shown():
    batch = work.published(items=60, redundancy_min=8, redundancy_max=8, page_size=60)
    people = {f"honest{n}": honest(f"honest{n}") for n in range(6)}
    given = iter(range(1000))
    people["cycle"] = lambda n: {"animal": ANIMALS[next(given) // 2 % 2]}
    people["same"] = lambda n: {"animal": "cat"}
    workers = crowd(batch, people)
    found = {signal.kind: signal for signal in signals.of(batch.project).signals}
    assert set(found) <= {"pattern", "same_answer", "pair"}
    assert found["pattern"].workers == pseudonyms(batch, workers["cycle"])
    assert "cat cat dog dog" in found["pattern"].rows[0].words
    assert found["same_answer"].workers == pseudonyms(batch, workers["same"])
    assert found["same_answer"].figure == 1.0


def test_texts_used_again_are_shown_and_short_ones_are_not():
    batch = work.published(items=12, redundancy_min=5, redundancy_max=5, page_size=12, schema=TEXT)

    def own(name):
        words = [
            "blue",
            "green",
            "tall",
            "river",
            "stone",
            "under",
            "fox",
            "quiet",
            "lamp",
            "seven",
            "paper",
            "cloud",
            "bread",
            "iron",
            "moss",
        ]
        return lambda n: {"why": " ".join(np.random.default_rng([n, len(name), ord(name[-1])]).choice(words, 12))}

    people = {f"honest{n}": own(f"honest{n}") for n in range(3)}
    people["again"] = lambda n: {"why": f"It is a very good picture of an animal, number {n}, and I like it a lot."}
    people["short"] = lambda n: {"why": "It is a cat."}
    workers = crowd(batch, people)
    report = signals.of(batch.project)
    assert kinds(report) == ["own_text"]
    assert report.signals[0].workers == pseudonyms(batch, workers["again"])
    assert report.signals[0].figure == 1.0
    assert report.signals[0].rows[0].words.startswith("It is a very good picture")


def test_only_so_many_of_the_newest_answers_are_looked_at(settings):
    batch = work.published(items=30, redundancy_min=4, redundancy_max=4, page_size=10)
    crowd(batch, {f"w{n}": honest(f"w{n}") for n in range(4)})
    settings.SIGNALS_ANSWERS_MOST = 50
    assert signals.of(batch.project).answers == 50


# Page and API


@pytest.fixture
def copied():
    batch = work.published(items=40, redundancy_min=8, redundancy_max=8, page_size=40)
    people = {f"honest{n}": honest(f"honest{n}") for n in range(6)}
    crowd(batch, {**people, "copy1": copier, "copy2": copier})
    return batch


def test_the_page_and_the_api_say_the_same_and_that_it_is_never_a_reason(copied):
    rita = signed_in(make.user("rita"))
    said = rita.get(f"/api/v1/projects/{copied.project.public_id}/signals").json()
    (pair,) = [signal for signal in said["signals"] if signal["kind"] == "pair"]
    page = rita.get(f"/projects/{copied.project.public_id}/signals/").content.decode()
    assert "None of this is a reason by itself" in page
    assert all(worker[:10] in page for worker in pair["workers"])
    assert f'href="/answers/{pair["rows"][0]["answers"][0]}/"' in page
    assert rita.get(f"/answers/{pair['rows'][0]['answers'][0]}/").status_code == 200
    assert "copy1@" not in page
    assert (
        f'href="/projects/{copied.project.public_id}/signals/"'
        in rita.get(f"/projects/{copied.project.public_id}/").content.decode()
    )


def test_an_admin_sees_the_signals_without_links_that_lead_nowhere_and_a_stranger_finds_nothing(copied):
    address = f"/projects/{copied.project.public_id}/signals/"
    page = signed_in(make.user("ada", staff=True)).get(address).content.decode()
    assert "the same mistakes" in page
    assert 'href="/answers/' not in page
    assert signed_in(make.user("sam")).get(address).status_code == 404
    assert signed_in(make.user("wes")).get(f"/api/v1{address}".rstrip("/")).status_code == 404
    ada = signed_in(make.user("ada", staff=True))
    assert ada.get(f"/api/v1{address}".rstrip("/")).status_code == 200
    assert f'href="{address}"' in ada.get("/admin/tasks/batch/").content.decode()


def test_workers_who_are_paid_to_the_same_place_are_shown_together_and_nobody_else():
    batch = work.published(items=6, practice_size=0, redundancy_min=3, redundancy_max=3)
    for name in ("wes", "sue", "tom"):
        work.work_all(work.worker(name), batch)
    assert kinds(signals.of(batch.project)) == []
    for name in ("wes", "sue", "elsewhere"):
        user = work.worker(name).user
        PayoutAccount.objects.create(user=user, mode="live", country="US", identity="bank-1")
        jobs.relate(user.pk)
    [found] = signals.of(batch.project).signals
    assert (found.kind, found.figure, found.p) == ("same_payee", 2, None)
    assert sorted(found.workers) == sorted(pseudonyms(batch, work.worker("wes"), work.worker("sue")))
    assert [len(row.answers) for row in found.rows] == [6, 6]
    page = signed_in(make.user("rita")).get(f"/projects/{batch.project.public_id}/signals/").content.decode()
    assert "paid to the same place" in page
    assert "Chance of this among" not in page
