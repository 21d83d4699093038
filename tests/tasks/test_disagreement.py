"""The report of what people disagree about: by label, by version, and where the guideline names it."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext

from marketplace import guidelines, projects
from tasks import assignments, disagreement
from tests import make
from tests.tasks import work
from tests.tasks.test_reopening import person

pytestmark = pytest.mark.django_db

TEXT = "Look.\n\n# Cats\n\nA cat has whiskers.\n\n## Owls and dogs\n\nNo DOG flies. Not a category.\n"


def answered(*answers, guideline=TEXT, **terms):
    """A batch in which each of these people's answers is one a task."""
    batch = work.published(**{"items": len(answers[0]), "page_size": 10, "guideline": guideline, **terms})
    give(batch, *answers)
    return batch


def give(batch, *answers, prefix="old"):
    for number, animals in enumerate(answers):
        lease = assignments.claim(person(f"{prefix}{number}", batch.project), batch.project)
        places = {task: place for place, task in enumerate(sorted(lease.answers.values_list("task", flat=True)))}
        at = {answer.position: animals[places[answer.task_id]] for answer in lease.answers.all()}
        assignments.submit(lease, {position: {"animal": animal} for position, animal in at.items()})


def labels_of(under):
    return {label.value: label for label in under.labels}


def test_each_label_has_its_agreement_and_what_it_is_confused_with():
    batch = answered(("cat", "cat", "dog"), ("cat", "dog", "dog"))
    found = disagreement.report(batch.project)
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
    new, old = disagreement.report(batch.project).by_field[0].versions
    assert (new.version, labels_of(new)["dog"].agreement) == (2, 1.0)
    assert (old.version, labels_of(old)["dog"].agreement) == (1, 0.0)


def test_it_links_each_label_to_the_passages_that_name_it():
    (animal,) = disagreement.report(answered(("cat",), ("dog",)).project).by_field
    named = {value: [(one.number, one.title) for one in found] for value, found in animal.named.items()}
    assert named == {"cat": [(1, "Cats")], "dog": [(2, "Owls and dogs")], "owl": []}


def test_gold_which_everybody_answers_is_left_out():
    batch = work.published(items=2, gold=4, gold_share=0.5, page_size=4)
    for name in ("ann", "ben"):
        work.work_all(work.worker(name), batch)
    assert disagreement.report(batch.project).by_field[0].versions[0].tasks == 2


def test_it_rests_on_the_newest_answers_only():
    batch = answered(("cat", "cat"), ("dog", "dog"), ("dog", "dog"), redundancy_min=3, redundancy_max=3)
    found = disagreement.report(batch.project, most=4)
    (under,) = found.by_field[0].versions
    assert (found.answers, labels_of(under)["dog"].agreement, labels_of(under)["cat"].agreement) == (4, 1.0, None)


def test_a_class_that_is_gone_stands_behind_those_of_today(rita):
    batch = answered(("owl",), ("cat",))
    fields = [{"name": "animal", "type": "choice", "options": ["dog", "cat"]}]
    projects.revise(batch.project, rita, schema={"display": [{"column": "text"}], "fields": fields})
    (animal,) = disagreement.report(batch.project).by_field
    assert animal.labels == ["dog", "cat", "owl"]
    assert labels_of(animal.versions[0])["owl"].confused_with == "cat"


def test_without_answers_or_classes_it_is_empty():
    assert disagreement.report(make.project()).by_field[0].versions == []
    schema = {"display": [{"column": "text"}], "fields": [{"name": "why", "type": "text"}]}
    assert disagreement.report(make.project(schema=schema)).by_field == []


def test_its_cost_does_not_grow_with_the_answers():
    few = answered(("cat", "dog"), ("cat", "dog"))
    with CaptureQueriesContext(
        connection,
    ) as before:
        disagreement.report(few.project, most=2)
    for number in range(3):
        rows = [{"text": f"more {number} {n}"} for n in range(8)]
        work.publish(few.project, make.dataset(rows, few.project.organisation))
        for name in ("old0", "old1"):
            work.work_all(person(name, few.project), few)
    with CaptureQueriesContext(connection) as after:
        disagreement.report(few.project, most=2)
    assert len(after) == len(before)
