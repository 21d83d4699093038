from datetime import timedelta

import pytest
from django.db import IntegrityError, transaction

from marketplace.core import clock
from marketplace.core.errors import Forbidden, IllegalMove, Invalid
from tasks import appeals, assignments, decisions, way_in
from tasks.errors import AppealClosed, PracticeNeeded, Stopped, WorkerSuspended
from tasks.models import Answer, Batch, Conduct, Decision, Rule
from tests import make
from tests.tasks import work
from workers.models import Grant, Notice, Standing, Worker

pytestmark = pytest.mark.django_db
WHY = {"reason_code": "inaccurate", "reason": "Ten of twelve checks were missed."}


def rule(batch: Batch, kind: str = "stop") -> Rule:
    return Rule.objects.create(
        project=batch.project,
        name="Missed checks",
        collector="gold",
        conditions=[],
        action={"kind": kind},
        created_by=make.user("rita"),
        created_at=clock.now(),
    )


def stopped(wes: Worker, batch: Batch, **about) -> Decision:
    about = {"rule": rule(batch), "until": clock.now() + timedelta(hours=2), **about}
    return decisions.decide("stop", wes, project=batch.project, **WHY, **about)


def test_a_rule_stops_a_worker_in_one_project_for_a_while_and_tells_them_at_once():
    batch, wes = work.published(), work.worker()
    decision = stopped(wes, batch)
    with pytest.raises(Stopped) as refused:
        assignments.claim(wes, batch.project)
    assert refused.value.facts["until"] == decision.until.isoformat()
    assert way_in.next_step(wes, batch.project).kind == "stopped"
    assert work.work(wes, work.published())
    notice = Notice.objects.get(user=wes.user)
    assert (notice.link, "contest" in notice.text) == (f"/work/decisions/{decision.public_id}/", True)
    Standing.objects.update(until=clock.now())
    assert work.work(wes, batch)


def test_an_overturned_stop_is_lifted_and_told():
    batch, wes = work.published(), work.worker()
    appeal = appeals.contest(stopped(wes, batch), wes, "The check is wrong.")
    appeals.uphold(appeal, make.user("ada", staff=True), "It is.")
    assert work.work(wes, batch)
    assert Notice.objects.filter(user=wes.user).count() == 2
    conduct = Conduct.objects.get(organisation=batch.project.organisation)
    assert (conduct.decided, conduct.contested, conduct.overturned) == (1, 1, 1)


def test_a_lease_that_is_open_when_its_worker_is_stopped_may_still_be_handed_in():
    batch, wes = work.published(), work.worker()
    lease = assignments.claim(wes, batch.project)
    stopped(wes, batch)
    work.answer(lease)
    assert Answer.objects.filter(worker=wes, state="submitted").count() == 3


def test_a_denial_binds_one_organisation_and_moves_no_other_figure():
    batch, wes = work.published(), work.worker()
    work.work(wes, batch)
    before = list(Answer.objects.values_list("state", "price_micros"))
    decisions.decide("deny", wes, organisation=batch.project.organisation, by=make.user("rita"), **WHY)
    with pytest.raises(Stopped):
        assignments.claim(wes, batch.project)
    other = make.organisation(make.user("olga"))
    assert list(Answer.objects.values_list("state", "price_micros")) == before
    assert not Standing.objects.filter(organisation=other).exists()
    assert (wes.state, Grant.objects.count()) == ("active", 0)


def test_smaller_pages_are_smaller_until_it_is_undone():
    batch, wes = work.published(items=9), work.worker()
    facts = {"page_size": 1}
    decision = decisions.decide("small_pages", wes, project=batch.project, rule=rule(batch), facts=facts, **WHY)
    assert work.work(wes, batch).answers.count() == 1
    decisions.withdraw(decision, make.user("rita"), "Enough of it.")
    assert work.work(wes, batch).answers.count() == 3


def test_who_is_asked_to_train_again_passes_again_or_is_given_back_what_they_had():
    batch, wes = work.published(gold=4, practice_size=2), work.worker()
    work.practise(wes, batch.project)
    decision = decisions.decide("retrain", wes, project=batch.project, rule=rule(batch), **WHY)
    with pytest.raises(PracticeNeeded):
        assignments.claim(wes, batch.project)
    decisions.withdraw(decision, make.user("rita"), "The guideline had changed.")
    assert work.work(wes, batch)


def test_accounts_are_suspended_by_admins_and_by_nobody_else():
    batch, wes = work.published(), work.worker()
    with pytest.raises(Forbidden):
        decisions.decide("suspend", wes, by=make.user("rita"), **WHY)
    decision = decisions.decide("suspend", wes, by=make.user("ada", staff=True), **WHY)
    with pytest.raises(WorkerSuspended):
        assignments.claim(Worker.objects.get(), batch.project)
    appeal = appeals.contest(decision, wes, "It was my cousin.")
    with pytest.raises(Forbidden):
        appeals.uphold(appeal, make.user("ada"), "I was wrong.")
    appeals.uphold(appeal, make.user("abe", staff=True), "It was.")
    assert work.work(Worker.objects.get(), batch)


@pytest.mark.parametrize("kind", ["deny", "suspend"])
def test_the_database_refuses_a_rule_that_does_what_a_person_must_sign(kind):
    batch, wes = work.published(), work.worker()
    with pytest.raises(IntegrityError, match="decision_heavy_signed"), transaction.atomic():
        decisions.decide(kind, wes, organisation=batch.project.organisation, rule=rule(batch), **WHY)
    with pytest.raises(IntegrityError, match="decision_rule_stop_ends"), transaction.atomic():
        stopped(wes, batch, until=None)
    assert not Standing.objects.exists()


def test_a_proposal_does_nothing_until_a_person_signs_it():
    batch, wes = work.published(), work.worker()
    answer = work.work(wes, batch).answers.select_related("task").first()
    proposals = [decisions.propose("reject", wes, rule(batch), answer=answer, **WHY) for _ in range(2)]
    assert not Notice.objects.exists()
    assert not Decision.objects.told().exists()
    with pytest.raises(Forbidden):
        decisions.sign(proposals[0], make.user("sam"))
    decision = decisions.sign(proposals[0], make.user("rita"))
    assert (decision.state, decision.decided_by.email) == ("standing", "rita@example.org")
    assert Answer.objects.get(pk=answer.pk).state == "rejected"
    with pytest.raises(IllegalMove):
        decisions.sign(proposals[0], make.user("rita"))
    decisions.decline(proposals[1], make.user("rita"))
    with pytest.raises(IllegalMove):
        decisions.sign(proposals[1], make.user("rita"))
    assert Decision.objects.told().count() == Notice.objects.count() == 1


def test_nobody_decides_about_themselves():
    batch = work.published()
    with pytest.raises(Forbidden):
        decisions.decide("stop", work.worker("rita"), project=batch.project, by=make.user("rita"), **WHY)


def test_a_decision_wants_a_known_kind_a_code_a_reason_and_its_scope():
    batch, wes, rita = work.published(), work.worker(), make.user("rita")
    for kind, about in (("sack", WHY), ("stop", {**WHY, "reason_code": "x"}), ("stop", {**WHY, "reason": " "})):
        with pytest.raises(Invalid):
            decisions.decide(kind, wes, project=batch.project, by=rita, **about)
    with pytest.raises(Invalid):
        decisions.decide("stop", wes, organisation=batch.project.organisation, by=rita, **WHY)
    with pytest.raises(Invalid):
        decisions.decide("small_pages", wes, project=batch.project, by=rita, **WHY)


def test_taking_a_decision_back_settles_the_appeal_against_it():
    batch, wes = work.published(), work.worker()
    decision = stopped(wes, batch)
    appeal = appeals.contest(decision, wes, "The check is wrong.")
    decisions.withdraw(decision, make.user("rita"), "You are right.")
    appeal.refresh_from_db()
    assert (appeal.state, appeal.reason) == ("upheld", "You are right.")
    with pytest.raises(IllegalMove):
        decisions.withdraw(decision, make.user("rita"), "Again.")


def test_both_sides_add_to_an_open_appeal_and_nobody_else_does():
    batch, wes = work.published(), work.worker()
    appeal = appeals.contest(stopped(wes, batch), wes, "The check is wrong.")
    appeals.state_more(appeal, make.user("rita"), "It was shown to forty others.")
    appeals.state_more(appeal, wes.user, "They copied it.")
    assert list(appeal.statements.order_by("pk").values_list("side", flat=True)) == ["requester", "worker"]
    with pytest.raises(Forbidden):
        appeals.state_more(appeal, make.user("sam"), "I was there.")
    for _ in range(appeals.STATEMENTS_MOST - 1):
        appeals.state_more(appeal, wes.user, "More.")
    with pytest.raises(Invalid):
        appeals.state_more(appeal, wes.user, "Still more.")
    appeals.dismiss(appeal, make.user("ada", staff=True), "It stands.")
    with pytest.raises(AppealClosed):
        appeals.state_more(appeal, make.user("rita"), "Thank you.")
