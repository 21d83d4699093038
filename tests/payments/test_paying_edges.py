"""How people are paid, over HTTP and on pages."""

import json

import pytest
from django.urls import reverse

from payments import gateway, payout_accounts, payouts
from payments.gateway.sandbox import Sandbox
from payments.models import Payout, PayoutAccount
from tasks import holding
from tasks.exports import person
from tests import make
from tests.conftest import signed_in
from tests.payments import made
from tests.payments.test_api import calls, problem
from workers import profiles

UNIT = 1_000_000
PATH = "/api/v1/payout-account"
PAGE = "/earnings/account/"


class Provider(Sandbox):
    """It shows its own pages, and does not always answer."""

    mode = "test"
    says = gateway.AccountState("incomplete", ["individual.id_number"])
    is_silent = False

    def open_account(self, account, email):
        self._answer()
        return f"acct_{account.pk}"

    def look_at(self, account):
        self._answer()
        return self.says

    def onboarding_url(self, account, back_url, again_url):
        self._answer()
        return f"https://provider.example/{account.provider_id}?to={back_url}"

    def _answer(self):
        if self.is_silent:
            raise ConnectionError


@pytest.fixture
def provider(settings, monkeypatch):
    settings.MODE = "test"
    one = Provider()
    monkeypatch.setattr(gateway, "current", lambda: one)
    return one


def test_a_person_opens_gives_details_and_is_ready(wes, provider):
    client = signed_in(wes)
    assert client.get(PATH).json() == {"account": None, "schedule": "none", "held_until": None}
    assert problem(client.post(f"{PATH}/link")) == (404, "not-found")
    reply = client.post(PATH, {"country": "US"}, "application/json")
    assert (reply.status_code, reply.json()["account"]["state"]) == (201, "new")
    link = client.post(f"{PATH}/link").json()["url"]
    assert link.startswith("https://provider.example/acct_")
    assert link.endswith("/earnings/account/back")
    assert client.get(PATH).json()["account"]["words"] == "needs your bank details"
    provider.says = gateway.AccountState("ready")
    assert client.post(f"{PATH}/refresh").json()["account"]["state"] == "ready"
    assert client.put(f"{PATH}/schedule", {"every": "monthly"}, "application/json").json() == {"every": "monthly"}
    assert client.get(PATH).json()["schedule"] == "monthly"


def test_a_key_sees_how_its_person_is_paid_and_does_not_say_where(wes, provider):
    client = calls(wes)
    assert client.get(PATH).status_code == 200
    assert problem(client.post(PATH, {"country": "US"}, format="json")) == (403, "forbidden")
    for verb in ("link", "refresh", "close"):
        assert problem(client.post(f"{PATH}/{verb}")) == (403, "forbidden")
    assert not PayoutAccount.objects.exists()


def test_a_provider_that_does_not_answer_is_no_fault_of_ours(wes, provider):
    client = signed_in(wes)
    payout_accounts.open(wes, "US")
    provider.is_silent = True
    for verb in ("link", "refresh"):
        assert problem(client.post(f"{PATH}/{verb}")) == (409, "provider-silent")
    for way in ("onward", "back"):
        page = client.get(f"{PAGE}{way}", follow=True)
        assert page.redirect_chain[-1][0] == PAGE
        assert "does not answer now" in page.content.decode()


def test_a_payout_without_an_account_or_under_a_hold_says_what_to_do(wes, provider):
    made.owed(wes, 5 * UNIT)
    client = calls(wes)
    assert problem(client.post("/api/v1/payouts", {}, format="json")) == (409, "payout-account-needed")
    made.paid_to(wes)
    reason = {"reason_code": "fraud", "reason": "Two accounts, one bank."}
    hold = holding.place(profiles.of(wes), make.user("ada", staff=True), days=1, **reason).hold
    reply = client.post("/api/v1/payouts", {}, format="json")
    assert problem(reply) == (409, "payout-held")
    assert reply.json()["until"] == hold.until.isoformat()
    assert client.get(PATH).json()["held_until"]
    page = signed_in(wes).get(reverse("earnings")).content.decode()
    assert "Payouts to you are held" in page
    assert f"Until {hold.until.day} " in page
    assert "Request the payout" not in page


def test_closing_says_what_is_still_paid(wes, provider):
    made.owed(wes, 550_000)
    made.paid_to(wes)
    (last,) = signed_in(wes).post(f"{PATH}/close").json()["payouts"]
    assert (last["amount_micros"], last["state"]) == (550_000, "requested")


def test_admins_see_and_settle_what_waits_for_them(ada, wes, sam):
    made.earned(wes, 9 * UNIT)
    rows = [payouts.request(wes, UNIT) for _ in range(3)]
    Payout.objects.filter(pk__in=[rows[0].pk, rows[1].pk]).update(state="review", review_because="The first.")
    admin = calls(ada, "admin")
    listed = admin.get("/api/v1/payout-reviews").json()["items"]
    assert [one["id"] for one in listed] == [rows[1].public_id, rows[0].public_id]
    assert admin.post(f"/api/v1/payout-reviews/{rows[0].public_id}/let-go").json()["state"] == "requested"
    path = f"/api/v1/payout-reviews/{rows[1].public_id}/refuse"
    assert problem(admin.post(path, {"reason": ""}, format="json")) == (422, "invalid")
    assert admin.post(path, {"reason": "No."}, format="json").json()["state"] == "failed"
    assert problem(admin.post(path, {"reason": "No."}, format="json")) == (409, "illegal-move")
    assert problem(admin.post(f"/api/v1/payout-reviews/{rows[2].public_id}/let-go")) == (404, "not-found")
    assert signed_in(sam).get("/api/v1/payout-reviews").json()["items"] == []


@pytest.mark.parametrize(
    ("state", "missing", "said"),
    [
        ("incomplete", ["individual.id_number"], "Needs your bank details"),
        ("incomplete", [], "The provider is checking"),
        ("ready", [], "Ready"),
        ("restricted", ["rejected_fraud"], "The provider pays nothing to it for now: rejected fraud"),
        ("new", [], "Being opened with the provider"),
    ],
)
def test_the_page_says_in_plain_words_how_it_stands(wes, provider, state, missing, said):
    made.paid_to(wes, state, missing=missing)
    assert f"<dd>{said}</dd>" in signed_in(wes).get(PAGE).content.decode()


def test_the_page_leads_to_the_provider_and_back(wes, provider):
    client = signed_in(wes)
    client.post(PAGE, {"country": "US"})
    assert client.get(f"{PAGE}onward").url.startswith("https://provider.example/")
    provider.says = gateway.AccountState("ready")
    assert "Where you are paid: ready." in client.get(f"{PAGE}back", follow=True).content.decode()
    assert client.post(f"{PAGE}schedule", {"every": "weekly"}, follow=True).status_code == 200
    assert client.post(f"{PAGE}close", follow=True).status_code == 200
    assert payout_accounts.of(wes) is None


def test_a_country_where_nobody_is_paid_is_not_offered(wes, provider):
    page = signed_in(wes).post(PAGE, {"country": "AQ"}).content.decode()
    assert 'aria-invalid="true"' in page
    assert not PayoutAccount.objects.exists()


def test_a_refused_account_says_why(wes, provider, monkeypatch):
    def refuse(account, email):
        raise gateway.Refused("We do not serve this country.")

    monkeypatch.setattr(provider, "open_account", refuse)
    client = signed_in(wes)
    client.post(PAGE, {"country": "US"})
    assert "We do not serve this country." in client.get(f"{PAGE}onward", follow=True).content.decode()


@pytest.mark.parametrize(
    ("state", "said"),
    [
        ("review", "An admin looks at it first, within 3 days."),
        ("requested", "On its way"),
        ("paid", "Paid"),
        ("failed", "The account is closed; it is back in your earnings."),
        ("reversed", "The account is closed; it is back in your earnings."),
    ],
)
def test_the_earnings_page_says_what_became_of_a_payout(wes, state, said):
    made.earned(wes, 5 * UNIT)
    payout = payouts.request(wes)
    Payout.objects.update(state=state, failure="The account is closed" if state in ("failed", "reversed") else "")
    text = signed_in(wes).get(reverse("earnings")).content.decode()
    Payout.objects.filter(pk=payout.pk).update(state="requested")
    assert said in text


def test_play_money_is_not_offered_to_be_paid_out_once_there_is_a_key(wes, settings):
    made.earned(wes, 5 * UNIT)
    client = signed_in(wes)
    page = client.get(reverse("earnings")).content.decode()
    assert "Request the payout" in page
    assert "Earned, not yet paid out<" in page
    settings.MODE = "live"
    made.paid_to(wes, mode="live")
    page = client.get(reverse("earnings")).content.decode()
    assert "Request the payout" not in page
    assert "Earned, not yet paid out, play money" in page


def test_who_deletes_their_account_is_paid_less_than_the_least_first(wes):
    made.earned(wes, 550_000)
    client = signed_in(wes)
    page = client.get(reverse("erase")).content.decode()
    assert "0.55 USD paid out" in page
    client.post(reverse("payout-account-close"))
    assert wes.payouts.get().amount_micros == 550_000
    make.user("wes").refresh_from_db()
    assert "A payout is on its way to you" in client.get(reverse("erase")).content.decode()


def test_who_deletes_their_account_and_cannot_be_paid_says_where_first(wes, provider):
    made.owed(wes, 550_000)
    page = signed_in(wes).get(reverse("erase")).content.decode()
    assert "Say where I am paid" in page
    assert reverse("payout-account-close") not in page


def test_where_they_are_paid_is_in_what_people_take_along(wes):
    made.paid_to(wes)
    taken = json.loads(b"".join(person.write_json(wes)))
    assert [row["country"] for row in taken["payout_accounts"]] == ["US"]
