"""Labels that look wrong: what is found, what is left in peace, and who may see it."""

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from tasks import assignments, consensus, suspects
from tasks.models import Consensus, ConsensusChange, Review, Task
from tests import make
from tests.conftest import signed_in
from tests.tasks import work

pytestmark = pytest.mark.django_db
TEXT = {
    "display": [{"column": "text"}],
    "fields": [{"name": "animal", "type": "choice", "options": ["cat", "dog", "owl"]}],
}
LONG = "The animal sat on the old wall behind the mill and looked at us for {} minutes"


def labelled(texts, says, people=3, project=None, **terms):
    """A batch of these items and its labels; `says` is what person n says of a text."""
    home = project.organisation if project else make.organisation()
    if project is None:
        work.prepayments.request(home, make.owner(home), 100_000_000, "USD")
        bounds = {"redundancy_min": people, "redundancy_max": people, "page_size": 40, "gold_share": 0.0}
        project = make.project(home, schema=TEXT, **{**bounds, **terms})
    batch = work.publish(project, make.dataset([{"text": text} for text in texts], home, project=project))
    for number in range(people):
        lease = assignments.claim(work.worker(f"p{number}"), project)
        held = {one.position: one.task.item.payload["text"] for one in lease.answers.select_related("task__item")}
        assignments.submit(lease, {at: {"animal": says(number, text)} for at, text in held.items()})
    consensus.update(batch)
    return batch


def truly(number, text):
    return ["cat", "dog", "owl"][len(text) % 3]


def items(count, prefix="a"):
    return [f"{prefix}{'x' * n}" for n in range(count)]


def row(batch, text):
    return Consensus.objects.get(task__batch=batch, task__item__payload__text=text)


def plant(batch, text, code, classes=("cat", "dog", "owl")):
    """Give this item a wrong label, of which the answers know nothing."""
    posterior = [0.9 if one == code else 0.05 for one in range(3)]
    row(batch, text)
    Consensus.objects.filter(pk=row(batch, text).pk).update(
        code=code, value=classes[code], posterior=posterior, confidence=0.9
    )


def texts(report):
    return [one.payload["text"] for one in report.suspects]


def whys(report):
    return [[reason.why for reason in one.reasons] for one in report.suspects]


def test_a_clean_batch_has_none():
    report = suspects.of(labelled(items(20), truly))
    assert (report.looked_at, report.found, report.suspects, report.drifts) == (20, 0, [], [])


def test_a_batch_without_answers_has_none():
    assert suspects.of(work.published()).suspects == []


def test_a_planted_wrong_label_comes_first():
    """One task is hard, and its label follows two of three; another has a label that nobody gave."""
    hard = "a" + "x" * 6
    batch = labelled(items(24), lambda n, text: "owl" if text == hard and n == 0 else truly(n, text))
    wrong = "a" + "x" * 8
    assert row(batch, wrong).value == "cat"
    plant(batch, wrong, 2)
    report = suspects.of(batch)
    assert texts(report)[0] == wrong
    first = report.suspects[0]
    assert (first.label, first.reasons[0].instead, first.confidence) == ("“owl”", "“cat”", pytest.approx(0.9))
    assert first.reasons[0].words == "3 of 3 answers say “cat”, 0 say “owl”."
    assert first.key


def test_a_model_may_speak_against_a_label_that_all_answers_gave():
    batch = labelled(items(24), truly)
    tasks = dict(Task.objects.filter(batch=batch).values_list("item__payload__text", "pk"))
    sure = {"cat": [0.9, 0.05, 0.05], "dog": [0.05, 0.9, 0.05], "owl": [0.05, 0.05, 0.9]}
    says = {pk: sure[truly(0, text)] for text, pk in tasks.items()}
    says[tasks["axxxx"]] = sure["cat"]
    assert truly(0, "axxxx") == "owl" or truly(0, "axxxx") == "dog"
    assert suspects.of(batch).suspects == []
    report = suspects.of(batch, {"animal": says})
    assert texts(report) == ["axxxx"]
    assert whys(report) == [["prediction"]]


def test_the_same_item_in_two_batches_with_different_labels():
    first = labelled(["meow", *items(6)], lambda n, text: "cat" if text == "meow" else truly(n, text))
    second = labelled(
        ["meow", *items(6, "b")], lambda n, text: "dog" if text == "meow" else truly(n, text), project=first.project
    )
    for batch, label in ((first, "“cat”"), (second, "“dog”")):
        report = suspects.of(batch)
        assert [(one.payload["text"], one.label) for one in report.suspects] == [("meow", label)]
        words = "Of 2 items that are the same, or nearly, in this project’s batches: 1 “cat”, 1 “dog”."
        assert report.suspects[0].reasons[0].words == words


def test_the_one_that_differs_from_its_likes_is_listed_and_they_are_not():
    first = labelled(["Meow!", "meow!", "MEOW!"], lambda n, text: "dog" if text == "MEOW!" else "cat")
    report = suspects.of(first)
    assert texts(report) == ["MEOW!"]
    assert whys(report) == [["duplicate"]]


def test_longer_texts_may_differ_in_a_letter_and_not_in_a_number():
    alike = [LONG.format(10), LONG.format(10).replace("mill", "mills")]
    batch = labelled([*alike, LONG.format(11)], lambda n, text: "cat" if text == alike[0] else "dog")
    (one,) = suspects.of(batch).suspects  # of an even split whom the answers say less of, or both
    assert one.payload["text"] in alike
    assert one.reasons[0].words.startswith("Of 2 items that are the same, or nearly")


def test_equal_items_with_equal_labels_are_left_in_peace():
    first = labelled(["meow", "woof"], lambda n, text: "cat")
    second = labelled(["meow", "woof"], lambda n, text: "cat", project=first.project)
    assert suspects.of(second).suspects == []


def test_a_label_that_was_another_before():
    batch = labelled(items(6), truly)
    one = row(batch, "axx")
    ConsensusChange.objects.create(
        task=one.task, field="animal", value="owl", confidence=0.8, support=2, method="x", version="1",
        at=one.updated_at,
    )  # fmt: skip
    assert one.value != "owl"
    report = suspects.of(batch)
    assert texts(report) == ["axx"]
    assert report.suspects[0].reasons[0].words == f"It was “owl” until {one.updated_at:%Y-%m-%d}, on 2 answers."


@pytest.mark.parametrize(("value", "support"), [("owl", 1), ("same", 3)])
def test_a_first_guess_and_a_label_that_came_back_are_none(value, support):
    batch = labelled(items(6), truly)
    one = row(batch, "axx")
    value = one.value if value == "same" else value
    ConsensusChange.objects.create(
        task=one.task, field="animal", value=value, confidence=0.8, support=support, method="x", version="1",
        at=one.updated_at,
    )  # fmt: skip
    assert suspects.of(batch).suspects == []


def test_a_label_that_is_given_more_often_than_in_earlier_batches():
    first = labelled(items(30), lambda n, text: "cat")
    second = labelled(items(30, "b"), lambda n, text: "dog", project=first.project)
    assert suspects.of(first).drifts == []
    told = {(one.label, one.before, one.now) for one in suspects.of(second).drifts}
    assert told == {("“cat”", 1.0, 0.0), ("“dog”", 0.0, 1.0)}


def test_a_perspective_has_none():
    schema = {**TEXT, "fields": [{**TEXT["fields"][0], "truth": "perspective"}]}
    home = make.organisation()
    work.prepayments.request(home, make.owner(home), 100_000_000, "USD")
    project = make.project(home, schema=schema, redundancy_min=3, redundancy_max=3, page_size=40, gold_share=0.0)
    batch = labelled(items(6), truly, project=project)
    plant(batch, "axx", 2)
    assert suspects.of(batch).suspects == []


def test_only_so_many_are_looked_at_and_shown(settings):
    batch = labelled(items(24), truly)
    for text in ("axx", "axxxxx"):
        plant(batch, text, 2 if truly(0, text) != "owl" else 0)
    settings.SUSPECTS_SHOWN = 1
    report = suspects.of(batch)
    assert (report.found, len(report.suspects)) == (2, 1)
    settings.SUSPECTS_LABELS_MOST = 5
    assert suspects.of(batch).looked_at == 5


def test_as_many_queries_for_few_labels_as_for_many():
    few, many = labelled(items(12), truly), labelled(items(36), truly)
    counts = []
    for batch in (few, many):
        plant(batch, "axx", 2 if truly(0, "axx") != "owl" else 0)
        with CaptureQueriesContext(connection) as queries:
            assert suspects.of(batch).found == 1
        counts.append(len(queries))
    assert counts[0] == counts[1]


def test_page_and_api_say_the_same(as_rita):
    batch = labelled(items(24), truly)
    plant(batch, "axx", 2 if truly(0, "axx") != "owl" else 0)
    page = as_rita.get(reverse("suspects", args=[batch.public_id])).content.decode()
    said = as_rita.get(f"/api/v1/batches/{batch.public_id}/suspects").json()
    assert said["found"] == 1
    assert said["suspects"][0]["reasons"][0]["words"] in page
    assert "1 label that looks wrong" in page
    link = f'href="{reverse("suspects", args=[batch.public_id])}"'
    assert link in as_rita.get(reverse("project", args=[batch.project.public_id])).content.decode()


def test_a_stranger_and_those_who_work_find_nothing(sam, wes):
    batch = labelled(items(3), truly)
    for person in (sam, wes):
        client = signed_in(person)
        assert client.get(reverse("suspects", args=[batch.public_id])).status_code == 404
        assert client.get(f"/api/v1/batches/{batch.public_id}/suspects").status_code == 404


def test_what_looks_wrong_is_sent_to_reviewers_and_not_twice():
    batch = labelled(items(24), truly)
    plant(batch, "a" + "x" * 8, 1)  # which nobody said of it
    plant(batch, "a" + "x" * 9, 0)
    first, second = suspects.of(batch).suspects[:2]
    rita = signed_in(make.owner(batch.project.organisation))
    page = rita.get(reverse("suspects", args=[batch.public_id])).content.decode()
    assert f'value="{first.key}"' in page
    send = reverse("review-suspects", args=[batch.public_id])
    assert rita.post(send, {"key": [first.key]}).status_code == 302
    assert list(Review.objects.values_list("task", "reason")) == [(first.task, "suspected")]
    rita.post(send, {"key": [first.key, second.key, "of nobody"]})
    assert set(Review.objects.values_list("task", flat=True)) == {first.task, second.task}
    assert signed_in(make.user("sam")).post(send, {"key": [first.key]}).status_code == 404
