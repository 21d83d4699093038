import pytest

from tasks import rules
from tasks.models import Assignment
from tests import make
from tests.tasks import work
from tests.tasks.ruled import MISSED, STOP, batch, when

pytestmark = pytest.mark.django_db
ONCE = when("total", "GreaterThanOrEqualTo", 1)


def wrong(project, *args, **more):
    return {error.path: error.code for error in rules.check(project, *args, **more)}


def because(project, *args, **more):
    (error,) = rules.check(project, *args, **more)
    return error.message


def test_a_rule_about_gold_is_refused_where_there_is_none():
    project = make.project(gold_share=0.0)
    assert "gold is 0" in because(project, "gold", MISSED, STOP)
    assert wrong(make.project(gold_share=0.1), "gold", MISSED, STOP) == {}


FREE = {"display": [{"column": "text"}], "fields": [{"name": "said", "type": "text"}]}
VIEW = {"fields": [{"name": "mood", "type": "choice", "options": ["good", "bad"], "truth": "perspective"}]}


def test_a_rule_about_agreement_is_refused_where_answers_cannot_be_compared_or_none_is_wrong():
    assert "free text" in because(make.project(schema=FREE), "consensus", MISSED, STOP)
    assert "perspective" in because(make.project(schema=VIEW), "consensus", MISSED, STOP)
    assert "perspective" in because(make.project(schema=VIEW, gold_share=0.1), "gold", MISSED, STOP)
    assert wrong(make.project(), "consensus", MISSED, STOP) == {}


def test_rules_about_practice_and_asking_for_it_are_refused_where_there_is_none():
    failed = [when("failed", "GreaterThan", 1)]
    assert "no practice" in because(make.project(), "practice", failed, STOP)
    assert wrong(make.project(), "answers", [when("total", "GreaterThan", 5)], {"kind": "retrain"}) == {
        "action.kind": "unfit"
    }
    assert wrong(make.project(practice_size=2), "practice", failed, {"kind": "retrain"}) == {}
    assert "no exam" in because(make.project(), "exam", failed, STOP)
    assert wrong(make.project(exam_size=2), "exam", failed, {"kind": "retrain"}) == {}
    assert "exam decides" in because(make.project(practice_size=2, exam_size=2), "practice", failed, STOP)


@pytest.mark.parametrize("fast_s", [None, 0.1, 601, "2", True])
def test_a_rule_about_speed_says_what_is_fast_and_not_what_nobody_can_do(fast_s):
    conditions = [when("fast", "GreaterThan", 3)]
    assert wrong(make.project(), "speed", conditions, STOP, 0, {"fast_s": fast_s}) == {"measure.fast_s": "range"}


def test_a_rule_about_speed_is_refused_where_half_of_all_pages_are_as_fast():
    here, wes = batch(), work.worker()
    work.work(wes, here)
    Assignment.objects.update(active_s=6)
    conditions = [when("fast", "GreaterThan", 3)]
    assert "half of all pages" in because(here.project, "speed", conditions, STOP, 0, {"fast_s": 2})
    assert wrong(here.project, "speed", conditions, STOP, 0, {"fast_s": 1}) == {}


@pytest.mark.parametrize(
    ("condition", "history"),
    [
        (when("correct_share", "GreaterThan", 1), 0),
        (when("correct_share", "LessThan", 0), 0),
        (when("correct_share", "LessThanOrEqualTo", 1), 0),
        (when("correct_share", "NotEqualTo", 1.5), 0),
        (when("total", "GreaterThanOrEqualTo", 0), 0),
        (when("total", "GreaterThanOrEqualTo", 1), 0),
        (when("total", "GreaterThan", 20), 20),
        (when("total", "EqualTo", 2.5), 0),
        (when("wrong_in_row", "GreaterThan", 100_000), 0),
    ],
)
def test_a_condition_that_always_or_never_holds_is_refused(condition, history):
    assert wrong(make.project(), "gold", [condition], STOP, history) == {"conditions[0].to": "range"}


def test_conditions_that_exclude_each_other_are_refused():
    both = [when("total", "GreaterThan", 10), when("total", "LessThan", 11)]
    assert wrong(make.project(), "gold", both, STOP) == {"conditions": "range"}
    assert wrong(make.project(), "gold", [when("total", "GreaterThan", 10), when("total", "LessThan", 12)], STOP) == {}


@pytest.mark.parametrize(
    ("conditions", "path"),
    [
        ([], "conditions"),
        ([ONCE] * 6, "conditions"),
        ("all", "conditions"),
        (["x"], "conditions[0]"),
        ([when("luck", "LessThan", 1)], "conditions[0].figure"),
        ([when("total", "Like", 4)], "conditions[0].is"),
        ([when("total", "LessThan", "4")], "conditions[0].to"),
        ([when("total", "LessThan", float("nan"))], "conditions[0].to"),
        ([{**when("total", "LessThan", 4), "or": 1}], "conditions[0].or"),
        ([when("p_below", "GreaterThan", 0.9)], "conditions[0].figure"),
    ],
)
def test_a_condition_that_makes_no_sense_is_refused_at_its_place(conditions, path):
    assert list(wrong(make.project(), "gold", conditions, STOP)) == [path]


@pytest.mark.parametrize(
    ("action", "path"),
    [
        ({"kind": "sack"}, "action.kind"),
        ("stop", "action"),
        ({"kind": "stop"}, "action.hours"),
        ({"kind": "stop", "hours": 73}, "action.hours"),
        ({"kind": "stop", "hours": 0}, "action.hours"),
        ({"kind": "stop", "hours": 1.5}, "action.hours"),
        ({"kind": "stop", "hours": 1, "why": "x"}, "action.why"),
        ({"kind": "small_pages"}, "action.page_size"),
        ({"kind": "small_pages", "page_size": 10}, "action.page_size"),
        ({"kind": "small_pages", "page_size": 1, "hours": 100}, "action.hours"),
        ({"kind": "notify", "whom": "worker"}, "action.text"),
        ({"kind": "notify", "whom": "everybody", "text": "Hi."}, "action.whom"),
        ({"kind": "propose", "what": "suspend"}, "action.what"),
    ],
)
def test_an_action_that_a_rule_may_not_take_is_refused_at_its_place(action, path):
    assert list(wrong(make.project(), "gold", MISSED, action)) == [path]


@pytest.mark.parametrize("sent", [None, 3, [], {}, "x" * 300, float("inf"), {"figure": {}}])
def test_whatever_is_sent_is_refused_and_never_a_fault(sent):
    project = make.project()
    assert rules.check(project, sent, MISSED, STOP)
    assert rules.check(project, "gold", sent, STOP)
    assert rules.check(project, "gold", [sent], STOP)
    assert rules.check(project, "gold", MISSED, sent)
    rules.check(project, "speed", MISSED, STOP, sent, sent)
