import json

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from marketplace.labels import TYPES, schema

OPTIONS = ["cat", {"value": "dog", "title": "A dog"}]
FIELDS = [
    {"name": "animal", "type": "choice", "options": OPTIONS},
    {"name": "seen", "type": "choices", "options": OPTIONS, "min": 1, "required": False},
    {"name": "note", "type": "text", "max_length": 20, "required": False},
    {"name": "legs", "type": "number", "integer": True, "min": 0, "max": 100, "required": False},
    {"name": "weight", "type": "number", "min": 0.5, "required": False},
    {"name": "cuteness", "type": "rating", "points": 3, "required": False},
]
RAW = {"display": [{"column": "image", "kind": "image"}], "fields": FIELDS}
SCHEMA, _ = schema.check(RAW)

leaves = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5) | st.sampled_from(["cat", "dog"])
names = st.sampled_from([field["name"] for field in FIELDS]) | st.text(max_size=5)
anything = st.recursive(
    leaves, lambda inner: st.lists(inner, max_size=4) | st.dictionaries(names, inner, max_size=6), max_leaves=12
)
keys = st.sampled_from(
    ["name", "type", "title", "required", "truth", "options", "value", "min", "max", "points", "tolerance", "integer"]
)
specs = st.fixed_dictionaries(
    {"name": st.sampled_from(["a", "b"]) | anything, "type": st.sampled_from([*TYPES, "match"]) | anything},
    optional={"options": st.lists(anything | st.sampled_from(OPTIONS), max_size=4)},
).flatmap(lambda spec: st.dictionaries(keys, anything, max_size=3).map(lambda more: {**more, **spec}))

VALID = [
    {"animal": "cat"},
    {"animal": "dog", "seen": ["dog", "cat"], "note": "x", "legs": 4, "weight": 0.5, "cuteness": 3},
    {"animal": "cat", "legs": 3.0, "weight": 7, "cuteness": 1.0, "note": "é" * 20},
]
WRONG = [
    ([], "", "type"),
    (None, "", "type"),
    ({}, "animal", "missing"),
    ({"animal": "cow"}, "animal", "option"),
    ({"animal": None}, "animal", "type"),
    ({"animal": ["cat"]}, "animal", "type"),
    ({"animal": "cat", "extra": 1}, "extra", "unknown"),
    ({"animal": "cat", "seen": []}, "seen", "length"),
    ({"animal": "cat", "seen": ["cat", "cow"]}, "seen[1]", "option"),
    ({"animal": "cat", "seen": ["cat", "cat"]}, "seen[1]", "duplicate"),
    ({"animal": "cat", "seen": ["cat", 1]}, "seen[1]", "type"),
    ({"animal": "cat", "seen": "cat"}, "seen", "type"),
    ({"animal": "cat", "note": ""}, "note", "length"),
    ({"animal": "cat", "note": " \n"}, "note", "length"),
    ({"animal": "cat", "note": "x" * 21}, "note", "length"),
    ({"animal": "cat", "note": 5}, "note", "type"),
    ({"animal": "cat", "legs": 3.5}, "legs", "type"),
    ({"animal": "cat", "legs": True}, "legs", "type"),
    ({"animal": "cat", "legs": "4"}, "legs", "type"),
    ({"animal": "cat", "legs": 101}, "legs", "range"),
    ({"animal": "cat", "weight": 0.4}, "weight", "range"),
    ({"animal": "cat", "cuteness": 0}, "cuteness", "range"),
    ({"animal": "cat", "cuteness": 4}, "cuteness", "range"),
    ({"animal": "cat", "cuteness": 1.5}, "cuteness", "type"),
    ({"animal": "cat", "cuteness": True}, "cuteness", "type"),
]
NOT_JSON = [
    ({"animal": "cat", "weight": float("nan")}, "weight", "type"),
    ({"animal": "cat", "weight": float("inf")}, "weight", "type"),
    ({"animal": "cat", "weight": 10**400}, "weight", "type"),
    ({"animal": "cat", "note": "a\x00"}, "note", "text"),
    ({"animal": "cat", "note": "\ud83d"}, "note", "text"),
]


def found(errors):
    return [(error.path, error.code) for error in errors]


def read(cell, field):
    """The value of a CSV cell, and why there is none."""
    try:
        return TYPES[field["type"]].from_text(cell, field), ""
    except ValueError as error:
        return None, str(error)


def test_a_good_schema_is_normalised_with_every_key():
    assert SCHEMA["display"] == [{"column": "image", "kind": "image", "title": ""}]
    assert SCHEMA["fields"][0] == {
        "name": "animal",
        "type": "choice",
        "title": "animal",
        "required": True,
        "truth": "factual",
        "options": [{"value": "cat", "title": "cat"}, {"value": "dog", "title": "A dog"}],
    }
    assert SCHEMA["fields"][5]["truth"] == "ordinal"


def test_checking_twice_changes_nothing():
    assert schema.check(SCHEMA) == (SCHEMA, [])


@given(st.lists(specs, max_size=3), anything)
def test_whatever_comes_in_as_a_schema_check_never_raises(fields, other):
    for raw in (other, {"fields": other}, {"fields": fields}, {"fields": fields, "display": other}):
        checked, errors = schema.check(raw)
        assert bool(checked) != bool(errors)
        if checked:
            assert schema.check(json.loads(json.dumps(checked))) == (checked, [])
            Draft202012Validator.check_schema(schema.json_schema(checked))
            assert schema.validate(checked, other) is not None


@pytest.mark.parametrize(
    ("raw", "expected"),
    [
        (None, [("", "type")]),
        ({}, [("fields", "length")]),
        ({"fields": {}}, [("fields", "type")]),
        ({"fields": ["x"]}, [("fields[0]", "type")]),
        ({"fields": [{}]}, [("fields[0].type", "missing"), ("fields[0].name", "missing")]),
        ({"fields": [{"name": "a", "type": "match"}]}, [("fields[0].type", "option")]),
        ({"fields": [{"name": "A", "type": "text"}]}, [("fields[0].name", "name")]),
        ({"fields": [{"name": "a\n", "type": "text"}]}, [("fields[0].name", "name")]),
        ({"fields": [{"name": "a", "type": "text"}] * 2}, [("fields[1].name", "duplicate")]),
        ({"fields": [{"name": "a", "type": "text", "max": 3}]}, [("fields[0].max", "unknown")]),
        ({"fields": [{"name": "a", "type": "text", "truth": "vague"}]}, [("fields[0].truth", "option")]),
        ({"fields": [{"name": "a", "type": "text", "required": 1}]}, [("fields[0].required", "type")]),
        (
            {"fields": [{"name": "a", "type": "choice", "options": ["x", "y", {"value": " z"}]}]},
            [("fields[0].options[2].value", "text")],
        ),
        ({"fields": FIELDS, "display": [{"kind": "image"}]}, [("display[0].column", "missing")]),
        ({"fields": FIELDS, "display": [{"column": "a", "kind": "film"}]}, [("display[0].kind", "option")]),
        ({"fields": FIELDS, "display": [{"column": "a"}] * 2}, [("display[1].column", "duplicate")]),
        ({"fields": FIELDS, "fileds": []}, [("fileds", "unknown")]),
    ],
)
def test_every_problem_of_a_schema_has_its_path_and_code(raw, expected):
    checked, errors = schema.check(raw)
    assert checked == {}
    assert found(errors) == expected


def test_at_most_fifty_fields():
    fields = [{"name": f"f{n}", "type": "text"} for n in range(51)]
    assert schema.check({"fields": fields[:50]})[1] == []
    assert found(schema.check({"fields": fields})[1]) == [("fields", "length")]


@pytest.mark.parametrize("value", VALID)
def test_a_valid_answer_is_valid_and_its_json_schema_agrees(value):
    assert schema.validate(SCHEMA, value) == []
    assert Draft202012Validator(schema.json_schema(SCHEMA)).is_valid(value)


@pytest.mark.parametrize(("value", "path", "code"), WRONG)
def test_a_wrong_answer_is_found_and_its_json_schema_agrees(value, path, code):
    assert found(schema.validate(SCHEMA, value)) == [(path, code)]
    assert not Draft202012Validator(schema.json_schema(SCHEMA)).is_valid(value)


@pytest.mark.parametrize(("value", "path", "code"), NOT_JSON)
def test_what_a_database_or_json_cannot_keep_is_found(value, path, code):
    assert found(schema.validate(SCHEMA, value)) == [(path, code)]


@given(anything | st.dictionaries(names, anything, max_size=6))
def test_whatever_comes_in_validate_never_raises_and_agrees_with_the_json_schema(value):
    errors = schema.validate(SCHEMA, value)
    try:
        json.dumps(value, allow_nan=False, ensure_ascii=False).encode()
    except ValueError:
        return
    if all(error.code != "text" for error in errors):
        assert Draft202012Validator(schema.json_schema(SCHEMA)).is_valid(value) == (not errors)


def test_the_answer_to_an_endless_answer_is_bounded():
    value = {"animal": "x" * 10**6, **{"y" * 1000 + str(n): n for n in range(10_000)}}
    errors = schema.validate(SCHEMA, value)
    assert len(errors) == 100
    assert all(len(error.path) <= 41 and len(error.message) < 200 for error in errors)


def test_codes_are_the_index_in_each_categorical_field_or_minus_one():
    assert schema.categorical(SCHEMA) == [("animal", ["cat", "dog"]), ("cuteness", ["1", "2", "3"])]
    assert schema.codes(SCHEMA, {"animal": "dog", "cuteness": 1.0}) == [1, 0]
    assert schema.codes(SCHEMA, {"animal": "cat"}) == [0, -1]


valid_values = {
    "animal": st.sampled_from(["cat", "dog"]),
    "seen": st.lists(st.sampled_from(["cat", "dog"]), min_size=1, unique=True),
    "note": st.text(st.characters(codec="utf-8", exclude_characters="\x00"), min_size=1, max_size=20).filter(str.strip),
    "legs": st.integers(0, 100),
    "weight": st.floats(0.5, 1e15),
    "cuteness": st.integers(1, 3),
}


@pytest.mark.parametrize("field", SCHEMA["fields"], ids=lambda field: field["name"])
@given(data=st.data())
def test_merging_gives_a_valid_answer_whatever_the_order(field, data):
    kind = TYPES[field["type"]]
    pairs = data.draw(st.lists(st.tuples(valid_values[field["name"]], st.floats(0, 10)), min_size=1, max_size=6))
    values, weights = zip(*pairs, strict=True)
    best = kind.merge(values, weights, field)
    assert kind.validate(best.value, field) == []
    assert 0.0 <= best.confidence <= 1.0
    assert all(not kind.matches(values[index], best.value, field) for index in best.dissent)
    values, weights = zip(*data.draw(st.permutations(pairs)), strict=True)
    assert kind.merge(values, weights, field)[:2] == best[:2]


@pytest.mark.parametrize("field", SCHEMA["fields"], ids=lambda field: field["name"])
@given(data=st.data())
def test_similarity_is_symmetric_and_one_with_oneself_and_csv_cells_read_back(field, data):
    kind = TYPES[field["type"]]
    a, b = data.draw(valid_values[field["name"]]), data.draw(valid_values[field["name"]])
    assert 0.0 <= kind.similarity(a, b, field) <= 1.0
    assert kind.similarity(a, b, field) == pytest.approx(kind.similarity(b, a, field))
    assert kind.similarity(a, a, field) == 1.0
    assert kind.matches(a, a, field)
    assert kind.from_text(kind.to_text(a, field), field) == a


@pytest.mark.parametrize("field", SCHEMA["fields"], ids=lambda field: field["name"])
@given(cell=st.text(max_size=8))
def test_a_csv_cell_is_read_or_refused_plainly(field, cell):
    value, reason = read(cell, field)
    assert len(reason) < 200
    assert reason or TYPES[field["type"]].validate(value, field) == []


@pytest.mark.parametrize("field", SCHEMA["fields"], ids=lambda field: field["name"])
def test_nothing_cannot_be_merged(field):
    with pytest.raises(ValueError, match="there must be answers"):
        TYPES[field["type"]].merge([], [], field)
