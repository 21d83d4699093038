"""How far people agree: by field, label and version, over time, by pair of workers; and where the guideline helps."""

from datetime import timedelta

import numpy as np
import pytest
from django.db import connection
from django.db.models import F
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from marketplace import guidelines, labels, projects
from marketplace.core import clock
from tasks import agreement, assignments, consensus
from tasks.agreement import alphas, scales
from tasks.models import Answer
from tests import make
from tests.tasks import work
from tests.tasks.test_guideline_pages import call, text
from tests.tasks.test_reopening import labelled, person, reopened, revised

pytestmark = pytest.mark.django_db

TEXT = "Look.\n\n# Cats\n\nA cat has whiskers.\n\n## Owls and dogs\n\nNo DOG flies. Not a category.\n"


def answered(*answers, guideline=TEXT, **terms):
    """A batch in which each of these people's answers is one a task."""
    batch = work.published(
        **{"items": len(answers[0]), "page_size": max(10, len(answers[0])), "guideline": guideline, **terms}
    )
    give(batch, *answers)
    return batch


def give(batch, *answers, prefix="old"):
    for number, animals in enumerate(answers):
        lease = assignments.claim(person(f"{prefix}{number}", batch.project), batch.project)
        places = {task: place for place, task in enumerate(sorted(lease.answers.values_list("task", flat=True)))}
        at = {answer.position: animals[places[answer.task_id]] for answer in lease.answers.all()}
        assignments.submit(lease, {position: {"animal": animal} for position, animal in at.items()})


def crowd(*answers, **terms):
    return answered(*answers, redundancy_min=len(answers), redundancy_max=len(answers), **terms)


def labels_of(under):
    return {label.value: label for label in under.labels}


def test_each_label_has_its_agreement_and_what_it_is_confused_with():
    batch = answered(("cat", "cat", "dog"), ("cat", "dog", "dog"))
    found = agreement.report(batch.project)
    (animal,) = found.by_field
    (under,) = animal.versions
    assert (found.answers, under.version, under.answers, under.tasks) == (6, 1, 6, 3)
    cat, dog, owl = under.labels
    assert (cat.agreeing, cat.differing, cat.agreement, cat.tasks) == (1, 1, pytest.approx(2 / 3), 2)
    assert (cat.confused_with, cat.confused) == ("dog", 1)
    assert (dog.agreement, owl.agreement, owl.confused_with) == (pytest.approx(2 / 3), None, "")
    assert under.pairs == [[0, 1, 0], [1, 0, 0], [0, 0, 0]]
    assert under.worst.value == "cat"


def test_each_version_stands_for_itself(rita):
    batch = answered(("cat",), ("dog",), redundancy_min=4, redundancy_max=4)
    guidelines.write(batch.project, rita, "Look twice.")
    give(batch, ("dog",), ("dog",), prefix="new")
    new, old = agreement.report(batch.project).by_field[0].versions
    assert (new.version, labels_of(new)["dog"].agreement) == (2, 1.0)
    assert (old.version, labels_of(old)["dog"].agreement) == (1, 0.0)


def test_it_links_each_label_to_the_passages_that_name_it():
    (animal,) = agreement.report(answered(("cat",), ("dog",)).project).by_field
    named = {value: [(one.number, one.title) for one in found] for value, found in animal.named.items()}
    assert named == {"cat": [(1, "Cats")], "dog": [(2, "Owls and dogs")], "owl": []}


def test_gold_which_everybody_answers_is_left_out():
    batch = work.published(items=2, gold=4, gold_share=0.5, page_size=4)
    for name in ("ann", "ben"):
        work.work_all(work.worker(name), batch)
    assert agreement.report(batch.project).by_field[0].versions[0].tasks == 2


def test_it_rests_on_the_newest_answers_only():
    batch = answered(("cat", "cat"), ("dog", "dog"), ("dog", "dog"), redundancy_min=3, redundancy_max=3)
    found = agreement.report(batch.project, most=4)
    (under,) = found.by_field[0].versions
    assert (found.answers, labels_of(under)["dog"].agreement, labels_of(under)["cat"].agreement) == (4, 1.0, None)


def test_a_class_that_is_gone_stands_behind_those_of_today(rita):
    batch = answered(("owl",), ("cat",))
    fields = [{"name": "animal", "type": "choice", "options": ["dog", "cat"]}]
    projects.revise(batch.project, rita, schema={"display": [{"column": "text"}], "fields": fields})
    (animal,) = agreement.report(batch.project).by_field
    assert animal.labels == ["dog", "cat", "owl"]
    assert labels_of(animal.versions[0])["owl"].confused_with == "cat"


def test_without_answers_or_classes_it_is_empty():
    assert agreement.report(make.project()).by_field[0].versions == []
    schema = {"display": [{"column": "text"}], "fields": [{"name": "why", "type": "text"}]}
    (why,) = agreement.report(make.project(schema=schema)).by_field
    assert (why.labels, why.versions, why.periods) == ([], [], [])


def schema(*fields):
    return {"display": [{"column": "text"}], "fields": list(fields)}


def field(kind, **options):
    return schema({"name": "animal", "type": kind, **options})


def of(batch):
    """What is found of the one field of this batch's project."""
    (found,) = agreement.report(batch.project).by_field
    return found


def alike(n, value="cat", other="dog"):
    """So many answers, every other one of another class."""
    return tuple(other if place % 2 else value for place in range(n))


# Alpha


def test_alpha_is_the_textbooks():
    """6 answers, 3 of each class, 2 of the 6 differ from their task's other: 1 - (2 / 6) / (18 / 30)."""
    found = of(answered(("cat", "cat", "dog"), ("cat", "dog", "dog")))
    assert (found.scale, found.alpha.value) == ("nominal", pytest.approx(4 / 9))
    assert (found.alpha.tasks, found.alpha.answers) == (3, 6)
    assert (found.alpha.low, found.alpha.high, found.alpha.unknown) == (None, None, "few_tasks")


def test_with_ten_tasks_it_has_a_range():
    others = (*alike(12)[:9], "owl", "owl", "owl")
    found = of(answered(alike(12), others)).alpha
    assert found.low < found.value < found.high
    assert found.unknown == ""


def test_where_all_agree_there_is_no_range():
    found = of(answered(alike(12), alike(12))).alpha
    assert (found.value, found.low, found.unknown) == (1.0, None, "alike")


def test_of_one_class_alone_alpha_is_not_known():
    found = of(answered(("cat",) * 12, ("cat",) * 12)).alpha
    assert (found.value, found.unknown, found.tasks) == (None, "one_value", 12)


def test_of_one_worker_alone_alpha_is_not_known():
    batch = answered(("cat", "dog"))
    found = of(batch)
    assert (found.alpha.value, found.alpha.unknown, found.alpha.tasks) == (None, "no_pairs", 0)
    assert (found.versions[0].alpha.unknown, found.pairs.compared) == ("no_pairs", 0)


def test_numbers_are_compared_by_how_far_they_are_apart():
    """1 and 2, 9 and 10: observed 1, expected 2 x 260 / 12."""
    found = of(answered((1, 9), (2, 10), schema=field("number")))
    assert (found.scale, found.alpha.value) == ("interval", pytest.approx(1 - 12 / 520))
    assert (found.labels, found.pairs) == ([], None)


@pytest.mark.parametrize("kind", [{"kind": "rating"}, {"kind": "choice", "options": list("12345"), "truth": "ordinal"}])
def test_near_misses_weigh_less_where_answers_have_an_order(kind):
    cast = int if kind["kind"] == "rating" else str
    one, near, far = ([cast(point) for point in row] for row in ((1, 3, 5, 1), (2, 3, 4, 1), (5, 3, 1, 1)))
    found = of(answered(one, near, schema=field(**kind)))
    assert found.scale == "ordinal"
    assert found.alpha.value > 0.7 > 0 > of(answered(one, far, schema=field(**kind))).alpha.value


def test_sets_are_compared_by_what_they_share():
    """a and ab are 2/3 apart by MASI, b and b not at all: 1 - (1 / 3) / (2 / 3); F1 of the two tasks 2/3 and 1."""
    found = of(answered((["a"], ["b"]), (["a", "b"], ["b"]), schema=field("choices", options=["a", "b"])))
    assert (found.scale, found.alpha.value) == ("sets", pytest.approx(0.5))
    assert (found.f1.mean, found.f1.tasks, found.f1.pairs) == (pytest.approx(5 / 6), 2, 2)


def test_texts_are_compared_by_their_words():
    """A word of three differs, and case and strokes do not count: 1 - (1 / 6) / (13 / 18)."""
    found = of(answered(("a big cat", "The dog!"), ("a cat", "the dog"), schema=field("text")))
    assert (found.scale, found.alpha.value) == ("words", pytest.approx(10 / 13))


def test_every_type_has_a_scale():
    assert scales.SCALES.keys() == labels.TYPES.keys()


@pytest.mark.parametrize(
    ("kind", "given", "most"),
    [
        (field("choices", options=list("abc")), [["a"], ["b"], ["c"], ["c"]], 3),
        (field("text"), ["one", "two", "three", "three"], 3),
    ],
)
def test_of_many_different_values_only_the_newest_are_compared(kind, given, most, monkeypatch):
    batch = answered(given, given, schema=kind)
    assert of(batch).alpha.tasks == 4
    monkeypatch.setattr(scales, "VALUES_MOST", 2)
    assert of(batch).alpha.tasks < 4


def test_of_long_texts_only_the_newest_are_compared(monkeypatch):
    batch = answered(("one two", "three four"), ("one two", "five six"), schema=field("text"))
    monkeypatch.setattr(scales, "WORDS_MOST", 3)
    found = of(batch)
    assert (found.alpha.value, found.alpha.unknown, found.versions[0].answers) == (None, "no_pairs", 1)


def test_of_many_fields_fewer_answers_are_looked_at(settings):
    settings.AGREEMENT_VALUES_MOST = 3
    assert agreement.report(answered(("cat", "cat"), ("dog", "dog")).project).answers == 3


def test_an_answer_that_is_left_out_is_none():
    kind = field("choice", options=["cat", "dog"], required=False)
    batch = work.published(items=2, page_size=2, schema=kind)
    for name, given in (("ann", {"animal": "cat"}), ("ben", {})):
        lease = assignments.claim(work.worker(name), batch.project)
        assignments.submit(lease, dict.fromkeys(range(2), given))
    assert (of(batch).alpha.unknown, of(batch).versions[0].answers) == ("no_pairs", 2)


def test_a_field_that_was_of_another_type_says_nothing(rita):
    batch = answered(("cat",), ("dog",))
    projects.revise(batch.project, rita, schema=field("choices", options=["cat", "dog"]))
    found = of(batch)
    assert (found.alpha.unknown, found.versions, found.f1.mean) == ("no_pairs", [], None)


def test_a_class_that_is_gone_has_no_place_in_an_order(rita):
    options = {"options": ["low", "mid", "high"], "truth": "ordinal"}
    batch = answered(("low", "mid", "high"), ("low", "mid", "mid"), schema=field("choice", **options))
    assert of(batch).alpha.tasks == 3
    projects.revise(batch.project, rita, schema=field("choice", **{**options, "options": ["low", "high"]}))
    found = of(batch)
    assert (found.alpha.tasks, found.versions[0].tasks) == (1, 3)


def test_what_was_superseded_speaks_under_its_version_alone():
    batch = crowd(("cat", "cat"), ("cat", "dog"), ("dog", "cat"))
    consensus.update(batch)
    revised(batch)
    reopened(batch)
    give(batch, *[("cat", "dog")] * 3, prefix="new")
    found = of(batch)
    assert (found.alpha.value, found.alpha.answers) == (1.0, 6)
    assert [(one.version, one.alpha.value) for one in found.versions] == [(2, 1.0), (1, pytest.approx(-0.25))]


# Over time


def moved(batch, days):
    """Have the answers to the first so many tasks given days ago."""
    early = list(batch.tasks.order_by("pk").values_list("pk", flat=True)[:days])
    Answer.objects.filter(task__in=early).update(submitted_at=F("submitted_at") - timedelta(days=30))


def test_over_time_equally_many_tasks_stand_together():
    batch = answered(alike(40), alike(20) + alike(20, "dog", "cat"))
    moved(batch, 20)
    old, new = of(batch).periods
    assert (old.alpha.value, old.alpha.tasks, new.alpha.tasks) == (1.0, 20, 20)
    assert new.alpha.value == pytest.approx(1 - 39 / 20)  # always the other, of 20 answers each
    assert old.since <= old.until < clock.now() - timedelta(days=29) < new.since <= new.until


def test_of_few_tasks_there_is_nothing_over_time():
    assert of(answered(alike(39), alike(39))).periods == []


def test_over_time_what_was_superseded_is_not_compared_with_what_came_in_its_place():
    batch = labelled(items=40)
    revised(batch)
    reopened(batch)
    give(batch, *[("dog",) * 40] * 2, prefix="new")
    periods = of(batch).periods
    assert [(period.alpha.tasks, period.alpha.unknown) for period in periods] == [(20, "one_value")] * 4


# Pairs of workers


def names(batch, *who):
    home = batch.project.organisation
    return sorted(home.pseudonym(work.worker(name).public_id) for name in who)


def test_the_pairs_who_agree_most_and_least_stand_there_under_pseudonyms():
    batch = crowd(alike(12), alike(12), alike(12, "dog", "cat"))
    found = of(batch).pairs
    assert (found.compared, len(found.most), len(found.least)) == (3, 2, 1)
    best, worst = found.most[0], found.least[0]
    assert (sorted(best.workers), best.shared, best.agreed, best.kappa) == (names(batch, "old0", "old1"), 12, 1.0, 1.0)
    assert "old2" not in str(found)
    assert set(names(batch, "old2")) < set(worst.workers)
    assert (worst.agreed, worst.kappa) == (0.0, -1.0)


def test_who_shares_few_tasks_is_not_compared():
    assert of(crowd(alike(9), alike(9))).pairs.compared == 0
    assert of(crowd(alike(10), alike(10))).pairs.compared == 1


def test_two_who_always_say_one_and_the_same_tell_nothing():
    found = of(crowd(("cat",) * 12, ("cat",) * 12)).pairs
    assert (found.compared, found.most, found.least) == (1, [], [])


def test_a_perspective_compares_nobody():
    batch = crowd(
        alike(12), alike(12, "dog", "cat"), schema=field("choice", options=["cat", "dog"], truth="perspective")
    )
    found = of(batch)
    assert (found.pairs, found.alpha.value) == (None, pytest.approx(1 - 23 / 12))


def test_of_too_many_pairs_of_answers_the_newest_tasks_are_compared():
    task, chosen = np.array([9, 9, 9, 5, 5, 2, 2, 2]), np.array([True] * 7 + [False])
    assert alphas.newest(task, chosen, 4).tolist() == [True] * 5 + [False] * 3
    assert alphas.newest(task, chosen, 5).all()


# Pages and the API


def test_the_page_shows_the_figures(as_rita):
    kind = schema(
        *field("choice", options=["cat", "dog", "owl"])["fields"],
        {"name": "nice", "type": "rating", "truth": "perspective"},
    )
    batch = work.published(items=40, page_size=40, schema=kind)
    for number, name in enumerate(("ann", "ben")):
        lease = assignments.claim(work.worker(name), batch.project)
        given = {row.position: row.task_id for row in lease.answers.all()}
        said = {
            at: {"animal": ("cat", "dog")[task % 3 // 2 if number else task % 2], "nice": 1 + task % 5}
            for at, task in given.items()
        }
        assignments.submit(lease, said)
    page = text(as_rita.get(reverse("agreement", args=[batch.project.public_id])))
    found = agreement.report(batch.project).by_field[0]
    words = (
        f"<td>{found.alpha.value:.2f}</td><td>{found.alpha.low:.2f} to {found.alpha.high:.2f}</td>",
        'class="mark"',
        'class="mean hollow"',
        'class="course"',
        "nobody’s fault",
        names(batch, "ann")[0][:10],
        "Who agree most",
        "not known: all tasks are alike",
    )
    for some in words:
        assert some in page


def test_the_page_says_why_nothing_is_known(as_rita):
    page = text(as_rita.get(reverse("agreement", args=[answered(("cat", "cat"), ("cat", "cat")).project.public_id])))
    assert "everybody says the same" in page
    assert "Alpha is" not in page


def test_who_was_measured_is_linked(as_rita):
    batch = crowd(alike(12), alike(12))
    page = reverse("agreement", args=[batch.project.public_id])
    name = names(batch, "old0")[0]
    link = reverse("worker-evidence", args=[batch.project.public_id, name])
    assert name[:10] in text(as_rita.get(page))
    assert link not in text(as_rita.get(page))
    work.sweep()
    assert link in text(as_rita.get(page))
    assert as_rita.get(link).status_code == 200


def test_the_page_is_where_it_was_too(as_rita, as_sam):
    project = make.project()
    old = f"/projects/{project.public_id}/guideline/disagreement/"
    reply = as_rita.get(old)
    assert (reply.status_code, reply.url) == (301, reverse("agreement", args=[project.public_id]))
    assert as_sam.get(old).status_code == 404


def test_the_api_says_the_same(as_rita, as_sam):
    batch = crowd(alike(40), alike(40)[:30] + ("owl",) * 10)
    path = f"projects/{batch.project.public_id}/agreement"
    (found,) = call(as_rita, "get", path).json()["by_field"]
    mine = of(batch)
    assert found["alpha"] == {name: getattr(mine.alpha, name) for name in found["alpha"]}
    assert [period["alpha"]["value"] for period in found["periods"]] == [one.alpha.value for one in mine.periods]
    assert (found["pairs"]["most"][0]["workers"], found["f1"]) == (mine.pairs.most[0].workers, None)
    assert found["versions"][0]["labels"][0]["agreement"] == mine.versions[0].labels[0].agreement
    assert call(as_sam, "get", path).status_code == 404


def test_an_empty_project_is_empty_over_the_api(as_rita, rita):
    project = make.project(make.organisation(rita))
    found = call(as_rita, "get", f"projects/{project.public_id}/agreement").json()
    assert (found["answers"], found["by_field"][0]["alpha"]["unknown"]) == (0, "no_pairs")


def test_its_queries_do_not_grow_with_the_tasks():
    counts = []
    for items in (10, 40):
        batch = crowd(alike(items), alike(items), alike(items, "dog", "cat"))
        with CaptureQueriesContext(connection) as asked:
            agreement.report(batch.project)
        counts.append(len(asked))
    assert counts[0] == counts[1]


def test_its_cost_does_not_grow_with_the_answers():
    few = answered(("cat", "dog"), ("cat", "dog"))
    with CaptureQueriesContext(
        connection,
    ) as before:
        agreement.report(few.project, most=2)
    for number in range(3):
        rows = [{"text": f"more {number} {n}"} for n in range(8)]
        work.publish(few.project, make.dataset(rows, few.project.organisation))
        for name in ("old0", "old1"):
            work.work_all(person(name, few.project), few)
    with CaptureQueriesContext(connection) as after:
        agreement.report(few.project, most=2)
    assert len(after) == len(before)
