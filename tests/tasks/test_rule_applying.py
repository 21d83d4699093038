from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction

from marketplace import accounts
from marketplace.core import clock
from marketplace.models import Project
from tasks import assignments, decisions, rules, training
from tasks.errors import Stopped
from tasks.models import Answer, Assignment, Decision, Evidence, Firing, Rule
from tasks.rules import applying, collectors
from tests import make
from tests.tasks import work
from tests.tasks.ruled import batch, checked, rule, sweep, when
from workers.models import Notice, Standing

pytestmark = pytest.mark.django_db


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


def test_the_sweep_finds_who_has_news_for_every_collector():
    """Each collector acts by itself, through the sweep alone, on what happens after it is switched on."""
    here, rita = batch(items=24, practice_size=2, redundancy_min=3, redundancy_max=3), make.user("rita")
    note = {"kind": "notify", "whom": "worker", "text": "Look."}
    for collector, figure, more in [
        ("gold", "wrong_in_row", {}),
        ("consensus", "wrong_in_row", {}),
        ("review", "wrong", {}),
        ("acceptance", "rejected", {}),
        ("answers", "total", {}),
        ("speed", "fast", {"measure": {"fast_s": 5}}),
        ("skips", "in_row", {}),
        ("practice", "failed", {}),
    ]:
        rule(here.project, collector, [when(figure, "GreaterThanOrEqualTo", 2)], note, **more)

    def acted():
        sweep()
        return sorted(Firing.objects.values_list("rule__collector", flat=True))

    wes = work.worker()
    for _ in range(2):
        work.practise(wes, here.project, "cat")
    assert acted() == ["practice"]
    work.practise(wes, here.project)
    for _ in range(2):
        page = assignments.claim(wes, here.project)
        for position in range(3):
            page = assignments.skip(page, position)
    page = assignments.claim(wes, here.project)
    assert acted() == ["practice", "skips"]
    work.answer(page)
    assert acted() == ["answers", "practice", "skips"]
    Assignment.objects.filter(pk=work.work(wes, here).pk).update(active_s=1)
    Assignment.objects.filter(pk=page.pk).update(active_s=1)
    assert acted() == ["answers", "practice", "skips", "speed"]
    for kind in ("gold", "consensus"):
        checked(wes, here, 0, 0, kind=kind)
    assert acted() == ["answers", "consensus", "gold", "practice", "skips", "speed"]
    for answer in page.answers.select_related("task", "batch")[:2]:
        decisions.reject(answer, rita, "wrong", "No.", refill=False)
    assert "review" in acted()
    assert "acceptance" not in acted()
    Decision.objects.update(contestable_until=clock.now())
    assert acted() == sorted(collectors.COLLECTORS.keys() - {"exam"})


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
