"""The gateway to Stripe, through the real client; what it has done is read in the stand-in's own log."""

import secrets
from datetime import timedelta

import pytest
import stripe as library
from django.core.exceptions import ImproperlyConfigured

from marketplace.core import clock
from payments import gateway
from payments.gateway import Forged, NotNow, Refused
from payments.gateway import stripe as speaking
from payments.gateway.stripe import Stripe
from payments.models import Payout, PayoutAccount
from tests import make
from tests.payments import asked
from tests.race import race

UNKNOWN = (library.APIConnectionError, library.APIError, library.RateLimitError, library.AuthenticationError)


class Naive(Stripe):
    """Asks under a new key each time, and never looks."""

    def _once(self, key, asked_at, create, find):
        return create({"idempotency_key": secrets.token_hex(8)})


def current() -> Stripe:
    return gateway.current()


def paid_out(stripe):
    return [row["amount"] for row in stripe.log() if row["kind"] == "transfer"]


# prepayments


def test_a_prepayment_is_paid_on_a_page_of_stripe(stripe):
    prepayment = asked.prepayment()
    answer = current().ask(prepayment)
    assert answer.client_secret == ""
    assert answer.pay_url.startswith(stripe.url)
    charge = stripe.pay(answer.provider_id)
    payment = current().payment(answer.provider_id)
    assert (payment.subject, payment.state, payment.charge_id) == (prepayment.public_id, "paid", charge)
    assert (payment.amount_micros, payment.currency) == (10_000_000, "USD")
    assert stripe.log()[0]["metadata"] == {"prepayment": prepayment.public_id}


def test_a_program_pays_with_a_secret_that_is_not_kept(stripe):
    prepayment = asked.prepayment(way="intent")
    answer = current().ask(prepayment)
    assert answer.provider_id.startswith("pi_")
    assert answer.client_secret.startswith(answer.provider_id)
    assert answer.pay_url == ""
    stripe.pay(answer.provider_id)
    assert current().payment(answer.provider_id).state == "paid"


@pytest.mark.parametrize("way", ["checkout", "intent"])
def test_asking_again_is_the_same_question(stripe, way):
    prepayment = asked.prepayment(way=way)
    first, second = current().ask(prepayment), current().ask(prepayment)
    assert first == second
    assert len({key for _, _, key in stripe.calls()}) == 1


def test_the_secret_of_an_intent_is_told_again_when_its_key_is_forgotten(stripe):
    prepayment = asked.prepayment(way="intent")
    first = current().ask(prepayment)
    stripe.age_keys()
    prepayment.provider_id = first.provider_id
    assert current().ask(prepayment) == first  # looked at, and not made


@pytest.mark.parametrize(
    ("currency", "micros", "units"), [("USD", 10_250_000, 1025), ("JPY", 900_000_000, 900), ("KWD", 5_250_000, 5250)]
)
def test_amounts_are_in_minor_units_of_their_currency(stripe, currency, micros, units):
    prepayment = asked.shown(stripe, currency=currency, micros=micros)
    stripe.pay(prepayment.provider_id)
    assert stripe.totals()[currency.lower()]["charge"] == units
    assert current().payment(prepayment.provider_id).amount_micros == micros


def test_a_sum_too_fine_for_stripe_is_refused_before_it_is_asked_for(stripe):
    with pytest.raises(Refused, match="hundredths"):
        current().ask(asked.prepayment(5_251_000, "KWD"))
    assert stripe.calls() == []


def test_a_page_left_too_long_is_over(stripe):
    prepayment = asked.shown(stripe)
    stripe.advance(25 * 3600)
    assert current().payment(prepayment.provider_id).state == "failed"


def test_a_declined_card_may_be_tried_again_on_the_same_page(stripe):
    prepayment = asked.shown(stripe)
    stripe.pay(prepayment.provider_id, "fails")
    assert current().payment(prepayment.provider_id).state == "waiting"
    stripe.pay(prepayment.provider_id)
    assert current().payment(prepayment.provider_id).state == "paid"


@pytest.mark.parametrize(("came", "state"), [(True, "paid"), (False, "failed")])
def test_a_slow_payment_waits_for_its_end(stripe, came, state):
    prepayment = asked.shown(stripe)
    stripe.pay(prepayment.provider_id, "async")
    assert current().payment(prepayment.provider_id).state == "waiting"
    stripe.end_async(prepayment.provider_id, came)
    assert current().payment(prepayment.provider_id).state == state


# payouts


def test_a_payout_moves_once_however_often_it_is_sent(stripe):
    stripe.fund(100_00)
    payout = asked.payout(asked.account(stripe))
    ids = {current().pay_out(payout) for _ in range(3)}
    assert len(ids) == 1
    assert paid_out(stripe) == [500]
    assert stripe.log()[-1]["transfer_group"] == payout.public_id
    assert current().sent(ids.pop()).subject == payout.public_id


@pytest.mark.parametrize("how", ["drop_before", "drop_after", "429", "409", "401"])
def test_after_an_unknown_outcome_the_same_key_pays_once(stripe, how):
    stripe.fund(100_00)
    payout = asked.payout(asked.account(stripe))
    stripe.fail_next(how, "/v1/transfers")
    with pytest.raises(UNKNOWN) as error:
        current().pay_out(payout)
    assert not isinstance(error.value, Refused)
    assert current().pay_out(payout) == stripe.log()[-1]["id"]
    assert paid_out(stripe) == [500]


def test_a_timeout_after_success_pays_once(stripe, monkeypatch):
    stripe.fund(100_00)
    payout = asked.payout(asked.account(stripe))
    monkeypatch.setattr(speaking, "TIMEOUT_S", (1, 0.3))
    impatient = Stripe("test")
    stripe.fail_next("hang", "/v1/transfers", seconds=0.8)
    with pytest.raises(library.APIConnectionError):
        impatient.pay_out(payout)
    assert impatient.pay_out(payout) == stripe.log()[-1]["id"]
    assert paid_out(stripe) == [500]


@pytest.mark.parametrize("how", ["drop_after", "500_after"])
def test_new_keys_would_pay_twice(stripe, how):
    """The negative control of the tests around it."""
    stripe.fund(100_00)
    payout = asked.payout(asked.account(stripe))
    stripe.fail_next(how, "/v1/transfers")
    with pytest.raises(UNKNOWN):
        Naive("test").pay_out(payout)
    Naive("test").pay_out(payout)
    assert paid_out(stripe) == [500, 500]


def test_a_failure_kept_under_the_key_is_looked_behind(stripe):
    stripe.fund(100_00)
    payout = asked.payout(asked.account(stripe))
    stripe.fail_next("500_after", "/v1/transfers")
    with pytest.raises(library.APIError):
        current().pay_out(payout)
    assert current().pay_out(payout) == stripe.log()[-1]["id"]
    assert paid_out(stripe) == [500]


def test_a_failure_kept_under_the_key_with_nothing_behind_it_waits_until_the_key_is_forgotten(stripe):
    stripe.fund(100_00)
    payout = asked.payout(asked.account(stripe))
    stripe.fail_next("500", "/v1/transfers")
    for _ in range(3):
        with pytest.raises(library.APIError):
            current().pay_out(payout)
    assert paid_out(stripe) == []
    stripe.age_keys()
    asked.older(payout, hours=24)
    current().pay_out(payout)
    assert paid_out(stripe) == [500]


@pytest.mark.parametrize("hours", [23.1, 24, 72])
def test_what_stripe_has_forgotten_is_looked_up(stripe, hours):
    stripe.fund(100_00)
    payout = asked.payout(asked.account(stripe))
    stripe.fail_next("drop_after", "/v1/transfers")
    with pytest.raises(library.APIConnectionError):
        current().pay_out(payout)
    stripe.age_keys(hours * 3600)
    asked.older(payout, hours)
    assert current().pay_out(payout) == stripe.log()[-1]["id"]
    assert paid_out(stripe) == [500]


def test_the_same_key_alone_would_pay_twice_after_a_day(stripe):
    """The negative control: the row looks young, so nothing is looked up."""
    stripe.fund(100_00)
    payout = asked.payout(asked.account(stripe))
    current().pay_out(payout)
    stripe.age_keys()
    current().pay_out(payout)
    assert paid_out(stripe) == [500, 500]


def test_the_same_key_with_other_words_moves_nothing_and_is_no_refusal(stripe):
    stripe.fund(100_00)
    payout = asked.payout(asked.account(stripe))
    current().pay_out(payout)
    payout.amount_micros = 6_000_000
    with pytest.raises(library.IdempotencyError):
        current().pay_out(payout)
    assert paid_out(stripe) == [500]


@pytest.mark.django_db(transaction=True)
def test_two_who_send_at_once_pay_once(stripe):
    stripe.fund(100_00)
    payout = asked.payout(asked.account(stripe))
    stripe.fail_next("slow", "/v1/transfers", seconds=0.3)

    def send():
        return current().pay_out(Payout.objects.get(pk=payout.pk))

    outcomes = race(send, send, send)
    assert any(isinstance(one, str) for one in outcomes), outcomes
    assert all(isinstance(one, str) or one.http_status == 409 for one in outcomes), outcomes
    assert paid_out(stripe) == [500]


def test_a_short_balance_is_no_refusal_and_costs_no_key(stripe):
    payout = asked.payout(asked.account(stripe))
    for _ in range(speaking.KEYS_MOST + 5):
        with pytest.raises(NotNow):
            current().pay_out(payout)
    stripe.fund(100_00)
    current().pay_out(payout)
    assert paid_out(stripe) == [500]


def test_a_short_balance_under_the_key_is_not_waited_for_a_day(stripe):
    """Two payouts saw the same balance; the reply that one got is kept under its key, and moved nothing."""
    stripe.fund(100_00)
    payout = asked.payout(asked.account(stripe))
    stripe.fail_next("refuse", "/v1/transfers", code="balance_insufficient")
    with pytest.raises(NotNow):
        current().pay_out(payout)
    ids = {current().pay_out(payout) for _ in range(3)}
    assert len(ids) == 1
    assert paid_out(stripe) == [500]


def test_a_payout_that_went_out_is_found_when_the_balance_is_gone(stripe):
    stripe.fund(5_00)
    payout = asked.payout(asked.account(stripe))
    stripe.fail_next("drop_after", "/v1/transfers")
    with pytest.raises(library.APIConnectionError):
        current().pay_out(payout)
    payout.tries = 2
    assert current().pay_out(payout) == stripe.log()[-1]["id"]


@pytest.mark.parametrize("spoil", ["restrict", "close"])
def test_an_account_that_takes_no_money_is_a_refusal(stripe, spoil):
    stripe.fund(100_00)
    account = asked.account(stripe)
    getattr(stripe, spoil)(account.provider_id)
    with pytest.raises(Refused, match="not ready"):
        current().pay_out(asked.payout(account))
    assert paid_out(stripe) == []


def test_an_account_that_stripe_does_not_know_is_a_refusal(stripe):
    stripe.fund(100_00)
    account = asked.account(stripe)
    account.provider_id = "acct_nobody"
    with pytest.raises(Refused):
        current().pay_out(asked.payout(account))


# refunds and disputes


@pytest.mark.parametrize("hours", [0, 30])
def test_a_refund_goes_out_once(stripe, hours):
    refund = asked.refund(asked.paid(stripe))
    stripe.fail_next("drop_after", "/v1/refunds")
    with pytest.raises(library.APIConnectionError):
        current().refund(refund)
    stripe.age_keys(hours * 3600)
    asked.older(refund, hours)
    refund_id = current().refund(refund)
    assert stripe.totals()["usd"]["refund"] == 400
    assert (current().sent(refund_id).subject, current().sent(refund_id).state) == (refund.public_id, "paid")


def test_a_refund_that_stripe_does_not_take_on_with_a_short_balance_waits_for_it_and_costs_one_key(stripe):
    refund = asked.refund(asked.paid(stripe))
    stripe.drain(900)
    stripe.fail_next("refuse", "/v1/refunds", code="balance_insufficient")
    for tries in range(1, speaking.KEYS_MOST + 5):
        refund.tries = tries
        with pytest.raises(NotNow):
            current().refund(refund)
    assert len([path for method, path, _ in stripe.calls() if (method, path) == ("POST", "/v1/refunds")]) == 1
    stripe.fund(100_00)
    assert current().refund(refund) == current().refund(refund)
    assert stripe.totals()["usd"]["refund"] == 400


def test_a_refund_that_went_out_is_found_when_the_balance_is_gone(stripe):
    refund = asked.refund(asked.paid(stripe))
    stripe.fail_next("drop_after", "/v1/refunds")
    with pytest.raises(library.APIConnectionError):
        current().refund(refund)
    stripe.drain(500)
    refund.tries = 2
    assert current().sent(current().refund(refund)).subject == refund.public_id
    assert stripe.totals()["usd"]["refund"] == 400


def test_the_same_key_alone_would_refund_twice_after_a_day(stripe):
    refund = asked.refund(asked.paid(stripe))
    current().refund(refund)
    stripe.age_keys()
    current().refund(refund)
    assert stripe.totals()["usd"]["refund"] == 800


def test_two_refunds_of_one_sum_are_two(stripe):
    prepayment = asked.paid(stripe)
    first, second = asked.refund(prepayment), asked.refund(prepayment)
    for row in (first, second):
        asked.older(row, 30)
    assert current().refund(first) != current().refund(second)
    assert stripe.totals()["usd"]["refund"] == 800


def test_more_than_is_left_of_a_charge_is_refused(stripe):
    prepayment = asked.paid(stripe)
    by_somebody_else = {"charge": prepayment.charge_id, "amount": 700}
    Stripe("test").client.v1.refunds.create(by_somebody_else)
    with pytest.raises(Refused):
        current().refund(asked.refund(prepayment, 7_000_000))


def test_a_charge_that_was_taken_back_is_not_refunded_too(stripe):
    prepayment = asked.paid(stripe)
    stripe.dispute(prepayment.charge_id)
    with pytest.raises(Refused, match="bank"):
        current().refund(asked.refund(prepayment))


def test_a_refund_is_seen_waiting_paid_and_sent_back(stripe):
    stripe.slow_refunds()
    refund_id = current().refund(asked.refund(asked.paid(stripe)))
    assert current().sent(refund_id).state == "waiting"
    stripe.finish_refund(refund_id)
    assert current().sent(refund_id).state == "paid"
    stripe.fail_refund(refund_id)
    assert (current().sent(refund_id).state, "stolen" in current().sent(refund_id).failure) == ("failed", True)


@pytest.mark.parametrize("won", [True, False])
def test_a_dispute_is_seen_open_and_ended(stripe, won):
    prepayment = asked.paid(stripe)
    dispute = stripe.dispute(prepayment.charge_id, 250)
    seen = current().disputed(dispute)
    assert (seen.charge_id, seen.amount_micros, seen.state) == (prepayment.charge_id, 2_500_000, "open")
    assert current().payment(seen.payment_id).subject == prepayment.public_id
    stripe.end_dispute(dispute, won)
    assert current().disputed(dispute).state == ("won" if won else "lost")


# accounts


def test_an_account_is_made_once_and_becomes_ready(stripe):
    account = asked.account(stripe, ready=False)
    assert current().open_account(account, account.user.email) == account.provider_id
    seen = current().look_at(account)
    assert (seen.state, seen.identity) == ("incomplete", "")
    assert "identity.individual.given_name" in seen.missing
    url = current().onboarding_url(account, "http://here/back", "http://here/again")
    assert url.startswith(stripe.url)
    stripe.onboard(account.provider_id)
    assert current().look_at(account).state == "ready"


def test_a_lost_reply_makes_no_second_account(stripe):
    account = PayoutAccount.objects.create(user=make.user("wes"), mode="test", country="DE")
    stripe.fail_next("drop_after", "/v2/core/accounts")
    with pytest.raises(library.APIConnectionError):
        current().open_account(account, "wes@example.org")
    current().open_account(account, "wes@example.org")
    assert len(stripe.accounts()) == 1


def test_somebody_who_corrects_their_address_is_asked_for_under_another_key(stripe):
    account = PayoutAccount.objects.create(user=make.user("wes"), mode="test", country="DE")
    current().open_account(account, "wse@example.org")
    current().open_account(account, "wes@example.org")
    assert len(stripe.accounts()) == 2


@pytest.mark.parametrize(("why", "state"), [("requirements_past_due", "incomplete"), ("rejected_fraud", "restricted")])
def test_an_account_that_lost_its_permission_says_whether_details_would_help(stripe, why, state):
    account = asked.account(stripe)
    stripe.restrict(account.provider_id, why)
    seen = current().look_at(account)
    assert (seen.state, bool(seen.missing)) == (state, state == "incomplete")


def test_a_closed_account_is_closed(stripe):
    account = asked.account(stripe)
    stripe.close(account.provider_id)
    assert current().look_at(account).state == "closed"


def test_accounts_paid_to_the_same_place_have_one_identity_and_no_bank_number(stripe):
    wes, sam, olga = (asked.account(stripe, make.user(name), ready=False) for name in ("wes", "sam", "olga"))
    for account, bank in ((wes, "DE89 3704"), (sam, "DE89 3704"), (olga, "FR76 3000")):
        stripe.onboard(account.provider_id, bank)
    seen = [current().look_at(account).identity for account in (wes, sam, olga)]
    assert seen[0] == seen[1] != seen[2]
    assert len(seen[0]) == 64
    assert "DE89" not in str(seen)


# modes and keys


def test_money_of_another_mode_is_never_refused_but_a_mistake_of_ours(stripe):
    stripe.fund(100_00)
    account = asked.account(stripe)
    payout = asked.payout(account)
    payout.mode = "live"
    prepayment = asked.prepayment(mode="sandbox")
    for call in (lambda: current().pay_out(payout), lambda: current().ask(prepayment)):
        with pytest.raises(ImproperlyConfigured):
            call()
    assert paid_out(stripe) == []


@pytest.mark.parametrize("mode", ["live", "sandbox"])
def test_a_key_moves_no_money_of_another_mode(stripe, mode):
    with pytest.raises(ImproperlyConfigured):
        Stripe(mode)


def test_no_two_rows_share_a_key(stripe):
    stripe.fund(100_00)
    prepayment = asked.paid(stripe)
    account = asked.account(stripe)
    current().refund(asked.refund(prepayment))
    current().pay_out(asked.payout(account))
    keys = [key for method, path, key in stripe.calls() if method == "POST"]
    assert len(set(keys)) == len(keys)
    randoms = [prepayment.public_id, account.user.public_id]
    assert all(any(public in key for key in keys) for public in randoms)


# what the balance says


def test_what_moved_is_listed_oldest_first_across_pages(stripe):
    stripe.fund(1000_00)
    account = asked.account(stripe)
    payouts = [asked.payout(account, 1_000_000) for _ in range(103)]
    for payout in payouts:
        payout.provider_id = current().pay_out(payout)
    until = clock.now() + timedelta(days=1)
    moved = current().movements(clock.now() - timedelta(days=2), until).rows
    assert [row.kind for row in moved] == ["topup", *["transfer"] * 103]
    assert [row.source_id for row in moved[1:]] == [payout.provider_id for payout in payouts]
    assert [row.facts["payout"] for row in moved[1:]] == [payout.public_id for payout in payouts]


def test_what_moved_is_read_a_bounded_number_at_a_time_in_any_distribution(stripe, monkeypatch):
    """Many in a second, many in an hour, few in weeks: all of them come once, oldest first, in few calls each time."""
    monkeypatch.setattr(speaking, "READ_MOST", 100)
    now = clock.now().replace(microsecond=0)
    ages = [*[20 * 86400] * 3, *range(5 * 86400, 5 * 86400 - 3600, -9), *[86400] * 250, *range(7000, 10, -50)]
    for age in ages:
        stripe.books.clock_ahead_s = (now - clock.now()).total_seconds() - age + 0.5
        stripe.fund(1_00)
    stripe.books.clock_ahead_s = 0
    since, found, most = now - timedelta(days=25), [], 0
    while since < now:
        before = len(stripe.calls())
        part = current().movements(since, now)
        most = max(most, len(stripe.calls()) - before)
        assert part.until > since
        assert len(part.rows) <= 100 + 250
        assert all(since <= row.created_at < part.until for row in part.rows)
        since, found = part.until, found + part.rows
    assert [row.provider_id for row in found] == list(stripe.books.tables["balance_transaction"])
    assert most < 50


def test_each_movement_has_its_kind_and_our_key(stripe):
    prepayment = asked.paid(stripe, micros=20_000_000)
    refund = asked.refund(prepayment)
    current().refund(refund)
    payout = asked.payout(asked.account(stripe), 2_000_000)
    transfer = current().pay_out(payout)
    stripe.reverse(transfer)
    stripe.end_dispute(stripe.dispute(prepayment.charge_id), won=True)
    since = clock.now() - timedelta(hours=1)
    moved = current().movements(since, since + timedelta(hours=2)).rows
    assert [(row.kind, row.amount_micros) for row in moved] == [
        ("charge", 20_000_000),
        ("refund", -4_000_000),
        ("transfer", -2_000_000),
        ("reversal", 2_000_000),
        ("dispute", -20_000_000),
        ("dispute", 20_000_000),
    ]
    assert moved[0].facts == {"prepayment": prepayment.public_id}
    assert moved[0].fee_micros == 880_000
    assert moved[1].facts == {"refund": refund.public_id}
    assert [row.source_id for row in moved[2:4]] == [transfer, transfer]
    net = sum(row.amount_micros - row.fee_micros for row in moved)
    assert current().balance_micros("USD") == net == stripe.totals()["usd"]["balance"] * 10_000


# messages


def body_of(stripe) -> tuple[bytes, str]:
    asked.paid(stripe)
    told = stripe.webhooks.waiting("checkout")[0]
    return told.body.encode(), stripe.webhooks.signed(told)


def test_a_message_keeps_keys_amounts_and_states_and_nobodys_name(stripe):
    body, signature = body_of(stripe)
    assert b"Private Person" in body
    event = current().verify(body, signature)
    assert (event.type, event.mode) == ("checkout.session.completed", "test")
    assert event.payload["payment_status"] == "paid"
    assert "prepayment" in event.payload["metadata"]
    assert "rivate" not in str(event.payload)


def test_a_thin_note_names_what_it_is_about(stripe):
    account = asked.account(stripe)
    told = stripe.webhooks.waiting("v2.core.account[configuration")[0]
    event = current().verify(told.body.encode(), stripe.webhooks.signed(told))
    assert event.payload == {"id": account.provider_id, "object": "v2.core.account"}


def test_forged_old_and_broken_messages_are_told_apart_from_real_ones(stripe):
    body, signature = body_of(stripe)
    told = stripe.webhooks.waiting("checkout")[0]
    signed = stripe.webhooks.signed
    for said, by in (
        (body, ""),
        (body, "t=1,v1=abc"),
        (body.replace(b'"paid"', b'"hack"'), signature),
        (body, signed(told, secret="whsec_other")),
        (body, signed(told, late_s=301)),
        (b"\xff\xfe", signature),
    ):
        with pytest.raises(Forged):
            current().verify(said, by)
    assert current().verify(body, signed(told, late_s=290)).type == told.type


def test_each_destination_may_have_a_secret_of_its_own(stripe, settings):
    settings.STRIPE_WEBHOOK_SECRET = "whsec_snapshots, whsec_fakefakefake"
    body, signature = body_of(stripe)
    assert Stripe("test").verify(body, signature).type == "checkout.session.completed"
