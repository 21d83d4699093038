from datetime import timedelta

import pytest
from django.contrib import admin
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from marketplace.core import clock
from payments import (
    balances,
    corrections,
    differences,
    disputes,
    invoices,
    ledger,
    months,
    payouts,
    prepayments,
    refunds,
    seals,
)
from payments.admin import ledger as pages
from payments.models import (
    Account,
    Correction,
    Difference,
    Dispute,
    Entry,
    Hold,
    Invoice,
    Maturity,
    Payout,
    PayoutAccount,
    Prepayment,
    ProviderMovement,
    Refund,
    Reserve,
    SealedCheckpoint,
    StripeEvent,
    Transfer,
)
from tests import make
from tests.conftest import signed_in
from tests.payments import made

MODELS = [
    *(
        Account,
        Entry,
        Reserve,
        Prepayment,
        Payout,
        PayoutAccount,
        Refund,
        Dispute,
        Hold,
        Invoice,
        Maturity,
        StripeEvent,
    ),
    *(ProviderMovement, SealedCheckpoint, Difference, Correction),
]
UNIT = 1_000_000


@pytest.fixture
def as_ada(ada):
    wes, acme = make.user("wes"), make.organisation()
    prepayments.request(acme, make.owner(acme), 1_000_000, "USD")
    Prepayment.objects.update(paid_at="2001-01-01T00:00Z", charge_id="ch_1")
    refunds.request(acme, make.owner(acme), 500_000, "USD")
    disputes.opened("ch_1", "dp_1", 200_000)
    disputes.opened("ch_of_a_shop", "dp_2", 200_000)
    made.earned(wes, 5_000_000)
    made.paid_to(wes)
    payouts.request(wes)
    _others(acme, wes, ada)
    return signed_in(ada)


def _others(acme, wes, ada):
    """A row of each kind that no verb above has made."""
    at = clock.now()
    Hold.objects.create(user=wes, since=at, until=at + timedelta(days=365))
    Maturity.objects.create(organisation=acme, currency="USD", mode="test", day=at.date())
    StripeEvent.objects.create(event_id="evt_1", type="charge.succeeded", mode="test", payload={}, received_at=at)
    ProviderMovement.objects.create(
        mode="test", provider_id="txn_1", kind="charge", amount_micros=1, currency="USD", moved_at=at, seen_at=at
    )
    months._cover(at, at)
    spent = invoices.Spent(False, "USD", "sandbox", None, None, None, "bonus", UNIT)
    invoices._write(months.containing(at), acme, [spent])
    seals._seal(0, Transfer.objects.order_by("-pk")[0].pk)  # nobody else writes here
    differences.found("test", "stranger", "txn_1", theirs=1, currency="USD")
    fees = ledger.account("fees", **made.USD)
    charge = ledger.post("charge", "charge:1", (ledger.account("losses", **made.USD), fees, UNIT))
    corrections.propose(charge, ada, "Wrong.")


def page(model, view, *args):
    return reverse(f"admin:payments_{model._meta.model_name}_{view}", args=args)


@pytest.mark.parametrize("model", MODELS)
def test_staff_find_and_read_every_row(as_ada, model):
    assert as_ada.get(page(model, "changelist"), {"q": "nothing"}).status_code == 200
    reply = as_ada.get(page(model, "changelist"))
    assert reply.context["cl"].result_count == model.objects.count() > 0
    assert as_ada.get(page(model, "change", model.objects.first().pk)).status_code == 200


@pytest.mark.parametrize("model", MODELS)
def test_nothing_is_added_changed_or_deleted(as_ada, model):
    row = model.objects.first().pk
    assert as_ada.post(page(model, "add"), {}).status_code == 403
    if model not in (Difference, Correction):  # there, verbs of their own are called
        assert as_ada.post(page(model, "change", row), {}).status_code == 403
    assert as_ada.post(page(model, "delete", row), {"post": "yes"}).status_code == 403
    assert "delete_selected" not in as_ada.get(page(model, "changelist")).content.decode()


@pytest.mark.parametrize("model", MODELS)
def test_no_page_counts_a_whole_table(as_ada, model):
    with CaptureQueriesContext(
        connection,
    ) as queries:
        as_ada.get(page(model, "changelist"))
    counting = [query["sql"] for query in queries if "COUNT(" in query["sql"]]
    assert counting
    assert all("LIMIT 5000" in sql for sql in counting)


def test_an_entry_shows_the_first_of_its_transfers(as_ada, monkeypatch):
    monkeypatch.setattr(pages, "INLINE_MOST", 2)
    workers = {make.user(f"worker{n}").pk: 10 for n in range(4)}
    entry = ledger.post_settlement("settle:1", made.reserve(100).account, workers, 0)
    formset = as_ada.get(page(Entry, "change", entry.pk)).context["inline_admin_formsets"][0].formset
    assert len(formset.forms) == 2


def test_an_entry_is_found_by_the_beginning_of_its_key(as_ada):
    rows = as_ada.get(page(Entry, "changelist"), {"q": "payout:"}).context["cl"].result_list
    assert [entry.kind for entry in rows] == ["payout"]


def test_all_of_money_is_in_the_admin():
    assert {model for model in admin.site._registry if model._meta.app_label == "payments"} == set(MODELS)


def test_a_refund_by_hand_takes_two_admins(as_ada):
    def act(client, name):
        asked = {"action": name, "_selected_action": [Refund.objects.get().pk]}
        return client.post(page(Refund, "changelist"), asked, follow=True).content.decode()

    assert "an admin proposes it first" in act(as_ada, "sign")
    assert "done" in act(as_ada, "propose")
    assert "another admin than the one who proposed it" in act(as_ada, "sign")
    assert Refund.objects.get().state == "proposed"
    act(signed_in(make.user("bob", staff=True)), "sign")
    assert Refund.objects.get().state == "paid"


@pytest.mark.parametrize(("action", "state"), [("decline", "declined"), ("try_original", "requested")])
def test_an_admin_declines_a_refund_or_sends_it_after_all(as_ada, action, state):
    as_ada.post(page(Refund, "changelist"), {"action": action, "_selected_action": [Refund.objects.get().pk]})
    assert Refund.objects.get().state == state


# Payouts that an admin looks at first


def in_review(user):
    made.earned(user, 3_000_000)
    payout = payouts.request(user, 2_000_000)
    Payout.objects.filter(pk=payout.pk).update(state="review", review_because="the first payouts of a new payee")
    return payout


def verdict(client, payout, **said):
    text = client.post(page(Payout, "change", payout.pk), said, follow=True).content.decode()
    payout.refresh_from_db()
    return text


def test_an_admin_sees_why_and_who_else_is_paid_there_and_lets_it_go(as_ada, sam):
    payout = in_review(sam)
    account = made.paid_to(sam, mode="sandbox", identity="same place")
    Payout.objects.filter(pk=payout.pk).update(account=account)
    kin = made.paid_to(make.user("kin"), identity="same place")
    text = as_ada.get(page(Payout, "change", payout.pk)).content.decode()
    assert "the first payouts of a new payee" in text
    assert kin.user.public_id in text
    assert "It is sent." in verdict(as_ada, payout, verdict="let_go")
    assert (payout.state, payout.reviewed_by.email) == ("requested", "ada@example.org")


def test_an_admin_refuses_with_a_reason_or_not_at_all(as_ada, sam):
    payout = in_review(sam)
    assert "Choose a verdict" in verdict(as_ada, payout)
    assert "Say why" in verdict(as_ada, payout, verdict="refuse", reason=" ")
    assert payout.state == "review"
    assert "back in the earnings" in verdict(as_ada, payout, verdict="refuse", reason="It is not yours.")
    assert (payout.state, payout.failure) == ("failed", "It is not yours.")


def test_nobody_lets_their_own_go(as_ada, ada):
    payout = in_review(ada)
    assert "Another admin" in verdict(as_ada, payout, verdict="let_go")
    assert payout.state == "review"


def test_who_is_no_admin_reviews_nothing(sam, wes):
    payout = in_review(wes)
    assert signed_in(sam).post(page(Payout, "change", payout.pk), {"verdict": "let_go"}).status_code == 302
    payout.refresh_from_db()
    assert payout.state == "review"


def test_play_money_is_shown_and_not_sent_once_there_is_a_key(as_ada, sam, settings):
    payout = in_review(sam)
    settings.MODE = "live"
    assert "moves other money now" in as_ada.get(page(Payout, "change", payout.pk)).content.decode()
    assert "not paid here any more" in verdict(as_ada, payout, verdict="let_go")
    assert payout.state == "review"


def messages_of(reply):
    return [str(message) for message in reply.context["messages"]]


def test_transfers_of_an_account_are_paged_by_key(as_ada, monkeypatch):
    monkeypatch.setattr(pages, "PAGE", 3)
    account = ledger.account("prepaid", organisation=make.organisation(), **made.USD)
    for n in range(7):
        made.prepaid(account.organisation, n + 1)
    seen, address, steps = [], page(Account, "transfers", account.pk), 0
    while address:
        reply = as_ada.get(address)
        seen += [row["inward"] for row in reply.context["rows"]]
        older, steps = reply.context["older"], steps + 1
        address = older and f"{page(Account, 'transfers', account.pk)}?before={older}"
    assert seen == [f"0.00000{n} USD" for n in range(7, 0, -1)]
    assert steps == 3
    assert as_ada.get(f"{page(Account, 'transfers', account.pk)}?before=x").status_code == 200
    assert as_ada.get(page(Account, "transfers", 10**9)).status_code == 404
    assert len(balances.transfers(account, most=2)) == 2


def test_an_entry_is_reversed_on_a_page_that_asks_why(as_ada, settings, ada):
    settings.CORRECTION_ALONE_MOST_MICROS = UNIT
    fees, losses = ledger.account("fees", **made.USD), ledger.account("losses", **made.USD)
    entry = ledger.post("charge", "charge:2", (losses, fees, UNIT))
    address = page(Entry, "reverse", entry.pk)
    assert address in as_ada.get(page(Entry, "change", entry.pk)).content.decode()
    assert '<label for="reason"' in as_ada.get(address).content.decode()
    assert as_ada.post(address, {"reason": " "}).status_code == 409
    assert not Correction.objects.filter(entry=entry).exists()
    as_ada.post(address, {"reason": "Charged twice."})
    assert Correction.objects.get(entry=entry).state == "posted"
    settled = Entry.objects.get(kind="settlement")
    refused = as_ada.post(page(Entry, "reverse", settled.pk), {"reason": "Fraud."})
    assert "never taken back" in refused.content.decode()


def test_a_second_admin_signs_or_declines_and_the_first_cannot_sign(as_ada, settings, ada):
    settings.CORRECTION_ALONE_MOST_MICROS = 0
    fees, losses = ledger.account("fees", **made.USD), ledger.account("losses", **made.USD)
    as_eve = signed_in(make.user("eve", staff=True))
    waiting = [
        corrections.propose(ledger.post("charge", f"charge:{n}", (losses, fees, UNIT)), ada, "Wrong.") for n in (3, 4)
    ]
    address = page(Correction, "change", waiting[0].pk)
    assert "Another admin" in as_ada.get(address).content.decode()
    reply = as_ada.post(address, {"verdict": "sign"}, follow=True)
    assert messages_of(reply) == ["another admin than the one who proposed it signs"]
    as_eve.post(address, {"verdict": "sign"})
    assert Correction.objects.get(pk=waiting[0].pk).state == "posted"
    other = page(Correction, "change", waiting[1].pk)
    assert messages_of(as_eve.post(other, {"verdict": "decline"}, follow=True))[-1].startswith("must be a text")
    as_eve.post(other, {"verdict": "decline", "reason": "It was right."})
    assert Correction.objects.get(pk=waiting[1].pk).state == "declined"
    assert messages_of(as_eve.post(other, {"verdict": "sign"}, follow=True))[-1] == "declined cannot become posted"


def test_a_difference_is_explained_with_a_note(as_ada, ada):
    row = Difference.objects.get()
    address = page(Difference, "change", row.pk)
    assert "0.000001 USD" in as_ada.get(address).content.decode()
    as_ada.post(address, {"note": " "})
    assert Difference.objects.get().state == "open"
    as_ada.post(address, {"note": "The operator put it there."})
    assert (Difference.objects.get().state, Difference.objects.get().explained_by) == ("explained", ada)


@pytest.mark.parametrize("name", ["transfers", "reverse"])
def test_nobody_but_staff_comes_to_these_pages(as_ada, as_sam, name):
    model = Account if name == "transfers" else Entry
    assert as_sam.get(page(model, name, model.objects.first().pk)).status_code == 302
    assert as_sam.post(page(model, name, model.objects.first().pk), {"reason": "x"}).status_code == 302
