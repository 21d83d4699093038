"""Two sweeps at one rule, a rule against a page that is handed in, and against a person."""

from threading import Barrier

import pytest
from django.db import IntegrityError

from marketplace.core.errors import DomainError
from tasks import assignments, audit, decisions, evidence, reconsidering, rules
from tasks.models import Answer, Decision, Evidence, Firing
from tasks.rules import applying
from tests import make
from tests.race import race
from tests.tasks import work
from tests.tasks.ruled import batch, checked, rule, sweep
from workers.models import Standing

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.mark.parametrize("round_", range(5))
@pytest.mark.parametrize("kind", ["stop", "propose"])
def test_sweeps_at_once_decide_once(round_, kind):
    here, wes = batch(), work.worker()
    action = {"kind": "stop", "hours": 2} if kind == "stop" else {"kind": "propose", "what": "deny"}
    made = rule(here.project, action=action)
    checked(wes, here, 0, 0, 0, 0)
    made.refresh_from_db()
    ended = race(*[lambda: rules.look(made)] * 6)
    assert ended == [False] * 6
    assert Decision.objects.count() == Firing.objects.count() == 1
    assert Standing.objects.count() == (kind == "stop")


def without_the_lock(monkeypatch):
    """Two that consider a worker both look before either acts."""
    both_have_looked, past = Barrier(2), applying._past

    def slowly(rule, worker):
        found = past(rule, worker)
        both_have_looked.wait(10)
        return found

    monkeypatch.setattr(applying, "_lock", lambda rule, worker: None)
    monkeypatch.setattr(applying, "_past", slowly)


def test_without_the_lock_the_constraint_still_refuses_the_second(monkeypatch):
    here, wes = batch(), work.worker()
    made = rule(here.project)
    checked(wes, here, 0, 0, 0, 0)
    without_the_lock(monkeypatch)
    ended = race(*[lambda: rules.consider(made, wes.pk)] * 2)
    assert sum(isinstance(one, IntegrityError) and "firing_once" in str(one) for one in ended) == 1
    assert Decision.objects.count() == Standing.objects.count() == 1


def test_control_looking_before_acting_without_lock_and_constraint_acts_twice(monkeypatch):
    here, wes = batch(), work.worker()
    made = rule(here.project)
    checked(wes, here, 0, 0, 0, 0)
    without_the_lock(monkeypatch)
    monkeypatch.setattr(applying.Firing.objects, "create", lambda **fields: None)
    assert race(*[lambda: rules.consider(made, wes.pk)] * 2) == [None, None]
    assert Decision.objects.count() == Standing.objects.count() == 2


@pytest.mark.parametrize("round_", range(5))
def test_a_page_handed_in_while_its_worker_is_stopped_is_taken(round_):
    here, wes = batch(), work.worker()
    made = rule(here.project)
    checked(wes, here, 0, 0, 0, 0)
    lease = assignments.claim(wes, here.project)
    ended = race(lambda: rules.consider(made, wes.pk), lambda: work.answer(lease).state)
    assert ended[1] == "submitted"
    assert Decision.objects.get().state == "standing"
    assert Answer.objects.filter(worker=wes, state="submitted").count() == 6
    assert audit.check() == []


@pytest.mark.parametrize("round_", range(5))
def test_what_a_rule_proposes_to_reject_and_a_person_decides_at_once_ends_in_one_state(round_):
    here, wes, rita = batch(), work.worker(), make.user("rita")
    made = rule(here.project, action={"kind": "propose", "what": "reject"})
    checked(wes, here, 0, 0, 0, 0)
    answers = list(Answer.objects.filter(worker=wes).select_related("batch__project__organisation").order_by("pk"))
    race(lambda: rules.consider(made, wes.pk), lambda: decisions.accept(answers, rita))
    for proposal in Decision.objects.all():
        with pytest.raises(DomainError):
            decisions.sign(proposal, rita)
    assert Answer.objects.filter(worker=wes, state="accepted").count() == 3
    assert audit.check() == []


@pytest.mark.parametrize("round_", range(5))
def test_a_decision_taken_back_by_a_person_and_reconsidered_at_once_is_undone_once(round_):
    here, wes, rita = batch(), work.worker(), make.user("rita")
    rule(here.project)
    rows = checked(wes, here, 0, 0, 0, 0)
    sweep()
    evidence.void(Evidence.objects.filter(pk=rows[0].pk), "gold was wrong")
    decision = Decision.objects.get()
    ended = race(
        lambda: reconsidering.after_void([rows[0].pk]),
        lambda: reconsidering.after_void([rows[0].pk]),
        lambda: decisions.withdraw(decision, rita, "We were wrong."),
    )
    assert sum(1 for one in ended if one in (1, None)) == 1
    assert Decision.objects.get().state == "overturned"


@pytest.mark.parametrize("round_", range(3))
def test_a_rule_revised_or_switched_on_twice_at_once_is_so_once(round_):
    here, rita = batch(), make.user("rita")
    made = rule(here.project, on=False)
    rules.try_on_past(made, rita)
    ended = race(*[lambda: rules.switch_on(made, rita)] * 3)
    assert sum(isinstance(one, DomainError) for one in ended) == 2
    ended = race(*[lambda: rules.revise(made, rita, name="Again")] * 3)
    assert sum(isinstance(one, DomainError) for one in ended) == 2
    assert made.project.rules.count() == 2
