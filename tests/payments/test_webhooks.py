"""What Stripe tells us, over HTTP: doubled, late, reordered, forged, and acted on once from how things stand."""

import itertools
import json
from datetime import timedelta

import pytest
from django.db import transaction
from django.test import Client
from django_q.models import OrmQ

from marketplace.core import clock
from payments import gateway, ledger, payouts, prepayments, refunds, webhooks
from payments.models import Dispute, Entry, Payout, PayoutAccount, Prepayment, StripeEvent
from tasks import jobs
from tests import make
from tests.payments import asked
from tests.payments.made import balance
from tests.race import race
from workers import profiles

pytestmark = pytest.mark.django_db(transaction=True)
LATER = timedelta(days=10)


def act() -> None:
    """What the cluster does with every message that waits."""
    webhooks.retry(at=clock.now() + LATER)


def told(stripe, kind: str):
    return next(event for event in stripe.webhooks.told if event.type == kind)


def prepaid(prepayment: Prepayment) -> int:
    kind = {"currency": prepayment.currency, "mode": "test"}
    return balance(ledger.account("prepaid", organisation=prepayment.organisation, **kind))


def state_of(row) -> str:
    row.refresh_from_db()
    return row.state


def posted(body: str, signature: str) -> int:
    headers = {"Stripe-Signature": signature}
    answer = Client().post("/webhooks/stripe", body, content_type="application/json", headers=headers)
    return answer.status_code


# taken once


def test_a_message_is_recorded_once_and_queued_once(stripe):
    stripe.pay(asked.shown(stripe).provider_id)
    assert set(stripe.deliver("checkout", times=3)) == {204}
    event = StripeEvent.objects.get()
    assert (event.type, event.mode, event.state) == ("checkout.session.completed", "test", "waiting")
    assert OrmQ.objects.count() == 1


def test_messages_that_arrive_at_once_are_one(stripe):
    stripe.pay(asked.shown(stripe).provider_id)
    event = told(stripe, "checkout.session.completed")
    signature = stripe.webhooks.signed(event)
    assert race(*[lambda: posted(event.body, signature)] * 6) == [204] * 6
    assert StripeEvent.objects.count() == OrmQ.objects.count() == 1


def test_looking_before_recording_would_queue_it_more_than_once(stripe):
    """The negative control: the row is looked for, and only then made."""
    stripe.pay(asked.shown(stripe).provider_id)
    event = told(stripe, "checkout.session.completed")
    began = []

    def naive() -> None:
        if not StripeEvent.objects.filter(event_id=event.event_id).exists():
            began.append(1)
            StripeEvent.objects.get_or_create(
                event_id=event.event_id,
                defaults={"type": event.type, "mode": "test", "payload": {}, "received_at": clock.now()},
            )

    for _ in range(20):
        race(*[naive] * 6)
        if len(began) > 1:
            break
        began.clear()
        StripeEvent.objects.all().delete()
    assert len(began) > 1


def test_forged_and_stale_messages_are_refused_and_leave_nothing(stripe):
    stripe.pay(asked.shown(stripe).provider_id)
    assert set(stripe.deliver(secret="whsec_of_a_thief")) == {400}
    assert set(stripe.deliver(late_s=3 * 24 * 3600)) == {400}
    event = told(stripe, "checkout.session.completed")
    assert posted(event.body.replace("unpaid", "paid") + " ", stripe.webhooks.signed(event)) == 400
    assert posted("[]", "") == 400
    assert posted("", "t=1,v1=x") == 400
    assert not StripeEvent.objects.exists()


def test_a_message_that_comes_again_after_days_changes_nothing(stripe):
    prepayment = asked.shown(stripe)
    stripe.pay(prepayment.provider_id)
    stripe.deliver()
    act()
    StripeEvent.objects.update(received_at=clock.now() - timedelta(days=3))
    before = list(Entry.objects.values_list("key")), list(StripeEvent.objects.order_by("pk").values())
    assert set(stripe.deliver_again()) == {204}
    act()
    assert before == (list(Entry.objects.values_list("key")), list(StripeEvent.objects.order_by("pk").values()))
    assert prepaid(prepayment) == 10_000_000


def test_only_what_is_posted_is_taken_and_no_more_than_a_bounded_body(client, stripe, settings):
    assert client.get("/webhooks/stripe").status_code == 405
    settings.DATA_UPLOAD_MAX_MEMORY_SIZE = 1000
    assert posted("x" * 2000, "t=1,v1=x") in (400, 413)


def test_play_money_has_nobody_who_could_send_anything(client):
    assert posted("{}", "t=1,v1=x") == 400
    assert not StripeEvent.objects.exists()


def test_live_money_is_never_acted_on_by_an_installation_that_moves_test_money(stripe):
    prepayment = asked.shown(stripe)
    stripe.pay(prepayment.provider_id)
    event = told(stripe, "checkout.session.completed")
    event.body = json.dumps({**json.loads(event.body), "livemode": True})
    stripe.deliver("checkout")
    act()
    event = StripeEvent.objects.get()
    assert (event.mode, event.state, event.failure) == ("live", "ignored", "it is about live money")
    assert not OrmQ.objects.exists()
    assert state_of(prepayment) == "requested"


@pytest.mark.parametrize("currency", ["usd", "sek"])
def test_what_we_do_not_know_and_what_is_not_ours_is_ignored(stripe, currency):
    client = gateway.current().client
    foreign = client.v1.payment_intents.create({"amount": 500, "currency": currency, "metadata": {"order": "7"}})
    stripe.dispute(stripe.pay(foreign.id))
    stripe.deliver()
    act()
    assert set(StripeEvent.objects.values_list("state", flat=True)) == {"ignored"}
    assert StripeEvent.objects.filter(type="payment_intent.succeeded").exists()
    assert StripeEvent.objects.filter(type="charge.dispute.created").exists()


def test_no_message_keeps_anything_about_a_person(stripe):
    prepayment = asked.paid(stripe)
    stripe.dispute(prepayment.charge_id)
    client = gateway.current().client
    client.v1.refunds.create({"charge": asked.paid(stripe).charge_id, "metadata": {"name": "Private Person"}})
    stripe.deliver()
    kept = json.dumps(list(StripeEvent.objects.values_list("payload", flat=True)))
    assert "rivate" not in kept
    assert prepayment.public_id in kept


# tried again


def test_what_cannot_be_acted_on_waits_longer_after_every_try_and_is_done_at_last(stripe):
    prepayment = asked.shown(stripe)
    stripe.pay(prepayment.provider_id)
    stripe.deliver("checkout")
    stripe.fail_next("drop_before", "/v1/checkout", method="GET", times=2)
    event = StripeEvent.objects.get()
    webhooks.handle(event.pk)
    event.refresh_from_db()
    assert (event.state, event.tries, event.failure) == ("waiting", 1, "APIConnectionError")
    webhooks.retry()
    event.refresh_from_db()
    assert event.tries == 1  # not due
    webhooks.retry(at=event.received_at + timedelta(seconds=11))
    event.refresh_from_db()
    assert event.tries == 2
    webhooks.retry(at=event.received_at + timedelta(seconds=21))
    assert state_of(event) == "done"
    assert prepaid(prepayment) == 10_000_000


def test_tries_come_to_an_end(stripe):
    stripe.pay(asked.shown(stripe).provider_id)
    stripe.deliver("checkout")
    StripeEvent.objects.update(tries=webhooks.TRIES_MOST)
    webhooks.retry(at=clock.now() + timedelta(days=1000))
    assert StripeEvent.objects.get().state == "waiting"


def test_one_that_was_tried_for_the_last_time_begins_anew_when_it_is_sent_again(stripe):
    prepayment = asked.shown(stripe)
    stripe.pay(prepayment.provider_id)
    stripe.deliver("checkout")
    long_ago = clock.now() - timedelta(days=2)
    StripeEvent.objects.update(tries=webhooks.TRIES_MOST, received_at=long_ago, failure="APIError")
    OrmQ.objects.all().delete()
    assert stripe.deliver_again("checkout", times=3) == [204] * 3
    assert OrmQ.objects.count() == 1
    event = StripeEvent.objects.get()
    assert (event.state, event.tries, event.received_at > long_ago) == ("waiting", 0, True)
    webhooks.retry(at=event.received_at + timedelta(seconds=6))
    assert (state_of(prepayment), prepaid(prepayment)) == ("paid", 10_000_000)
    before = list(StripeEvent.objects.values())
    assert stripe.deliver_again("checkout") == [204]
    assert (list(StripeEvent.objects.values()), OrmQ.objects.count()) == (before, 1)


def test_the_last_try_is_two_days_after_the_first_at_most(stripe):
    stripe.pay(asked.shown(stripe).provider_id)
    stripe.deliver("checkout")
    stripe.fail_next("drop_before", "/v1/checkout", method="GET", times=webhooks.TRIES_MOST)
    event = StripeEvent.objects.get()
    for hours in range(49):
        while webhooks.retry(1, at=event.received_at + timedelta(hours=hours)):
            pass
    event.refresh_from_db()
    assert (event.state, event.tries) == ("waiting", webhooks.TRIES_MOST)


def test_a_bounded_number_is_tried_at_once(stripe):
    for _ in range(3):
        stripe.pay(asked.shown(stripe).provider_id)
    stripe.deliver("checkout")
    assert webhooks.retry(2, at=clock.now() + LATER)
    assert not webhooks.retry(2, at=clock.now() + LATER)
    assert StripeEvent.objects.filter(state="done").count() == 3


def test_one_that_always_fails_does_not_hold_up_the_others(stripe):
    first, second = asked.shown(stripe), asked.shown(stripe)
    for prepayment in (first, second):
        stripe.pay(prepayment.provider_id)
    Prepayment.objects.filter(pk=first.pk).update(amount_micros=99_000_000)
    stripe.deliver("checkout")
    act()
    assert (state_of(first), state_of(second)) == ("requested", "paid")


# prepayments


@pytest.mark.parametrize("way", ["checkout", "intent"])
def test_a_payment_is_credited_once_whatever_tells_of_it(stripe, way):
    prepayment = asked.shown(stripe, way=way)
    charge = stripe.pay(prepayment.provider_id)
    assert prepaid(prepayment) == 0  # nothing is credited before the message
    stripe.deliver(times=2)
    act()
    assert state_of(prepayment) == "paid"
    assert prepayment.charge_id == charge
    assert prepaid(prepayment) == 10_000_000 == stripe.totals()["usd"]["charge"] * 10_000


def test_a_credit_for_each_message_would_count_one_payment_twice(stripe):
    """The negative control: a session that is paid tells so twice, as a session and as a payment."""
    prepayment = asked.shown(stripe)
    stripe.pay(prepayment.provider_id)
    stripe.deliver()
    kind = {"currency": "USD", "mode": "test"}
    outside = ledger.account("outside", **kind)
    own = ledger.account("prepaid", organisation=prepayment.organisation, **kind)
    told = StripeEvent.objects.filter(type__in=["checkout.session.completed", "payment_intent.succeeded"])
    with transaction.atomic():
        for event in told:
            ledger.post("prepayment", f"event:{event.event_id}", (outside, own, prepayment.amount_micros))
        assert prepaid(prepayment) == 20_000_000
        assert any("20000000 micros are here from outside" in sentence for sentence in ledger.audit())
        transaction.set_rollback(True)


def test_two_who_act_on_one_message_credit_it_once(stripe):
    prepayment = asked.shown(stripe)
    stripe.pay(prepayment.provider_id)
    stripe.deliver()
    pks = list(StripeEvent.objects.filter(state="waiting").values_list("pk", flat=True))
    race(*[lambda pk=pk: webhooks.handle(pk) for pk in pks * 3])
    assert prepaid(prepayment) == 10_000_000
    assert not StripeEvent.objects.filter(state="waiting").exists()


def test_the_message_may_come_before_we_know_what_was_asked(stripe):
    prepayment = asked.shown(stripe)
    Prepayment.objects.filter(pk=prepayment.pk).update(provider_id="", pay_url="")
    stripe.pay(prepayment.provider_id)
    stripe.deliver()
    act()
    assert (state_of(prepayment), prepaid(prepayment)) == ("paid", 10_000_000)


def test_another_sum_than_was_asked_for_is_not_credited(stripe):
    prepayment = asked.shown(stripe)
    stripe.pay(prepayment.provider_id)
    Prepayment.objects.filter(pk=prepayment.pk).update(amount_micros=99_000_000)
    stripe.deliver()
    act()
    assert (state_of(prepayment), prepaid(prepayment)) == ("requested", 0)
    assert set(StripeEvent.objects.filter(failure="ValueError").values_list("state", flat=True)) == {"waiting"}


def test_a_page_that_ran_out_fails_the_prepayment_and_an_older_page_does_not(stripe):
    prepayment = asked.shown(stripe)
    stripe.advance(23.5 * 3600)
    old = prepayment.provider_id
    prepayment.provider_id = ""
    stripe.age_keys()
    newer = gateway.current().ask(prepayment).provider_id
    assert newer != old
    Prepayment.objects.filter(pk=prepayment.pk).update(provider_id=newer)
    stripe.expire(old)
    stripe.deliver()
    act()
    assert state_of(prepayment) == "requested"
    stripe.expire(newer)
    stripe.deliver()
    act()
    assert (state_of(prepayment), prepayment.failure) == ("failed", "the time to pay it ran out")


@pytest.mark.parametrize(("came", "state", "micros"), [(True, "paid", 10_000_000), (False, "failed", 0)])
def test_a_slow_payment_is_credited_when_it_came(stripe, came, state, micros):
    prepayment = asked.shown(stripe)
    stripe.pay(prepayment.provider_id, "async")
    stripe.deliver()
    act()
    assert state_of(prepayment) == "requested"
    stripe.end_async(prepayment.provider_id, came)
    stripe.deliver()
    act()
    assert (state_of(prepayment), prepaid(prepayment)) == (state, micros)


def test_a_declined_card_ends_nothing(stripe):
    prepayment = asked.shown(stripe)
    stripe.pay(prepayment.provider_id, "fails")
    stripe.deliver()
    act()
    assert state_of(prepayment) == "requested"


# every order


def lived(stripe, won: bool) -> tuple[Prepayment, list]:
    """A prepayment that was paid, partly refunded, and taken back by the bank; and the messages about it."""
    before = len(stripe.webhooks.told)
    prepayment = asked.shown(stripe, home=make.organisation(make.user(f"rita{before}")))
    dispute = stripe.dispute(stripe.pay(prepayment.provider_id), 600)
    stripe.end_dispute(dispute, won)
    wanted = {"checkout.session.completed", "payment_intent.succeeded"}
    wanted |= {"charge.dispute.created", "charge.dispute.closed"}
    return prepayment, [event for event in stripe.webhooks.told[before:] if event.type in wanted]


@pytest.mark.parametrize("won", [True, False])
def test_every_order_of_messages_ends_the_same(stripe, won):
    ends = set()
    for order in itertools.permutations(range(4)):
        prepayment, events = lived(stripe, won)
        for place in order:
            stripe.webhooks.deliver([events[place]], times=2)
            act()
        prepayment.refresh_from_db()
        dispute = Dispute.objects.get(prepayment=prepayment)
        ends.add((prepayment.state, prepaid(prepayment), dispute.state, dispute.amount_micros))
    assert ends == {("paid", 10_000_000 if won else 4_000_000, "won" if won else "lost", 6_000_000)}


def test_an_inquiry_takes_no_money(stripe):
    prepayment = asked.paid(stripe)
    dispute = stripe.dispute(prepayment.charge_id)
    stripe.books.tables["dispute"][dispute]["status"] = "warning_needs_response"
    stripe.deliver()
    act()
    assert not Dispute.objects.exists()
    assert prepaid(prepayment) == 10_000_000


# refunds


def refunded(stripe):
    """A refund that was sent; its prepayment was credited."""
    prepayment = asked.shown(stripe)
    stripe.pay(prepayment.provider_id)
    stripe.deliver()
    act()
    prepayment.refresh_from_db()
    [refund] = refunds.request(prepayment.organisation, prepayment.requested_by, 4_000_000, "USD")
    return prepayment, refund


@pytest.mark.parametrize("reverse", [True, False])
def test_a_refund_that_the_bank_sends_back_is_prepaid_again(stripe, reverse):
    prepayment, refund = refunded(stripe)
    refund = refunds.send(refund.pk)
    assert prepaid(prepayment) == 6_000_000
    stripe.fail_refund(refund.provider_id)
    stripe.deliver(times=2, reverse=reverse)
    act()
    assert (state_of(refund), prepaid(prepayment)) == ("failed", 10_000_000)
    assert "stolen" in refund.failure


def test_a_refund_whose_reply_was_lost_is_settled_by_its_message(stripe):
    _, refund = refunded(stripe)
    stripe.fail_next("drop_after", "/v1/refunds")
    with pytest.raises(Exception, match="communicating"):
        refunds.send(refund.pk)
    stripe.deliver()
    act()
    assert state_of(refund) == "paid"
    refunds.send(refund.pk)
    assert stripe.totals()["usd"]["refund"] == 400


# payouts and accounts


def sent(stripe) -> Payout:
    stripe.fund(100_00)
    payout = asked.payout(asked.account(stripe))
    return payouts.send(payout.pk)


def test_a_payout_that_is_taken_back_is_earned_again(stripe):
    payout = sent(stripe)
    assert payout.state == "paid"
    stripe.reverse(payout.provider_id)
    stripe.deliver(times=2)
    act()
    assert state_of(payout) == "reversed"
    assert balance(ledger.account("earnings", user=payout.user, currency="USD", mode="test")) == 5_000_000


def test_a_payout_taken_back_in_part_is_left_to_people(stripe):
    payout = sent(stripe)
    stripe.reverse(payout.provider_id, 100)
    stripe.deliver()
    act()
    assert state_of(payout) == "paid"


def test_news_of_a_payout_that_is_not_booked_waits_for_it(stripe):
    stripe.fund(100_00)
    payout = asked.payout(asked.account(stripe))
    stripe.reverse(gateway.current().pay_out(payout))  # the process died before it was booked
    stripe.deliver()
    act()
    event = StripeEvent.objects.get(type="transfer.reversed")
    assert (event.state, event.failure) == ("waiting", "NotYet")
    payouts.send(payout.pk)
    act()
    assert state_of(payout) == "reversed"


def test_an_account_follows_the_provider_in_any_order(stripe):
    account = asked.account(stripe, ready=False)
    stripe.onboard(account.provider_id)
    stripe.deliver(reverse=True)
    act()
    assert state_of(account) == "ready"
    stripe.restrict(account.provider_id, "rejected_fraud")
    stripe.deliver()
    act()
    assert state_of(account) == "restricted"


def test_whoever_is_told_to_ask_is_asked_about_accounts_too(stripe, monkeypatch):
    account = asked.account(stripe, ready=False)
    stripe.onboard(account.provider_id)
    stripe.deliver()
    asked_here = gateway.current()
    monkeypatch.setattr(gateway, "current", lambda: None)
    for pk in StripeEvent.objects.filter(state="waiting").values_list("pk", flat=True):
        webhooks.handle(pk, through=asked_here)
    assert state_of(account) == "ready"


@pytest.mark.parametrize("kind", ["account.updated", "capability.updated", "account.application.deauthorized"])
def test_what_is_told_of_a_connected_account_has_it_looked_at(stripe, kind):
    account = asked.account(stripe)
    stripe.restrict(account.provider_id, "rejected_fraud")
    stripe.webhooks.told.clear()  # of which only this is told
    stripe.tell_in_v1(kind, account.provider_id)
    assert stripe.deliver() == [204]
    act()
    assert state_of(account) == "restricted"
    event = StripeEvent.objects.get(type=kind)
    assert (event.state, event.payload["account"]) == ("done", account.provider_id)
    assert "private" not in json.dumps(event.payload)


def test_who_is_paid_at_one_place_is_kin_as_soon_as_it_is_told_of(stripe):
    wes, sue = (profiles.of(make.user(name)) for name in ("wes", "sue"))
    own, other = asked.account(stripe, wes.user, identity="bank-1"), asked.account(stripe, sue.user, identity="bank-2")
    stripe.deliver()
    act()
    assert state_of(own) == state_of(other) == "ready"
    stripe.move_bank(other.provider_id, "bank-1")
    assert stripe.deliver() == [204]
    act()
    for account in (own, other):
        account.refresh_from_db()
    assert own.identity == other.identity != ""
    queued = [one.task for one in OrmQ.objects.order_by("pk")]
    for task in [task for task in queued if task["func"] == "tasks.jobs.relate"]:
        jobs.relate(*task["args"])
    wes.refresh_from_db()
    sue.refresh_from_db()
    assert (wes.kin, sue.kin) == ([sue.user_id], [wes.user_id])


def test_an_account_closed_at_the_provider_is_closed(stripe):
    account = asked.account(stripe)
    stripe.close(account.provider_id)
    stripe.deliver(times=2)
    act()
    assert state_of(account) == "closed"
    assert PayoutAccount.objects.count() == 1


# through the verbs, from asking to crediting


def test_a_prepayment_goes_from_the_request_to_the_credit(stripe):
    acme = make.organisation()
    prepayment = prepayments.request(acme, make.owner(acme), 12_340_000, "USD")
    prepayments.ask(prepayment.pk)
    prepayment.refresh_from_db()
    stripe.pay(prepayment.provider_id)
    stripe.deliver(times=2, reverse=True)
    act()
    assert (state_of(prepayment), prepaid(prepayment)) == ("paid", 12_340_000)
    assert stripe.totals()["usd"]["charge"] == 1234
