import json

import pytest

from marketplace.labels import schema as label_schema
from tasks.consolidations import contract
from tasks.consolidations.contract import Row

ONE = {"display": [{"column": "text"}], "fields": [{"name": "animal", "type": "choice", "options": ["cat", "dog"]}]}
MANY = {
    "fields": [
        {"name": "animal", "type": "choice", "options": ["cat", "dog"]},
        {"name": "legs", "type": "number", "integer": True, "min": 0, "max": 4, "required": False},
        {"name": "marks", "type": "choices", "options": ["spots", "stripes", "tail"], "min": 2},
        {"name": "size", "type": "rating", "points": 5},
        {"name": "name", "type": "text"},
    ]
}


def schema(raw):
    checked, errors = label_schema.check(raw)
    assert not errors
    return checked


def said(*rows):
    return json.dumps(
        [{"datasetObjectId": key, "consolidatedAnnotation": {"content": content}} for key, content in rows]
    ).encode()


def understood(*rows, raw=ONE, keys=("a", "b")):
    return contract.understand(schema(raw), keys, said(*rows))


def test_a_request_is_ground_truths_with_the_rows_in_it():
    rows = [Row("a", {"text": "miaow"}, [("w_1", {"animal": "cat"}), ("w_2", {"animal": "dog"})])]
    asked = json.loads(contract.request("bat_1", schema(ONE), rows))
    assert asked.pop("fields") == schema(ONE)["fields"]
    assert asked == {
        "version": "2018-10-16",
        "labelingJobArn": "bat_1",
        "labelCategories": ["cat", "dog"],
        "labelAttributeName": "animal",
        "roleArn": "",
        "payload": {
            "content": [
                {
                    "datasetObjectId": "a",
                    "dataObject": {"content": '{"text":"miaow"}'},
                    "annotations": [
                        {"workerId": "w_1", "annotationData": {"content": '{"animal":"cat"}'}},
                        {"workerId": "w_2", "annotationData": {"content": '{"animal":"dog"}'}},
                    ],
                }
            ]
        },
    }


def test_of_several_fields_none_is_the_one():
    asked = json.loads(contract.request("bat_1", schema(MANY), []))
    assert (asked["labelCategories"], asked["labelAttributeName"]) == ([], "")


def test_every_row_has_its_label_with_its_confidence_or_none():
    found = understood(("b", {"animal": "dog", "animal-metadata": {"confidence": 0.25}}), ("a", {"animal": "cat"}))
    assert found.labels == {"a": {"animal": ("cat", None)}, "b": {"animal": ("dog", 0.25)}}
    assert (found.wrong, found.stray) == ({}, [])


@pytest.mark.parametrize("confidence", [0, 1, 0.5, None])
def test_a_confidence_is_a_share_or_not_known(confidence):
    found = understood(("a", {"animal": "cat", "animal-metadata": {"confidence": confidence}}), keys=["a"])
    assert found.labels["a"]["animal"] == ("cat", confidence)


@pytest.mark.parametrize("confidence", [-0.01, 1.01, "0.5", True, [], {}])
def test_what_is_no_share_costs_the_row_its_label(confidence):
    found = understood(("a", {"animal": "cat", "animal-metadata": {"confidence": confidence}}), keys=["a"])
    assert found.wrong == {"a": "animal-metadata.confidence: expected a number from 0 to 1"}


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ({"animal": "owl"}, 'animal ("owl"): not one of the options'),
        ({"animal": 7}, "animal (7): expected one of the options"),
        ({}, "animal: required"),
        ({"animal": "cat", "plant": 1}, "plant (1): no such field"),
        ("cat", "consolidatedAnnotation.content: expected an object of field name and value"),
        (None, "consolidatedAnnotation.content: expected an object of field name and value"),
    ],
)
def test_a_row_that_is_wrong_says_where_and_what_was_expected_and_costs_no_other(content, why):
    found = understood(("a", content), ("b", {"animal": "dog"}))
    assert found.wrong == {"a": why}
    assert found.labels == {"b": {"animal": ("dog", None)}}


def test_long_values_are_shown_in_part():
    found = understood(("a", {"animal": "x" * 10_000}), keys=["a"])
    assert len(found.wrong["a"]) < 100


def test_missing_doubled_and_stray_rows_are_told_apart():
    cat = {"animal": "cat"}
    found = understood(("a", cat), ("a", {"animal": "dog"}), ("z", cat), ("y", cat), ("x", cat), ("w", cat))
    assert found.wrong == {
        "a": "it gave 2 rows with this datasetObjectId",
        "b": "it gave no row with this datasetObjectId",
    }
    assert found.stray == ["z", "y", "x"]


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"", "not JSON"),
        (b"<html>", "not JSON"),
        (b"\xff", "not JSON that can be kept: byte 1 is not UTF-8"),
        (b"[NaN]", "not JSON that can be kept: NaN is not JSON"),
        (b'["\\u0000"]', "not JSON that can be kept: a text holds a NUL character"),
        (b"[" * 100_000, "not JSON"),
        (b"[" * 60 + b"]" * 60, "not JSON that can be kept: nested deeper than 50"),
        (b'{"rows": []}', "not a list of rows"),
        (b"null", "not a list of rows"),
    ],
)
def test_what_is_no_list_is_not_understood_at_all(body, why):
    with pytest.raises(contract.NotUnderstood, match=why):
        contract.understand(schema(ONE), ["a"], body)


@pytest.mark.parametrize("entry", [1, None, [], {}, {"datasetObjectId": 1}, {"datasetObjectId": ["a"]}])
def test_entries_that_name_no_row_are_as_good_as_none(entry):
    found = contract.understand(schema(ONE), ["a"], json.dumps([entry]).encode())
    assert found.wrong == {"a": "it gave no row with this datasetObjectId"}


def test_every_type_of_field_is_checked_and_a_row_is_taken_whole():
    good = {"animal": "cat", "legs": 4, "marks": ["spots", "tail"], "size": 5, "name": "Tom"}
    found = understood(("a", good), ("b", {**good, "legs": 5}), raw=MANY)
    assert {name: value for name, (value, _) in found.labels["a"].items()} == good
    assert found.wrong == {"b": "legs (5): must lie between 0 and 4"}


def test_a_field_that_is_not_required_may_be_left_out():
    found = understood(("a", {"animal": "cat", "marks": ["spots", "tail"], "size": 5, "name": "T"}), raw=MANY, keys="a")
    assert "legs" not in found.labels["a"]
    assert not found.wrong


def test_an_example_is_an_answer_that_the_schema_takes():
    for raw in (ONE, MANY):
        example = contract.example(schema(raw))
        assert label_schema.validate(schema(raw), example) == []
        assert set(example) == {field["name"] for field in raw["fields"]}
