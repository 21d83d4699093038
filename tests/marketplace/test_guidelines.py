"""Versions of a guideline with their examples, what changed between them, and where a label is named."""

import random
import time

import pytest
from django.db import DatabaseError, transaction

from marketplace import accounts, diffs, guidelines, projects
from marketplace.core.errors import Forbidden, Invalid
from marketplace.models import GuidelineExample, Role
from marketplace.web.markdown import render
from tests import make

pytestmark = pytest.mark.django_db

CAT = {"kind": "example", "payload": {"text": "meow"}, "value": {"animal": "cat"}, "explanation": "It says meow."}
OWL = {"kind": "counterexample", "payload": {"text": "hoo"}, "value": {"animal": "cat"}, "explanation": "No cat."}


@pytest.fixture
def project(rita):
    return make.project(make.organisation(rita))


def problems(refusal):
    return {(error["path"], error["code"]) for error in refusal.value.facts["errors"]}


def kept(guideline):
    return [
        {name: getattr(row, name) for name in ("kind", "payload", "value", "explanation")}
        for row in guideline.examples.all()
    ]


def test_guidelines_are_numbered_versions(rita, project):
    assert [guidelines.write(project, rita, text).version for text in ("a", "b")] == [1, 2]
    assert [*project.guidelines.values_list("text", flat=True)] == ["b", "a"]


@pytest.mark.parametrize("text", ["", " \n", "x" * 100_001, "a\0", None])
def test_a_guideline_says_something(rita, project, text):
    with pytest.raises(Invalid) as refusal:
        guidelines.write(project, rita, text)
    assert {path for path, _ in problems(refusal)} == {"text"}


def test_examples_belong_to_their_version_and_are_carried_over(rita, project):
    first = guidelines.write(project, rita, "Look.", [CAT, OWL])
    second = guidelines.write(project, rita, "Look twice.")
    third = guidelines.write(project, rita, "Look away.", [])
    assert kept(first) == kept(second) == [CAT, OWL]
    assert kept(third) == []


def test_examples_are_never_changed_or_deleted(rita, project):
    guidelines.write(project, rita, "Look.", [CAT])
    for change in (lambda: GuidelineExample.objects.update(explanation="No."), GuidelineExample.objects.all().delete):
        with pytest.raises(DatabaseError), transaction.atomic():
            change()


@pytest.mark.parametrize(
    ("wrong", "problem"),
    [
        ({"value": {"animal": "cow"}}, ("examples[1].value.animal", "option")),
        ({"value": {}}, ("examples[1].value.animal", "missing")),
        ({"value": None}, ("examples[1].value", "type")),
        ({"explanation": " "}, ("examples[1].explanation", "length")),
        ({"explanation": "x" * 2_001}, ("examples[1].explanation", "length")),
        ({"explanation": None}, ("examples[1].explanation", "type")),
        ({"kind": "joke"}, ("examples[1].kind", "option")),
        ({"payload": {}}, ("examples[1].payload", "missing")),
        ({"payload": {"sound": "moo"}}, ("examples[1].payload.sound", "unknown")),
        ({"payload": {"text": "x" * 100_000}}, ("examples[1].payload", "length")),
        ({"payload": {"text": "a\0"}}, ("examples[1].payload", "text")),
        ({"payload": {"text": float("nan")}}, ("examples[1].payload", "text")),
        ({"item": {"dataset": "dat_x", "key": "1"}}, ("examples[1].item", "unknown")),
        ({"payload": None, "item": {"dataset": "dat_x", "key": "1"}}, ("examples[1].item.dataset", "unknown")),
        ({"payload": None, "item": {"key": "1"}}, ("examples[1].item", "type")),
        ({"title": "Cow"}, ("examples[1].title", "unknown")),
    ],
)
def test_what_is_wrong_is_said_by_example_and_field_and_nothing_is_written(rita, project, wrong, problem):
    with pytest.raises(Invalid) as refusal:
        guidelines.write(project, rita, "Look.", [OWL, {**CAT, **wrong}])
    assert problems(refusal) == {problem}
    assert not project.guidelines.exists()


def test_examples_are_so_many_and_so_long_and_no_more(rita, project):
    long = {**CAT, "payload": {"text": "x" * 90_000}}
    for many in ([CAT] * 21, [long] * 6):
        with pytest.raises(Invalid) as refusal:
            guidelines.write(project, rita, "Look.", many)
        assert problems(refusal) == {("examples", "length")}
    assert len(kept(guidelines.write(project, rita, "Look.", [CAT] * 20))) == 20
    assert len(kept(guidelines.write(project, rita, "Look.", [long] * 5))) == 5


def test_an_example_is_taken_from_a_row_of_the_data_as_the_project_shows_it(rita, project):
    home = project.organisation
    data = make.dataset([{"id": "a", "text": "meow", "secret": "x"}, {"id": "b", "text": "hoo"}], home, key_column="id")
    make.ended(make.import_of("id,text\na,purr\n", data, key_column="id"))
    data.refresh_from_db()
    taken = {**CAT, "item": {"dataset": data.public_id, "key": "a"}}
    del taken["payload"]
    written = guidelines.write(project, rita, "Look.", [taken, {**taken, "item": {**taken["item"], "key": "b"}}])
    assert [row["payload"] for row in kept(written)] == [{"text": "purr"}, {"text": "hoo"}]
    with pytest.raises(Invalid) as refusal:
        guidelines.write(project, rita, "Look.", [{**taken, "item": {**taken["item"], "key": "c"}}])
    assert problems(refusal) == {("examples[0].item.key", "unknown")}


def test_no_example_comes_out_of_the_data_of_others(rita, sam, project):
    theirs = make.dataset([{"id": "a", "text": "meow"}], make.organisation(sam), key_column="id")
    taken = {**CAT, "payload": None, "item": {"dataset": theirs.public_id, "key": "a"}}
    with pytest.raises(Invalid) as refusal:
        guidelines.write(project, rita, "Look.", [taken])
    assert problems(refusal) == {("examples[0].item.dataset", "unknown")}


def test_examples_that_no_longer_fit_the_schema_are_not_carried_over_unseen(rita, project):
    guidelines.write(project, rita, "Look.", [CAT])
    fields = [{"name": "animal", "type": "choice", "options": ["dog", "owl"]}]
    projects.revise(project, rita, schema={"display": [{"column": "text"}], "fields": fields})
    with pytest.raises(Invalid) as refusal:
        guidelines.write(project, rita, "Look twice.")
    assert problems(refusal) == {("examples[0].value.animal", "option")}


def test_only_managers_write(rita, wes, sam, project):
    accounts.add_member(project.organisation, wes.email, Role.REVIEWER, rita)
    for somebody in (wes, sam):
        with pytest.raises(Forbidden):
            guidelines.write(project, somebody, "Mine.")


def test_a_draft_brings_its_first_version(rita):
    assert make.project(make.organisation(rita), guideline="Look.").guidelines.get().version == 1


# What changed


def marked(before, after):
    return [(line.kind, [(part.kind, part.text) for part in line.parts]) for line in diffs.lines(before, after)]


def test_words_within_lines_are_marked():
    assert marked("Look.\nA cat meows.", "Look.\nA cat purrs.") == [
        ("same", [("same", "Look.")]),
        ("changed", [("same", "A cat "), ("removed", "meows"), ("added", "purrs"), ("same", ".")]),
    ]


def test_lines_that_come_and_go():
    assert marked("one\ntwo", "two\nthree") == [
        ("removed", [("removed", "one")]),
        ("same", [("same", "two")]),
        ("added", [("added", "three")]),
    ]
    assert marked("same", "same") == [("same", [("same", "same")])]
    assert marked("", "") == []


def test_long_runs_that_are_the_same_are_folded():
    text = [f"line {n}" for n in range(20)]
    found = diffs.lines("\n".join(text), "\n".join([*text[:10], "new", *text[10:]]))
    assert [(line.kind, line.count) for line in found if line.kind != "same"] == [
        ("fold", 7),
        ("added", 1),
        ("fold", 7),
    ]
    assert sum(line.count for line in found) == 21


@pytest.mark.parametrize("seed", range(20))
def test_both_texts_can_be_read_out_of_it(seed):
    luck = random.Random(seed)
    words = ["cat", "dog", "owl", " ", "\n", "."]
    old, new = ("".join(luck.choices(words, k=40)) for _ in range(2))
    found = [line for line in diffs.lines(old, new) if line.kind != "fold"]
    for text, hidden in ((old, "added"), (new, "removed")):
        told = ["".join(p.text for p in line.parts if p.kind != hidden) for line in found if line.kind != hidden]
        folds = sum(line.count for line in diffs.lines(old, new) if line.kind == "fold")
        assert len(told) + folds == len(text.splitlines())
        if not folds:
            assert told == text.splitlines()


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("\n".join("ab"[n % 2] for n in range(50_000)), "\n".join("ba"[n % 2] + "c" for n in range(50_000))),
        ("a " * 50_000, "b " * 50_000),
        ("\n".join("x y " * 20 for _ in range(1_200)), "\n".join("y z " * 20 for _ in range(1_200))),
    ],
)
def test_the_worst_texts_cost_little(old, new):
    began = time.monotonic()
    assert diffs.lines(old[:100_000], new[:100_000])
    assert time.monotonic() - began < 5


def test_a_difference_names_the_examples_that_came_and_went(rita, project):
    before = guidelines.write(project, rita, "Look.", [CAT, OWL])
    after = guidelines.write(project, rita, "Look.", [OWL, {**CAT, "explanation": "It purrs."}])
    found = guidelines.difference(before, after)
    assert [row.explanation for row in found.removed] == ["It says meow."]
    assert [row.explanation for row in found.added] == ["It purrs."]
    assert not found.is_empty
    assert guidelines.difference(before, before).is_empty


# Passages

TEXT = "Look.\n\n# Cats\n\nmeow\n\nBig owls\n===\n\nhoo\n\n```\n# no heading\n```\n\n> ## In a quote\n> cat\n"


def test_the_text_is_cut_at_its_headings_as_they_are_on_the_page():
    found = guidelines.passages(TEXT)
    assert [(passage.number, passage.title) for passage in found] == [
        (0, ""), (1, "Cats"), (2, "Big owls"), (3, "In a quote"),
    ]  # fmt: skip
    assert render(TEXT).count("<h") == 3
    assert "".join(passage.text + "\n" for passage in found).rstrip() == TEXT.rstrip()


def test_a_label_is_named_where_it_stands_by_itself():
    found = guidelines.passages("# A\n\nCATS and cat-like\n\n# B\n\ncatalogue\n\n# C\n\nc++ [x]")
    assert [one.title for one in guidelines.naming(found, ["cat"])] == ["A"]
    assert [one.title for one in guidelines.naming(found, ["c++"])] == ["C"]
    assert guidelines.naming(found, [""]) == []
