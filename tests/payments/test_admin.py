import pytest
from django.contrib import admin
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from payments import admin as pages
from payments import disputes, ledger, payouts, prepayments, refunds
from payments.models import Account, Dispute, Entry, Payout, PayoutAccount, Prepayment, Refund, Reserve
from tests import make
from tests.conftest import signed_in
from tests.payments import made

MODELS = [Account, Entry, Reserve, Prepayment, Payout, PayoutAccount, Refund, Dispute]


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
    return signed_in(ada)


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
