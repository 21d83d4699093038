from datetime import timedelta

import pytest

from marketplace import accounts
from marketplace.core import clock
from marketplace.core.errors import Conflict, Forbidden, IllegalMove, InsufficientFunds, Invalid
from payments import ledger
from payments.models import Account, Entry, Hold
from tasks import audit, erasure, fair_pay, jobs
from tasks.models import Batch, TopUpProposal
from tests import make
from tests.tasks import paid, work
from workers.models import Notice

pytestmark = pytest.mark.django_db


def held():
    """A batch, the worker in it whose payouts are held, and what is proposed to be added for them."""
    batch, people = paid.published(crowd=6), paid.crowd(6)
    paid.slow(batch, people)
    at = clock.now()
    Hold.objects.create(user=people[0].user, since=at, until=at + timedelta(days=1))
    paid.look(batch)
    return batch, people[0], TopUpProposal.objects.get()


def test_who_is_under_a_hold_is_left_to_a_person():
    _, wes, proposal = held()
    assert paid.added(wes) == []
    assert (proposal.worker, proposal.amount_micros) == (wes, 250_000)
    assert "is_held" not in str(Entry.objects.filter(kind="top_up")[0].facts)


def test_a_proposal_ends_when_its_sum_is_added_by_itself(rita):
    batch, wes, proposal = held()
    Hold.objects.update(lifted_at=clock.now())
    paid.call_for_top_ups(batch)
    fair_pay.top_up(batch.pk)
    proposal.refresh_from_db()
    assert (proposal.state, paid.added(wes)) == ("over", [250_000])
    with pytest.raises(IllegalMove):
        fair_pay.grant(proposal, rita)
    assert audit.check() == []


def test_what_was_granted_before_the_next_look_is_not_added_again(rita):
    batch, wes, proposal = held()
    Hold.objects.update(lifted_at=clock.now())
    fair_pay.grant(proposal, rita)
    paid.call_for_top_ups(batch)
    fair_pay.top_up(batch.pk)
    assert (paid.added(wes), TopUpProposal.objects.filter(state="open").count()) == ([250_000], 0)
    assert audit.check() == []


@pytest.mark.parametrize(("seconds", "added"), [(300, [100_000, 25_000]), (100, [100_000])])
def test_a_grant_pays_what_is_missing_by_then(rita, seconds, added):
    """To 600 s at 0.50, 0.25 was missing, 0.10 was added; of the next ten answers in 300 s comes all but 0.025."""
    batch, people, proposal = proposed(items=20, page_size=10)
    paid.spend(people[0], batch, seconds)
    work.sweep()
    jobs.note_time()
    jobs.update_pay()
    if len(added) > 1:
        assert fair_pay.grant(proposal, rita).facts["missing_micros"] == 25_000
    else:
        with pytest.raises(Conflict, match="nothing is missing"):
            fair_pay.grant(proposal, rita)
    assert paid.added(people[0]) == added
    assert audit.check() == []


def test_proposals_end_where_the_median_reaches_the_floor():
    batch, _, _ = proposed()
    Batch.objects.filter(pk=batch.pk).update(pay_floor_micros=3_000_000)
    paid.call_for_top_ups(batch)
    fair_pay.top_up(batch.pk)
    assert set(TopUpProposal.objects.values_list("state", flat=True)) == {"over"}


def test_declining_what_is_no_longer_missing_lowers_nothing_later(rita):
    batch, wes, proposal = held()
    Hold.objects.update(lifted_at=clock.now())
    fair_pay.decline(proposal, rita, "They were away.")
    assert paid.sheet(wes, batch).declined_micros == 0  # the next look adds it without asking
    batch, people, proposal = proposed()
    Batch.objects.filter(pk=batch.pk).update(pay_floor_micros=3_000_000)
    fair_pay.decline(proposal, rita, "They were away.")
    assert paid.sheet(people[0], batch).declined_micros == 0


def test_nobody_is_granted_anything_who_deleted_their_account(rita):
    _, wes, proposal = held()
    erasure.erase(wes.user, leave_rest=True)
    with pytest.raises(Conflict, match="deleted their account"):
        fair_pay.grant(proposal, rita)
    proposal.refresh_from_db()
    assert (proposal.state, paid.added(wes)) == ("open", [])


def test_nothing_is_granted_out_of_a_frozen_organisation(rita, ada):
    _, _, proposal = proposed()
    accounts.freeze(proposal.batch.project.organisation, ada, "A dispute.")
    for by in (rita, ada):
        with pytest.raises(Forbidden, match="frozen"):
            fair_pay.grant(proposal, by)


def told(user):
    return Notice.objects.filter(user=user, kind="money", subject__contains="wait for you to decide")


def test_who_decides_is_told_of_proposals_once_a_day(rita):
    batch, people = paid.published(items=20, page_size=10, top_up_most_percent=20), paid.crowd()
    manager, reviewer = make.user("manager"), make.user("reviewer")
    for person, role in ((manager, "manager"), (reviewer, "reviewer")):
        batch.project.organisation.memberships.create(user=person, role=role)
    paid.slow(batch, people)
    paid.look(batch)
    paid.call_for_top_ups(batch)
    jobs.tell_of_top_ups()
    assert not told(rita).exists()  # it is being looked at
    fair_pay.top_up(batch.pk)
    for _ in range(2):
        jobs.tell_of_top_ups()
    assert [told(person).count() for person in (rita, manager, reviewer)] == [1, 1, 0]
    notice = told(rita).get()
    assert notice.subject.startswith("Top-ups of 0.75 USD wait")
    assert notice.link == f"/projects/{batch.project.public_id}/top-ups/"
    fair_pay.decline(TopUpProposal.objects.order_by("pk")[0], rita, "They were away.")
    paid.slow(batch, people[:1], 600)
    paid.look(batch)
    jobs.tell_of_top_ups()
    assert told(rita).count() == 1
    Batch.objects.update(proposals_tell_at=clock.now())  # a day has gone by
    jobs.tell_of_top_ups()
    assert told(rita).count() == 2


def proposed(**terms):
    batch, people = paid.published(**{"top_up_most_percent": 20, **terms}), paid.crowd()
    paid.slow(batch, people)
    paid.look(batch)
    return batch, people, TopUpProposal.objects.filter(batch=batch).order_by("pk")[0]


def test_above_the_cap_a_person_grants_and_the_sum_is_set_aside_and_paid(rita):
    batch, people, proposal = proposed()
    assert (proposal.amount_micros, paid.added(people[0])) == (150_000, [100_000])
    before = paid.prepaid()
    made = fair_pay.grant(proposal, rita)
    assert (made.amount_micros, made.granted_by, before - paid.prepaid()) == (150_000, rita, 150_000)
    assert paid.earned(people[0]) == 750_000
    with pytest.raises(IllegalMove):
        fair_pay.grant(proposal, rita)
    paid.look(batch)
    assert sum(paid.added(people[0])) == 250_000
    assert audit.check() == []


def test_granting_without_the_money_changes_nothing(rita):
    _, people, proposal = proposed()
    account = Account.objects.get(kind="prepaid")
    fees = ledger.account("fees", currency=account.currency, mode=account.mode)
    ledger.post("test", "test:empty", (account, fees, account.balance_micros))
    with pytest.raises(InsufficientFunds) as refused:
        fair_pay.grant(proposal, rita)
    assert refused.value.facts["missing_micros"] == 150_000
    proposal.refresh_from_db()
    assert (proposal.state, paid.added(people[0])) == ("open", [100_000])


def test_what_was_declined_is_not_proposed_again(rita):
    batch, people, proposal = proposed()
    with pytest.raises(Invalid):
        fair_pay.decline(proposal, rita, " ")
    fair_pay.decline(proposal, rita, "They were away.")
    paid.look(batch)
    paid.sweep()
    assert not TopUpProposal.objects.filter(worker=people[0], state="open").exists()
    assert paid.sheet(people[0], batch).declined_micros == 150_000


def test_only_managers_and_admins_decide(sam, ada):
    _, _, proposal = proposed()
    with pytest.raises(Forbidden):
        fair_pay.grant(proposal, sam)
    assert fair_pay.grant(proposal, ada).granted_by == ada
