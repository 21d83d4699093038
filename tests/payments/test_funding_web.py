"""Pages about what organisations pay in and get back."""

import re

import pytest
from django.test import Client
from django.urls import reverse

from marketplace.models import Organisation, User
from payments import disputes, prepayments, refunds
from payments.models import Prepayment, Refund
from tests import make
from tests.payments.bank import Bank


@pytest.fixture
def bank(settings, monkeypatch: pytest.MonkeyPatch) -> Bank:
    settings.MODE = "test"
    found = Bank()
    monkeypatch.setattr("payments.gateway.current", lambda: found)
    return found


@pytest.fixture
def lab(bank: Bank, rita: User) -> Organisation:
    return make.organisation(rita)


def text(response) -> str:
    return re.sub(r"\s+", " ", response.content.decode())


def money(client: Client, lab: Organisation) -> str:
    return text(client.get(reverse("money", args=[lab.public_id])))


def paid(lab: Organisation, units: int = 25, charge: str = "ch_1") -> Prepayment:
    begun = prepayments.request(lab, make.owner(lab), units * 1_000_000, "USD")
    return prepayments.settle_paid(begun.pk, charge)


@pytest.mark.django_db(transaction=True)
def test_the_form_leads_to_a_page_that_leads_to_the_provider_and_says_when_it_is_paid(as_rita, lab) -> None:
    form = {"amount_micros": "12.50", "currency": "USD"}
    reply = as_rita.post(reverse("money", args=[lab.public_id]), form)
    row = Prepayment.objects.get()
    address = reverse("prepayment", args=[lab.public_id, row.public_id])
    assert reply["Location"] == address
    page = text(as_rita.get(address))
    assert "We are asking the payment provider" in page
    assert 'hx-trigger="every 3s"' in page
    assert "http-equiv" in page
    prepayments.ask(row.pk)
    part = text(as_rita.get(address, headers={"HX-Request": "true"}))
    assert f'href="https://pay.example.org/cs_{row.pk}"' in part
    assert "<h1" not in part
    prepayments.settle_paid(row.pk, "ch_1")
    page = text(as_rita.get(address))
    assert "Your payment has arrived: 12.50 USD are prepaid" in page
    assert "hx-get" not in page
    assert "pay.example.org" not in page


def test_one_that_failed_says_why(as_rita, lab) -> None:
    begun = prepayments.request(lab, make.owner(lab), 5_000_000, "USD")
    prepayments.fail(begun.pk, "the time to pay it ran out")
    page = text(as_rita.get(reverse("prepayment", args=[lab.public_id, begun.public_id])))
    assert "the time to pay it ran out" in page
    assert "The time to pay it ran out" in money(as_rita, lab)


def test_the_page_says_the_fee(as_rita, lab, settings) -> None:
    settings.FEE_BP = 1250
    assert "The fee is 12.5&nbsp;% of what workers are paid" in money(as_rita, lab)


def test_a_new_organisation_learns_when_workers_can_be_paid(as_rita, lab) -> None:
    assert "The payments of a new organisation wait" not in money(as_rita, lab)
    paid(lab)
    assert "The payments of a new organisation wait 7 days" in money(as_rita, lab)


def test_what_goes_back_by_hand_is_not_said_to_be_on_its_way(as_rita, lab, settings) -> None:
    paid(lab)
    settings.REFUND_WITHIN_DAYS = 0
    form = {"refund-currency": "USD", "refund-amount_micros": "10"}
    page = text(as_rita.post(reverse("request-refund", args=[lab.public_id]), form, follow=True))
    assert "10.00 USD cannot go back the way they came" in page
    assert "are on their way back to you" not in page


def test_what_is_free_is_asked_back(as_rita, lab) -> None:
    assert "Have money back" not in money(as_rita, lab)
    paid(lab)
    assert "Have money back" in money(as_rita, lab)
    form = {"refund-currency": "USD", "refund-amount_micros": "10"}
    page = text(as_rita.post(reverse("request-refund", args=[lab.public_id]), form, follow=True))
    assert "10.00 USD are on their way back to you" in page
    assert "On its way back to you" in page
    refund = Refund.objects.get()
    assert refund.amount_micros == 10_000_000
    refunds.settle("re_1", "failed", "the card was cancelled", refund_pk=refund.pk)
    for where in (money(as_rita, lab), text(as_rita.get(reverse("prepayment", args=[lab.public_id, _only()])))):
        assert "The money is prepaid again. The card was cancelled" in where


def test_more_than_is_free_is_refused_in_words(as_rita, lab) -> None:
    paid(lab)
    form = {"refund-currency": "USD", "refund-amount_micros": "26"}
    address = reverse("request-refund", args=[lab.public_id])
    assert "1.00 USD more than can be paid back" in text(as_rita.post(address, form, follow=True))
    bad = as_rita.post(address, {"refund-currency": "USD", "refund-amount_micros": "much"}, follow=True)
    assert "is not an amount of money" in text(bad)
    assert not Refund.objects.exists()


def test_a_frozen_organisation_is_told_so(as_rita, lab) -> None:
    paid(lab)
    disputes.opened("ch_1", "dp_1", 10_000_000, "fraudulent")
    page = money(as_rita, lab)
    assert "This organisation is frozen since" in page
    assert "The bank that paid has taken it back for now" in page
    assert "10.00 USD taken back by the bank" in page
    assert "Have money back" not in page
    disputes.closed("dp_1", won=True)
    assert "The bank has given it back" in money(as_rita, lab)


def test_a_manager_sees_it_and_gets_no_form_to_ask_back(lab) -> None:
    paid(lab)
    max_ = make.user("max")
    lab.memberships.create(user=max_, role="manager")
    client = Client()
    client.force_login(max_, "allauth.account.auth_backends.AuthenticationBackend")
    assert "Have money back" not in money(client, lab)
    client.post(reverse("request-refund", args=[lab.public_id]), {"refund-currency": "USD"})
    assert not Refund.objects.exists()


def test_a_stranger_finds_nothing(as_sam, lab) -> None:
    row = paid(lab)
    assert as_sam.get(reverse("prepayment", args=[lab.public_id, row.public_id])).status_code == 404
    assert as_sam.post(reverse("request-refund", args=[lab.public_id]), {}).status_code == 404
    other = make.organisation(make.user("sam"))
    assert as_sam.get(reverse("prepayment", args=[other.public_id, row.public_id])).status_code == 404


def _only() -> str:
    return Prepayment.objects.get().public_id
