import random
from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction

from marketplace import accounts
from marketplace.core import clock
from marketplace.core.errors import Forbidden, IllegalMove, Invalid
from marketplace.models import AuditEvent, Project
from tasks import appeals, assignments, decisions, evidence, jobs, rules, training
from tasks.errors import Stopped
from tasks.models import Answer, Assignment, Decision, Evidence, Firing, Gold, Rule
from tasks.rules import applying, collectors
from tests import make
from tests.tasks import work
from tests.tasks.ruled import MISSED, STOP, batch, checked, rule, sweep, when
from workers.models import Notice, Standing

pytestmark = pytest.mark.django_db
ONCE = when("total", "GreaterThanOrEqualTo", 1)


def figures_of(made, person):
    """The figures of a rule at the newest piece of a worker."""
    found = applying.counted(made, person.pk)
    return {name: float(column[-1]) for name, column in collectors.figures_of(made, found).items()} if found else {}


def wrong(project, *args, **more):
    return {error.path: error.code for error in rules.check(project, *args, **more)}


def because(project, *args, **more):
    (error,) = rules.check(project, *args, **more)
    return error.message


# What is counted


@pytest.mark.parametrize("kind", ["gold", "consensus"])
def test_checks_are_counted_with_share_run_and_probability(kind):
    here, wes = batch(), work.worker()
    checked(wes, here, 1.0, 0.0, 0.25, kind=kind)
    checked(wes, here, 0.0, kind="review")
    made = rule(here.project, kind, on=False, measure={"threshold": 0.9})
    found = figures_of(made, wes)
    assert (found["total"], found["correct"], found["wrong_in_row"]) == (3, 1.25, 2)
    assert found["correct_share"] == pytest.approx(1.25 / 3)
    assert found["p_below"] > 0.95


def test_only_the_last_of_what_is_collected_count_where_the_rule_says_so():
    here, wes = batch(), work.worker()
    checked(wes, here, 0, 0, 0, 1, 0)
    found = figures_of(rule(here.project, conditions=[when("wrong_in_row", "EqualTo", 2)], on=False, history=2), wes)
    assert (found["total"], found["correct"], found["wrong_in_row"]) == (2, 1, 1)


def test_evidence_that_is_void_is_not_counted():
    here, wes = batch(), work.worker()
    rows = checked(wes, here, 0, 0, 1)
    evidence.void(Evidence.objects.filter(pk=rows[0].pk), "wrong gold")
    assert figures_of(rule(here.project, on=False), wes)["total"] == 2


def test_reviews_count_what_was_wrong():
    here, wes = batch(), work.worker()
    checked(wes, here, 1, 0, 0, kind="review")
    found = figures_of(rule(here.project, "review", [when("wrong", "GreaterThan", 1)], on=False), wes)
    assert found == {"total": 3, "wrong": 2}


def test_only_decisions_that_are_final_are_counted():
    here, wes, rita = batch(), work.worker(), make.user("rita")
    page = work.work(wes, here)
    answers = list(page.answers.select_related("task", "batch").order_by("position"))
    made = rule(here.project, "acceptance", [when("rejected", "GreaterThan", 0)], on=False)
    decisions.reject(answers[0], rita, "wrong", "No.", refill=False)
    assert figures_of(made, wes) == {}
    Answer.objects.filter(pk=answers[1].pk).update(accept_at=clock.now())
    jobs.accept()
    assert figures_of(made, wes) == {"total": 1, "accepted": 1, "rejected": 0, "rejected_share": 0}
    Decision.objects.update(contestable_until=clock.now())
    assert figures_of(made, wes) == {"total": 2, "accepted": 1, "rejected": 1, "rejected_share": 0.5}


def test_a_rejection_that_is_contested_is_final_when_the_appeal_is_dismissed():
    here, wes = batch(), work.worker()
    answer = work.work(wes, here).answers.select_related("task", "batch")[0]
    appeal = appeals.contest(decisions.reject(answer, make.user("rita"), "wrong", "No.", refill=False), wes, "Yes.")
    Decision.objects.update(contestable_until=clock.now())
    made = rule(here.project, "acceptance", [when("rejected", "GreaterThan", 0)], on=False)
    assert figures_of(made, wes) == {}
    appeals.dismiss(appeal, make.user("ada", staff=True), "No.")
    assert figures_of(made, wes)["rejected"] == 1


def test_answers_are_counted_in_this_project_alone():
    here, wes = batch(gold_share=0.0), work.worker()
    work.work(wes, work.published())
    work.work(wes, here)
    made = rule(here.project, "answers", [when("total", "GreaterThanOrEqualTo", 2)], on=False)
    assert figures_of(made, wes) == {"total": 3}


def test_a_page_is_fast_by_its_active_seconds_or_where_none_were_told_by_all_of_them():
    here, wes = batch(), work.worker()
    pages = [work.work(wes, here) for _ in range(3)]
    at = clock.now()
    Assignment.objects.filter(pk=pages[0].pk).update(active_s=30)
    Assignment.objects.filter(pk=pages[1].pk).update(active_s=3)
    Assignment.objects.filter(pk=pages[2].pk).update(active_s=0, claimed_at=at - timedelta(minutes=2), submitted_at=at)
    made = rule(here.project, "speed", [when("fast_share", "GreaterThan", 0.5)], on=False, measure={"fast_s": 2})
    found = figures_of(made, wes)
    assert (found["total"], found["fast"]) == (3, 1)


def test_skipped_tasks_are_counted_in_a_row_across_pages_that_are_over():
    here, wes = batch(items=12), work.worker()
    work.work(wes, here)
    for _ in range(2):
        page = assignments.claim(wes, here.project)
        for position in range(3):
            page = assignments.skip(page, position)
    made = rule(here.project, "skips", [when("in_row", "GreaterThan", 4)], on=False)
    assert figures_of(made, wes) == {"total": 9, "in_row": 6}
    work.work(wes, here)
    assert figures_of(made, wes)["in_row"] == 0


def test_failed_attempts_at_the_practice_are_counted():
    here, wes = batch(practice_size=2), work.worker()
    work.practise(wes, here.project, "cat")
    work.practise(wes, here.project, "owl")
    made = rule(here.project, "practice", [when("failed", "GreaterThan", 0)], on=False)
    assert figures_of(made, wes) == {"total": 2, "failed": 1}


# What can be a rule of a project


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


# Writing them


def test_a_rule_is_on_only_after_it_was_tried():
    here, rita = batch(), make.user("rita")
    made = rule(here.project, on=False)
    with pytest.raises(IllegalMove, match="try it"):
        rules.switch_on(made, rita)
    rules.try_on_past(made, rita)
    assert rules.switch_on(made, rita).state == "on"
    with pytest.raises(IntegrityError, match="rule_on_was_tried"), transaction.atomic():
        Rule.objects.update(tried_at=None)
    assert rules.switch_off(made, rita).state == "off"
    verbs = AuditEvent.objects.filter(target_type="rule").order_by("pk").values_list("verb", flat=True)
    assert list(verbs) == ["draft", "try", "switch_on", "switch_off"]


def test_a_revision_is_a_new_version_to_be_tried_anew_and_the_old_one_goes_off():
    here, rita = batch(), make.user("rita")
    first = rule(here.project)
    second = rules.revise(first, rita, action={"kind": "stop", "hours": 2})
    first.refresh_from_db()
    assert (first.state, first.action, second.state, second.version) == ("off", STOP, "draft", 2)
    assert (second.conditions, second.family) == (first.conditions, first.pk)
    with pytest.raises(IllegalMove):
        rules.switch_on(second, rita)
    for verb in (rules.switch_on, rules.revise):
        with pytest.raises(IllegalMove, match="newer version"):
            verb(first, rita)
    assert list(Rule.objects.newest()) == [second]
    assert rules.revise(second, rita, name="Again").family == first.pk


def test_only_managers_write_rules():
    here, rita = batch(), make.user("rita")
    made = rule(here.project, on=False)
    rosa = make.user("rosa")
    accounts.add_member(here.project.organisation, "rosa@example.org", "reviewer", rita)
    for person in (rosa, make.user("sam")):
        for verb in (rules.try_on_past, rules.switch_on, rules.switch_off, rules.revise):
            with pytest.raises(Forbidden):
                verb(made, person)
        with pytest.raises(Forbidden):
            rules.draft(here.project, person, "Mine", "gold", MISSED, STOP)


def test_a_rule_that_fits_the_project_no_more_is_not_switched_on():
    here, rita = batch(), make.user("rita")
    made = rule(here.project, on=False)
    rules.try_on_past(made, rita)
    Project.objects.update(gold_share=0)
    Gold.objects.update(purpose="practice")
    with pytest.raises(Invalid):
        rules.switch_on(made, rita)


def test_a_project_has_only_so_many_rules_that_are_on(settings):
    settings.RULES_MOST = 1
    here = batch()
    rule(here.project)
    with pytest.raises(Invalid, match="at most 1"):
        rule(here.project)


def test_a_rule_is_said_in_a_plain_sentence():
    here = batch(practice_size=2)
    made = rule(here.project, history=20, on=False)
    assert rules.describe(made) == (
        "When, of a worker's last 20 answers to tasks whose right answer is known, the share that is right is less "
        "than 60 % and the number of checks is at least 4, they are offered no more work of this project for 24 hours."
    )
    made = rule(here.project, "speed", [when("fast", "GreaterThan", 3)], {"kind": "retrain"}, on=False,
                measure={"fast_s": 2})  # fmt: skip
    assert "pages with less than 2 s a task is more than 3, they are asked to pass the training" in rules.describe(made)


# What they do


def test_a_worker_is_stopped_with_the_figures_and_the_rows_that_were_counted():
    here, wes = batch(), work.worker()
    made = rule(here.project)
    rows = checked(wes, here, 1, 0, 0, 0)
    sweep()
    decision = Decision.objects.get()
    assert (decision.kind, decision.rule, decision.decided_by, decision.reason_code) == (
        "stop",
        made,
        None,
        "inaccurate",
    )
    assert (decision.facts["total"], decision.facts["correct_share"]) == (4, 0.25)
    assert decision.until - decision.decided_at == pytest.approx(timedelta(hours=24), abs=timedelta(seconds=5))
    assert set(decision.grounds.values_list("evidence", flat=True)) == {row.pk for row in rows}
    assert "the share that is right: 25 %" in decision.reason
    with pytest.raises(Stopped):
        assignments.claim(wes, here.project)
    sweep()
    assert Decision.objects.count() == Firing.objects.count() == 1


def test_conditions_must_all_hold():
    here, wes = batch(), work.worker()
    rule(here.project)
    checked(wes, here, 0, 0, 0)
    sweep()
    assert not Decision.objects.exists()
    checked(wes, here, 1)
    sweep()
    assert Decision.objects.count() == 1


def test_what_was_there_when_a_rule_was_switched_on_counts_and_is_none_to_act_on():
    here, wes = batch(), work.worker()
    checked(wes, here, 0, 0, 0, 0)
    rule(here.project)
    sweep()
    assert not Decision.objects.exists()
    checked(wes, here, 0)
    sweep()
    assert Decision.objects.get().facts["total"] == 5


def test_a_rule_that_is_off_and_one_of_a_closed_project_does_nothing():
    here, wes = batch(), work.worker()
    made = rule(here.project)
    rules.switch_off(made, make.user("rita"))
    checked(wes, here, 0, 0, 0, 0)
    sweep()
    assert rules.consider(made, wes.pk) is None
    made = rule(here.project)
    Project.objects.update(state="closed")
    checked(wes, here, 0)
    sweep()
    assert not Decision.objects.exists()


def test_what_a_rule_decided_stands_when_it_is_switched_off_or_revised():
    here, wes = batch(), work.worker()
    made = rule(here.project)
    checked(wes, here, 0, 0, 0, 0)
    sweep()
    rules.switch_off(made, make.user("rita"))
    rules.revise(made, make.user("rita"), name="Other")
    assert Decision.objects.get().state == "standing"
    assert Standing.objects.filter(lifted_at=None).exists()


def test_pages_are_smaller_training_is_asked_for_people_are_told():
    here, wes = batch(practice_size=2), work.worker()
    work.practise(wes, here.project)
    worker_told = {"kind": "notify", "whom": "worker", "text": "Look at the examples again."}
    requester_told = {"kind": "notify", "whom": "requester", "text": "Somebody misses much."}
    for action in ({"kind": "small_pages", "page_size": 1}, worker_told, requester_told):
        rule(here.project, action=action)
    checked(wes, here, 0, 0, 0, 0)
    sweep()
    assert work.work(wes, here).answers.count() == 1
    told = Notice.objects.get(user=wes.user, kind="rule")
    assert told.text.startswith("Look at the examples again.")
    name = here.project.organisation.pseudonym(wes.public_id)
    assert name in Notice.objects.get(user=make.user("rita"), kind="rule").text
    assert wes.public_id not in Notice.objects.get(user=make.user("rita"), kind="rule").text
    rule(here.project, action={"kind": "retrain"})
    checked(wes, here, 0)
    sweep()
    assert training.status(wes, here.project) != "passed"


def test_who_is_told_is_told_again_only_when_it_begins_to_hold_again():
    here, wes = batch(), work.worker()
    rule(here.project, conditions=[when("wrong_in_row", "GreaterThanOrEqualTo", 2)],
         action={"kind": "notify", "whom": "worker", "text": "Look."})  # fmt: skip
    for mark, times in ((0, 0), (0, 1), (0, 1), (1, 1), (0, 1), (0, 2), (0, 2)):
        checked(wes, here, mark)
        sweep()
        assert Notice.objects.filter(kind="rule").count() == times


def test_what_is_heavier_is_proposed_and_nothing_happens():
    here, wes = batch(), work.worker()
    rule(here.project, action={"kind": "propose", "what": "deny"})
    rule(here.project, action={"kind": "propose", "what": "reject"})
    checked(wes, here, 0, 0, 0, 0)
    sweep()
    assert (
        sorted(Decision.objects.values_list("kind", "state")) == [("deny", "proposed")] + [("reject", "proposed")] * 3
    )
    assert not Notice.objects.exists()
    assert Answer.objects.filter(worker=wes, state="submitted").count() == 3
    checked(wes, here, 0)
    sweep()
    assert Decision.objects.count() == 4
    decisions.sign(Decision.objects.filter(kind="reject").first(), make.user("rita"))
    assert Answer.objects.filter(worker=wes, state="rejected").count() == 1


def test_so_many_rejections_are_proposed_at_a_time_and_none_twice(settings):
    settings.RULE_PROPOSALS_MOST = 2
    here, wes = batch(), work.worker()
    rule(here.project, action={"kind": "propose", "what": "reject"})
    checked(wes, here, 0, 0, 0, 0)
    sweep()
    first = set(Decision.objects.values_list("answer", flat=True))
    assert len(first) == 2
    for proposal in Decision.objects.all():
        decisions.decline(proposal, make.user("rita"))
    checked(wes, here, 0, 0, 0, 0)
    sweep()
    assert Decision.objects.exclude(answer__in=first).count() == Decision.objects.filter(state="proposed").count() == 1


def test_members_and_workers_without_an_answer_are_never_hit():
    here, wes = batch(), work.worker()
    made = rule(here.project)
    checked(wes, here, 0, 0, 0, 0)
    Evidence.objects.exclude(answer__worker=wes)
    nobody = work.worker("nobody")
    assert applying.may_be_hit(here.project, [wes.pk, nobody.pk]) == {wes.pk}
    accounts.add_member(here.project.organisation, "wes@example.org", "reviewer", make.user("rita"))
    sweep()
    assert rules.consider(made, wes.pk) is None
    assert rules.replay(made).would_have == 0
    assert not Decision.objects.exists()


def test_one_worker_who_cannot_be_judged_does_not_hold_up_the_others(monkeypatch, caplog):
    here, wes, max_ = batch(), work.worker(), work.worker("max")
    rule(here.project)
    for person in (wes, max_):
        checked(person, here, 0, 0, 0, 0)
    whole = applying.consider
    monkeypatch.setattr(applying, "consider", lambda made, pk: 1 / 0 if pk == wes.pk else whole(made, pk))
    sweep()
    assert Decision.objects.get().worker == max_
    assert "failed for worker" in caplog.text


def test_a_round_goes_on_where_its_step_ended():
    here = batch(redundancy_max=5, redundancy_min=5)
    crowd = [work.worker(f"worker{n}") for n in range(3)]
    made = rule(here.project)
    for person in crowd:
        checked(person, here, 0, 0, 0, 0)
    made.refresh_from_db()
    assert rules.look(made, limit=2)
    assert Decision.objects.count() == 2
    made.refresh_from_db()
    assert not rules.look(made, limit=2)
    made.refresh_from_db()
    assert (Decision.objects.count(), made.looking_at, made.looked_worker) == (3, None, 0)
    assert made.looked_at > made.switched_at


def test_a_row_that_others_see_late_is_still_looked_at():
    here, wes = batch(), work.worker()
    rule(here.project)
    checked(wes, here, 0, 0, 0)
    (late,) = checked(wes, here, 0)
    with transaction.atomic():  # as one whose transaction took half a minute
        Rule.objects.update(looked_at=clock.now() + timedelta(seconds=30))
    sweep()
    assert Decision.objects.get().grounds.filter(evidence=late).exists()


# Once for one cause


def ended(decision):
    """As if its time had passed."""
    at = clock.now()
    Decision.objects.filter(pk=decision.pk).update(until=at)
    Standing.objects.filter(pk=decision.standing_id).update(until=at)


def test_a_rule_acts_again_only_when_its_decision_has_ended_and_something_is_new():
    here, wes = batch(), work.worker()
    rule(here.project)
    checked(wes, here, 0, 0, 0, 0)
    sweep()
    checked(wes, here, 0)
    sweep()
    assert Decision.objects.count() == 1
    ended(Decision.objects.get())
    sweep()
    assert Decision.objects.count() == 1
    checked(wes, here, 0)
    sweep()
    assert Decision.objects.count() == 2


def test_what_an_overturned_decision_rested_on_fires_the_rule_no_more():
    here, wes, rita = batch(), work.worker(), make.user("rita")
    made = rule(here.project)
    checked(wes, here, 0, 0, 0, 0)
    sweep()
    decisions.withdraw(Decision.objects.get(), rita, "The gold was hard.")
    checked(wes, here, 0, 0, 0)
    sweep()
    assert Decision.objects.count() == 1
    second = rules.revise(made, rita, name="Missed even more")
    rules.try_on_past(second, rita)
    rules.switch_on(second, rita)
    checked(wes, here, 0)
    sweep()
    assert Decision.objects.order_by("pk").last().facts["total"] == 4


def test_a_declined_proposal_is_not_made_again_for_the_same():
    here, wes, rita = batch(), work.worker(), make.user("rita")
    rule(here.project, action={"kind": "propose", "what": "deny"})
    checked(wes, here, 0, 0, 0, 0)
    sweep()
    decisions.decline(Decision.objects.get(), rita)
    checked(wes, here, 0, 0, 0)
    sweep()
    assert Decision.objects.count() == 1
    checked(wes, here, 0)
    sweep()
    assert Decision.objects.count() == 2


def test_who_trained_again_is_judged_anew():
    here, wes = batch(practice_size=2), work.worker()
    work.practise(wes, here.project)
    rule(here.project, action={"kind": "retrain"})
    checked(wes, here, 0, 0, 0, 0)
    sweep()
    checked(wes, here, 0)
    sweep()
    assert Decision.objects.count() == 1
    work.practise(wes, here.project)
    checked(wes, here, 0)
    sweep()
    assert Decision.objects.count() == 2


def test_the_same_cause_is_refused_by_the_database():
    here, wes = batch(), work.worker()
    rule(here.project)
    checked(wes, here, 0, 0, 0, 0)
    sweep()
    firing = Firing.objects.get()
    firing.pk = firing.decision = None
    with pytest.raises(IntegrityError, match="firing_once"), transaction.atomic():
        firing.save()


# Tried on the past


def test_a_trial_says_who_would_have_been_hit_when_and_how_good_they_are():
    here = batch(items=12, redundancy_min=3, redundancy_max=5)
    bad, good = work.worker("bad"), work.worker("good")
    rows = checked(bad, here, 0, 0, 1, 0)
    checked(good, here, 1, 1, 1, 1)
    Answer.objects.filter(worker=bad).update(submitted_at=clock.now() - timedelta(hours=1))
    work.work(bad, here)
    made = rule(here.project, on=False)
    trial = rules.try_on_past(made, make.user("rita"))
    assert (trial.workers, trial.pieces, trial.would_have) == (2, 8, 1)
    (hit,) = trial.hit
    assert hit.worker == here.project.organisation.pseudonym(bad.public_id)
    assert hit.first == rows[-1].created_at.isoformat()
    assert (hit.figures["correct_share"], hit.answers_after) == (0.25, 3)
    assert hit.accuracy_p05 < hit.accuracy < trial.others[0].accuracy
    made.refresh_from_db()
    assert made.tried["would_have"] == 1
    assert not Decision.objects.exists()


def test_a_trial_reads_only_so_much(settings):
    settings.RULE_TRIAL_PIECES_MOST = 3
    here = batch(items=12, redundancy_min=3, redundancy_max=5)
    for name in ("bad", "good"):
        checked(work.worker(name), here, 0, 0, 0, 0)
    assert rules.replay(rule(here.project, on=False)).workers == 1


RANDOM_RULES = [
    ("gold", MISSED, {}),
    ("gold", [when("wrong_in_row", "GreaterThanOrEqualTo", 3)], {}),
    ("gold", [when("p_below", "GreaterThan", 0.7), when("total", "GreaterThan", 2)], {"measure": {"threshold": 0.7}}),
    ("consensus", [when("correct_share", "LessThanOrEqualTo", 0.5)], {"history": 4}),
    ("review", [when("wrong", "EqualTo", 3), when("total", "GreaterThan", 4)], {"history": 6}),
]


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("collector", "conditions", "more"), RANDOM_RULES)
def test_a_trial_says_what_a_live_run_over_the_same_events_does(seed, collector, conditions, more):
    luck = random.Random(f"{seed} {collector} {conditions}")
    here = batch(items=12, redundancy_min=5, redundancy_max=5)
    crowd = [work.worker(f"worker{n}") for n in range(4)]
    live = rule(here.project, collector, conditions, **more)
    for _ in range(30):
        kind = luck.choice([collector, collector, "gold", "consensus"])
        checked(luck.choice(crowd), here, luck.choice([0.0, 0.0, 0.4, 1.0]), kind=kind)
        if luck.random() < 0.4:
            sweep()
    sweep()
    pseudonym = here.project.organisation.pseudonym
    did = {pseudonym(one.worker.public_id): one.figures for one in Firing.objects.select_related("worker")}
    assert {one.worker: one.figures for one in rules.replay(live).hit} == did
