"""Pages about money."""

import pytest
from django.test import Client
from django.urls import reverse

from marketplace.models import Organisation, User
from payments import ledger, prepayments
from payments.models import Account, Payout, Prepayment
from tests import make


@pytest.fixture
def lab(rita: User) -> Organisation:
    return make.organisation(rita)


def _earn(user: User, amount_micros: int) -> None:
    """Money lost to them, as if it had been worked for."""
    kind = {"currency": "USD", "mode": "sandbox"}
    losses = ledger.account(Account.Kind.LOSSES, **kind)
    earnings = ledger.account(Account.Kind.EARNINGS, user=user, **kind)
    ledger.post("settlement", f"test:{user.pk}", (losses, earnings, amount_micros))


def test_an_owner_prepays_in_play_money(as_rita: Client, lab: Organisation) -> None:
    address = reverse("money", args=[lab.public_id])
    page = as_rita.post(address, {"amount_micros": "12.50", "currency": "USD"}, follow=True).content.decode()
    assert Prepayment.objects.get().amount_micros == 12_500_000
    assert "12.50 USD are prepaid" in page
    assert "play money" in page


@pytest.mark.parametrize("amount", ["", "0", "-1", "1.005", "a lot", "1e400"])
def test_no_other_amount_is_taken(as_rita: Client, lab: Organisation, amount: str) -> None:
    address = reverse("money", args=[lab.public_id])
    page = as_rita.post(address, {"amount_micros": amount, "currency": "USD"}).content.decode()
    assert 'aria-invalid="true"' in page
    assert not Prepayment.objects.exists()


def test_what_is_missing_is_filled_in(as_rita: Client, lab: Organisation) -> None:
    page = as_rita.get(reverse("money", args=[lab.public_id]), {"amount_micros": "3.85", "currency": "EUR"})
    assert 'value="3.85"' in page.content.decode()
    assert '<option value="EUR" selected>' in page.content.decode()


def test_a_payout_is_requested(client: Client, wes: User) -> None:
    client.force_login(wes, "allauth.account.auth_backends.AuthenticationBackend")
    _earn(wes, 2_345_678)
    page = client.post(reverse("request-payout"), {"currency": "USD", "amount_micros": ""}, follow=True)
    assert Payout.objects.get().amount_micros == 2_340_000
    assert "2.34 USD are on their way to you" in page.content.decode()


def test_more_than_was_earned_is_refused_in_words(client: Client, wes: User) -> None:
    client.force_login(wes, "allauth.account.auth_backends.AuthenticationBackend")
    _earn(wes, 2_000_000)
    address = reverse("request-payout")
    page = client.post(address, {"currency": "USD", "amount_micros": "5"}, headers={"referer": ""}, follow=True)
    assert "3.00 USD is missing" in page.content.decode()
    assert not Payout.objects.exists()


def test_a_stranger_finds_nothing(as_sam: Client, lab: Organisation) -> None:
    prepayments.request(lab, make.owner(lab), 5_000_000, "USD")
    address = reverse("money", args=[lab.public_id])
    assert as_sam.get(address).status_code == 404
    assert as_sam.post(address, {"amount_micros": "1", "currency": "USD"}).status_code == 404
