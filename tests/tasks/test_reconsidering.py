from datetime import timedelta

import pytest
from django_q.models import OrmQ

from marketplace.core import clock
from marketplace.core import jobs as queue
from payments import ledger
from payments.models import Account
from tasks import appeals, assignments, decisions, evidence, gold_disputes, jobs, reconsidering, rules
from tasks.models import Answer, Appeal, Decision, Evidence, EvidenceVoid, Gold
from tests import make
from tests.tasks import work
from tests.tasks.ruled import batch, checked, rule, sweep
from workers.models import Notice, Standing

pytestmark = pytest.mark.django_db


def voided(*rows):
    """These rows count no more; their keys."""
    pks = [row.pk for row in rows]
    evidence.void(Evidence.objects.filter(pk__in=pks), "gold was wrong")
    return pks


def test_a_stop_whose_conditions_hold_no_more_is_undone_and_its_appeal_upheld():
    here, wes = batch(), work.worker()
    rule(here.project)
    rows = checked(wes, here, 1, 0, 0, 0)
    sweep()
    decision = Decision.objects.get()
    appeal = appeals.contest(decision, wes, "The gold is wrong.")
    assert rules.still_holds(decision)
    pks = voided(rows[1])
    assert not rules.still_holds(decision)
    assert reconsidering.after_void(pks) == 1
    decision.refresh_from_db()
    appeal.refresh_from_db()
    assert (decision.state, decision.undone_because) == ("overturned", reconsidering.BECAUSE)
    assert (appeal.state, appeal.reason, appeal.decided_by) == ("upheld", reconsidering.BECAUSE, None)
    assert assignments.claim(wes, here.project)
    assert Notice.objects.filter(user=wes.user, kind="decision").count() == 2
    assert reconsidering.after_void(pks) == 0


def test_what_still_holds_without_the_wrong_check_stands():
    here, wes = batch(), work.worker()
    rule(here.project, conditions=[{"figure": "wrong_in_row", "is": "GreaterThanOrEqualTo", "to": 2}])
    rows = checked(wes, here, 0, 1, 0, 0)
    sweep()
    decision = Decision.objects.get()
    assert reconsidering.after_void(voided(rows[0])) == 0
    assert rules.still_holds(decision)
    assert reconsidering.after_void(voided(rows[3])) == 1


def test_the_rule_does_not_fire_again_on_what_is_left():
    here, wes = batch(), work.worker()
    rule(here.project)
    rows = checked(wes, here, 0, 0, 0, 0, 0)
    sweep()
    assert Decision.objects.get().grounds.count() == 4
    reconsidering.after_void(voided(*rows[:2]))
    checked(wes, here, 0, 0, 0)
    sweep()
    assert Decision.objects.get().state == "overturned"


def test_a_proposal_that_rests_on_a_wrong_check_is_declined_and_nobody_is_told():
    here, wes = batch(), work.worker()
    rule(here.project, action={"kind": "propose", "what": "deny"})
    rows = checked(wes, here, 0, 0, 0, 0)
    sweep()
    assert reconsidering.after_void(voided(rows[0])) == 1
    assert Decision.objects.get().state == "declined"
    assert not Notice.objects.exists()


def test_a_decision_of_a_person_and_one_about_other_checks_stand():
    here, wes, max_ = batch(), work.worker(), work.worker("max")
    rule(here.project)
    rows = checked(wes, here, 0, 0, 0, 0)
    checked(max_, here, 0, 0, 0, 0)
    about = {"reason_code": "conduct", "reason": "Rude.", "evidence": rows}
    decisions.decide("stop", wes, project=here.project, by=make.user("rita"), **about)
    sweep()
    assert reconsidering.after_void(voided(*rows)) == 1
    assert sorted(Decision.objects.filter(state="standing").values_list("worker__user__name", "rule__name")) == [
        ("Max", "Missed checks"),
        ("Wes", None),
    ]
    assert Standing.objects.filter(worker=wes, lifted_at=None).count() == 1


def graded(here, wes):
    """An answer to hidden gold that was graded and rejected."""
    page = assignments.claim(wes, here.project)
    work.answer(page)
    jobs.grade()
    row = Evidence.objects.select_related("answer__task", "answer__batch").filter(worker=wes, kind="gold")[0]
    return row, decisions.reject(row.answer, make.user("rita"), "wrong", "The known answer is owl.", refill=False)


@pytest.mark.parametrize(("state", "undone"), [("quarantined", 1), ("overturned", 1), ("active", 0), ("retired", 0)])
def test_the_rejection_of_an_answer_to_gold_that_was_wrong_is_undone(monkeypatch, state, undone):
    here, wes = batch(gold=6, gold_share=0.5), work.worker()
    row, decision = graded(here, wes)
    appeal = appeals.contest(decision, wes, "It is a cat.")
    monkeypatch.setattr(reconsidering, "DISBELIEVED", ("quarantined", "overturned"))
    if state in Gold.State.values:
        Gold.objects.filter(task=row.answer.task).update(state=state)
    else:  # the states that gold is still to get
        monkeypatch.setattr(reconsidering, "DISBELIEVED", ("active",))
    assert reconsidering.after_void(voided(row)) == undone
    decision.refresh_from_db()
    appeal.refresh_from_db()
    assert (decision.state, appeal.state) == (("overturned", "upheld") if undone else ("standing", "open"))
    assert Answer.objects.get(pk=row.answer_id).state == ("accepted" if undone else "rejected")


def test_gold_that_goes_into_quarantine_has_what_rested_on_it_reconsidered():
    here, wes = batch(gold=6, gold_share=0.5), work.worker()
    row, decision = graded(here, wes)
    gold_disputes.quarantine(row.answer.task.gold, "It is a cat.", make.user("rita"))
    queued = [one.task for one in OrmQ.objects.all()]
    (wanted,) = [one["args"] for one in queued if one["func"] == "tasks.jobs.reconsider"]
    jobs.reconsider(*wanted)
    decision.refresh_from_db()
    assert decision.state == "overturned"


def test_it_may_be_enqueued_by_those_who_void_and_run_twice():
    here, wes = batch(), work.worker()
    rule(here.project)
    rows = checked(wes, here, 0, 0, 0, 0)
    sweep()
    pks = voided(rows[0])
    queue.enqueue("tasks.jobs.reconsider", pks)
    jobs.reconsider(pks)
    jobs.reconsider(pks)
    assert Decision.objects.get().state == "overturned"
    assert EvidenceVoid.objects.count() == 1
    assert not Appeal.objects.exists()


def test_what_cannot_be_paid_waits_for_money_and_holds_up_nothing_else(monkeypatch):
    terms = {"gold_share": 0.5, "redundancy_min": 1, "redundancy_max": 1, "practice_size": 0, "page_size": 4}
    here = work.published(items=8, gold=6, accept_after_s=3600, **terms)
    rita = make.owner(here.project.organisation)
    for name in ("wes", "max"):
        work.work_all(work.worker(name), here)
    jobs.grade()
    wrong = list(Answer.objects.filter(task__gold__isnull=False, state="submitted"))
    for answer in wrong:
        decisions.reject(answer, rita, "wrong", "It is no owl.", refill=False)
    Decision.objects.update(contestable_until=clock.now() - timedelta(days=1))
    Gold.objects.update(state="overturned")
    prepaid = Account.objects.get(kind="prepaid")
    outside = ledger.account("outside", currency=prepaid.currency, mode=prepaid.mode)
    ledger.post("spent", "spent", (prepaid, outside, prepaid.balance_micros))
    voided(*Evidence.objects.filter(kind="gold"))

    asked = reconsidering.after_void(Evidence.objects.values_list("pk", flat=True))
    standing = Decision.objects.filter(state="standing")
    assert (asked, standing.count(), standing.exclude(owed_at=None).count()) == (0, len(wrong), len(wrong))
    assert Notice.objects.filter(user=rita, subject__contains="pay for an answer is missing").count() == len(wrong) > 1
    ledger.post("more", "more", (outside, prepaid, 10_000_000))
    assert not reconsidering.owed()  # not before a while
    standing.update(owed_at=clock.now() - reconsidering.RETRY)
    reconsidering.owed()
    assert not standing.exists()
    assert Notice.objects.filter(user=rita, subject__contains="pay for an answer is missing").count() == len(wrong)
