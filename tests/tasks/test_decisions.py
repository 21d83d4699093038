from datetime import timedelta

import pytest
from django.db import IntegrityError, connection, transaction

from marketplace.core import clock
from marketplace.core.errors import Forbidden, IllegalMove, InsufficientFunds, Invalid
from payments.models import Account
from tasks import appeals, batches, decisions, jobs
from tasks.errors import AppealClosed
from tasks.models import Answer, Appeal, Batch, Consensus, Decision, Evidence, Task
from tests import make
from tests.tasks import work
from workers.models import Reliability

pytestmark = pytest.mark.django_db
FEE = 5_000


def balance(kind: str, **owner) -> int:
    return sum(account.balance_micros for account in Account.objects.filter(kind=kind, **owner))


def one_answer(**terms) -> Answer:
    """The first answer of Wes to a batch of Rita's."""
    batch = work.published(**{"items": 3, **terms})
    return work.work(work.worker(), batch).answers.select_related("batch__project", "task").first()


def rejected(answer: Answer) -> Decision:
    return decisions.reject(answer, make.user("rita"), "wrong", "It is a dog.")


def test_work_nobody_decides_about_is_accepted_after_the_delay_and_paid_once():
    batch = work.published(items=3, redundancy_min=1, redundancy_max=1, accept_after_s=0)
    work.work(work.worker(), batch)
    for _ in range(3):
        work.sweep()
    assert set(Answer.objects.values_list("state", flat=True)) == {"accepted"}
    assert balance("earnings") == 3 * 50_000
    assert balance("fees") == 3 * FEE


def test_nothing_is_accepted_before_the_delay():
    batch = work.published(items=3, accept_after_s=3600)
    work.work(work.worker(), batch)
    work.sweep()
    assert set(Answer.objects.values_list("state", flat=True)) == {"submitted"}


def test_the_rest_of_the_reserve_returns_at_the_end():
    batch = work.published(items=3, redundancy_min=1, redundancy_max=3, accept_after_s=0, target_confidence=0.5)
    before = balance("prepaid") + balance("reserve")
    for name in ("ann", "ben", "cleo"):
        work.work_all(work.worker(name), batch)
        work.sweep()
    for _ in range(3):
        work.sweep()
    batch.refresh_from_db()
    assert batch.state == "closed"
    assert batch.returned_at
    assert balance("reserve") == 0
    paid = Answer.objects.filter(entry__isnull=False).count()
    assert balance("prepaid") == before - paid * (50_000 + FEE)


def test_a_rejected_answer_is_not_paid_its_price_waits_and_another_is_bought():
    answer = one_answer()
    reserved = balance("reserve")
    decision = rejected(answer)
    assert decision.contestable_until > clock.now()
    assert balance("reserve") == reserved + 50_000 + FEE
    assert Task.objects.get(pk=answer.task_id).taken == 0
    assert Evidence.objects.get().correct == 0
    work.sweep()
    assert balance("earnings") == 0
    assert Answer.objects.get(pk=answer.pk).state == "rejected"


def test_another_answer_needs_money():
    answer = one_answer(micros=3 * 2 * 55_000)
    with pytest.raises(InsufficientFunds) as refused:
        rejected(answer)
    assert refused.value.facts["missing_micros"] == 55_000
    answer.refresh_from_db()
    assert answer.state == "submitted"
    decisions.reject(answer, make.user("rita"), "wrong", "It is a dog.", refill=False)
    assert Task.objects.get(pk=answer.task_id).state == "closed"


def test_an_excluded_answer_is_not_used_and_is_paid():
    answer = one_answer()
    decisions.exclude(answer, make.user("rita"), "damaged", "The item was broken.")
    work.sweep()
    assert balance("earnings") == 50_000
    assert not Consensus.objects.filter(task=answer.task).exists()


@pytest.mark.parametrize(("code", "reason"), [("nonsense", "Because."), ("wrong", "  ")])
def test_a_rejection_without_a_known_code_and_a_reason_is_refused(code, reason):
    with pytest.raises(Invalid):
        decisions.reject(one_answer(), make.user("rita"), code, reason)


def test_a_stranger_decides_nothing():
    answer = one_answer()
    with pytest.raises(Forbidden):
        decisions.reject(answer, make.user("sam"), "wrong", "Because.")
    with pytest.raises(Forbidden):
        decisions.accept([answer], make.user("sam"))


def test_accepted_work_is_never_rejected():
    answer = one_answer()
    decisions.accept([answer], make.user("rita"))
    with pytest.raises(IllegalMove):
        rejected(answer)
    assert decisions.accept([answer], make.user("rita")) == 0


def test_a_rejection_cannot_be_accepted_away():
    answer = one_answer()
    rejected(answer)
    with pytest.raises(Invalid):
        decisions.accept([answer], make.user("rita"))


def test_upholding_an_appeal_restores_pay_score_and_label():
    answer = one_answer(redundancy_min=1, redundancy_max=1)
    jobs.update_consensus()
    before = Consensus.objects.get(task=answer.task_id).value
    decision = rejected(answer)
    jobs.update_consensus()
    assert not Consensus.objects.filter(task=answer.task_id).exists()
    low = Reliability.objects.get().accuracy
    appeal = appeals.contest(decision, answer.worker, "It is a cat, look at the ears.")
    assert appeals.contest(decision, answer.worker, "again").pk == appeal.pk
    appeals.uphold(appeal, make.user("ada", staff=True), "The ears are a cat's.")
    work.sweep()
    answer.refresh_from_db()
    assert (answer.state, answer.decisions.get().state) == ("accepted", "overturned")
    assert answer.entry_id
    assert balance("earnings") == 50_000
    assert Consensus.objects.get(task=answer.task_id).value == before
    assert Reliability.objects.get().accuracy > low
    assert Evidence.objects.filter(kind="review", void=None).count() == 0


@pytest.mark.parametrize("change", ["UPDATE {} SET id = id", "DELETE FROM {}"])
@pytest.mark.parametrize(
    "table", ["marketplace_auditevent", "tasks_evidence", "tasks_evidencevoid", "tasks_consensuschange"]
)
def test_what_was_told_of_an_answer_is_never_changed_or_deleted(table, change):
    answer = one_answer(redundancy_min=1, redundancy_max=1)
    jobs.update_consensus()
    decision = rejected(answer)
    jobs.update_consensus()
    appeals.uphold(appeals.contest(decision, answer.worker, "Look."), make.user("ada", staff=True), "Right.")
    with connection.cursor() as sql:
        sql.execute(f"SELECT count(*) FROM {table}")
        assert sql.fetchone()[0]
        with pytest.raises(IntegrityError, match=f"rows of {table} are append-only"), transaction.atomic():
            sql.execute(change.format(table))


def test_a_dismissed_appeal_lets_the_decision_stand():
    answer = one_answer()
    appeal = appeals.contest(rejected(answer), answer.worker, "No.")
    appeals.dismiss(appeal, make.user("ada", staff=True), "It is a dog.")
    answer.refresh_from_db()
    assert answer.state == "rejected"
    with pytest.raises(IllegalMove):
        appeals.uphold(appeal, make.user("ada"), "Changed my mind.")


def test_an_appeal_nobody_decides_in_time_is_upheld(settings):
    settings.APPEAL_DECIDED_WITHIN_S = 0
    answer = one_answer()
    appeals.contest(rejected(answer), answer.worker, "No.")
    jobs.uphold_overdue()
    answer.refresh_from_db()
    assert answer.state == "accepted"
    assert Appeal.objects.get().state == "upheld"


def test_the_time_to_contest_ends():
    answer = one_answer()
    decision = rejected(answer)
    Decision.objects.update(contestable_until=clock.now() - timedelta(seconds=1))
    with pytest.raises(AppealClosed):
        appeals.contest(decision, answer.worker, "No.")


def test_appeals_are_settled_by_admins_who_had_no_part_in_it():
    answer = one_answer()
    appeal = appeals.contest(rejected(answer), answer.worker, "No.")
    rita = make.user("rita")
    rita.is_staff = True
    for person in (make.user("sam"), rita):
        with pytest.raises(Forbidden):
            appeals.uphold(appeal, person, "Because.")


def test_the_price_of_a_rejected_answer_stays_reserved_after_close_until_it_can_no_longer_be_contested():
    answer = one_answer(items=3, redundancy_min=1, redundancy_max=1)
    decisions.reject(answer, make.user("rita"), "wrong", "It is a dog.", refill=False)
    decisions.accept(Answer.objects.filter(state="submitted").select_related("batch__project"), make.user("rita"))
    batch = Batch.objects.get()
    batches.close(batch, make.user("rita"))
    for _ in range(2):
        work.sweep()
    assert balance("reserve") == 50_000 + FEE
    Decision.objects.update(contestable_until=clock.now() - timedelta(minutes=2))
    Batch.objects.update(look_again_at=None)
    work.sweep()
    assert balance("reserve") == 0
    assert Batch.objects.get().returned_at


def test_an_appeal_upheld_after_close_still_pays():
    answer = one_answer(items=1, redundancy_min=1, redundancy_max=1)
    decision = decisions.reject(answer, make.user("rita"), "wrong", "It is a dog.", refill=False)
    appeal = appeals.contest(decision, answer.worker, "No.")
    batches.close(Batch.objects.get(), make.user("rita"))
    work.sweep()
    Decision.objects.update(contestable_until=clock.now() - timedelta(minutes=2))
    Batch.objects.update(look_again_at=None)
    work.sweep()
    appeals.uphold(appeal, make.user("ada", staff=True), "It is a cat.")
    work.sweep()
    assert balance("earnings") == 50_000
    work.sweep()
    assert balance("reserve") == 0
