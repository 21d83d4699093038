import pytest
from rest_framework.test import APIClient

from marketplace import accounts
from marketplace.models import ApiKey
from payments import ledger, payouts
from payments.models import Payout, Prepayment
from tests import make
from tests.payments import made

USD_50 = {"amount_micros": 50_000_000, "currency": "USD"}


def calls(user, *scopes):
    """A client with a key of this user."""
    client = APIClient()
    _, secret = accounts.issue_key(user, "test", scopes or [ApiKey.Scope.OFFER, ApiKey.Scope.WORK])
    client.credentials(HTTP_AUTHORIZATION=f"Bearer {secret}")
    return client


def of(organisation, what):
    return f"/api/v1/organisations/{organisation.public_id}/{what}"


def problem(reply):
    return reply.status_code, reply.json()["type"].removeprefix("/problems/")


def wes(micros=5_000_000):
    user = make.user("wes")
    made.earned(user, micros)
    return user


# Organisations


def test_an_owner_prepays_and_sees_it():
    acme = make.organisation()
    rita = calls(make.owner(acme))
    reply = rita.post(of(acme, "prepayments"), USD_50, format="json")
    assert reply.status_code == 201
    body = reply.json()
    assert {name: body[name] for name in ("amount_micros", "currency", "mode", "state", "failure")} == {
        **USD_50,
        "mode": "sandbox",
        "state": "paid",
        "failure": "",
    }
    assert rita.get(of(acme, "prepayments")).json() == {"items": [body], "next": None}
    assert rita.get(of(acme, "balance")).json() == {
        "balances": [
            {
                "currency": "USD",
                "mode": "sandbox",
                "prepaid_micros": 50_000_000,
                "reserved_micros": 0,
                "refunding_micros": 0,
            }
        ]
    }


def test_the_balance_tells_reserved_from_prepaid():
    reserve = made.reserve(1_000)
    acme = reserve.project.organisation
    made.prepaid(acme, 500)
    ledger.post_settlement("settle:1", reserve.account, {make.user("wes").pk: 100}, 10)
    made.prepaid(acme, 7, "EUR")
    balances = calls(make.owner(acme)).get(of(acme, "balance")).json()["balances"]
    assert [(one["currency"], one["prepaid_micros"], one["reserved_micros"]) for one in balances] == [
        ("EUR", 7, 0),
        ("USD", 500, 890),
    ]


def test_a_prepayment_sent_twice_under_one_key_is_one():
    acme = make.organisation()
    rita = calls(make.owner(acme))
    first, again = (
        rita.post(of(acme, "prepayments"), USD_50, format="json", headers={"Idempotency-Key": "k"}) for _ in "12"
    )
    assert (first.status_code, again.status_code) == (201, 201)
    assert first.json() == again.json()
    assert Prepayment.objects.count() == 1
    other = rita.post(
        of(acme, "prepayments"), {**USD_50, "amount_micros": 10_000}, format="json", headers={"Idempotency-Key": "k"}
    )
    assert problem(other) == (409, "key-reused")


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"amount_micros": "much", "currency": "USD"},
        {"amount_micros": 5_000, "currency": "USD"},
        {"amount_micros": 10**30, "currency": "USD"},
        {"amount_micros": 10_000, "currency": "XXX"},
        {"amount_micros": 10_000, "currency": "USD", "mode": "live"},
    ],
)
def test_a_prepayment_that_cannot_be_charged_is_invalid(body):
    acme = make.organisation()
    reply = calls(make.owner(acme)).post(of(acme, "prepayments"), body, format="json")
    assert problem(reply) == (422, "invalid")
    assert reply.json()["errors"]


def test_a_member_who_is_no_owner_may_look_and_not_pay():
    acme, max_ = make.organisation(), make.user("max")
    acme.memberships.create(user=max_, role="manager")
    client = calls(max_)
    assert client.get(of(acme, "balance")).status_code == 200
    assert problem(client.post(of(acme, "prepayments"), USD_50, format="json")) == (403, "forbidden")


def test_a_stranger_finds_no_money_of_an_organisation():
    acme, sam = make.organisation(), calls(make.user("sam"))
    for reply in (
        sam.get(of(acme, "prepayments")),
        sam.post(of(acme, "prepayments"), USD_50, format="json"),
        sam.get(of(acme, "balance")),
    ):
        assert problem(reply) == (404, "not-found")
    assert not Prepayment.objects.exists()


# Workers


def test_earnings_say_where_the_money_is(queued):
    user = wes(5_009_999)
    payouts.request(user, 2_000_000)
    assert calls(user).get("/api/v1/earnings").json() == {
        "earnings": [
            {
                "currency": "USD",
                "mode": "sandbox",
                "earned_micros": 5_009_999,
                "paid_micros": 0,
                "in_transit_micros": 2_000_000,
                "balance_micros": 3_009_999,
                "pending_micros": 0,
                "pending": [],
                "available_micros": 3_000_000,
            }
        ]
    }


def test_who_has_earned_nothing_sees_nothing():
    client = calls(make.user("sam"))
    assert client.get("/api/v1/earnings").json() == {"earnings": []}
    assert client.get("/api/v1/earnings/transfers").json() == {"items": [], "next": None}
    assert client.get("/api/v1/payouts").json() == {"items": [], "next": None}


def test_credited_transfers_are_listed_newest_first_page_by_page():
    user, other = make.user("wes"), make.user("ann")
    reserve = made.reserve(1_000)
    for n in range(3):
        ledger.post_settlement(f"settle:{n}", reserve.account, {user.pk: 10 + n, other.pk: 99}, 5, facts={"n": n})
    client = calls(user)
    first = client.get("/api/v1/earnings/transfers?limit=2").json()
    second = client.get("/api/v1/earnings/transfers", {"limit": 2, "after": first["next"]}).json()
    rows = first["items"] + second["items"]
    assert [(row["amount_micros"], row["facts"], row["kind"]) for row in rows] == [
        (12, {"n": 2}, "settlement"),
        (11, {"n": 1}, "settlement"),
        (10, {"n": 0}, "settlement"),
    ]
    assert {row["project"] for row in rows} == {reserve.project.public_id}
    assert second["next"] is None


def test_a_payout_is_requested_and_seen(queued):
    user = wes()
    client = calls(user)
    reply = client.post("/api/v1/payouts", {"amount_micros": 2_000_000}, format="json")
    assert reply.status_code == 201
    body = reply.json()
    assert (body["state"], body["amount_micros"], body["currency"]) == ("requested", 2_000_000, "USD")
    assert client.get(f"/api/v1/payouts/{body['id']}").json() == body
    assert client.get("/api/v1/payouts").json()["items"] == [body]
    assert client.post("/api/v1/payouts", format="json").json()["amount_micros"] == 3_000_000


def test_a_payout_sent_twice_under_one_key_is_one():
    client = calls(wes())
    replies = [client.post("/api/v1/payouts", {}, format="json", headers={"Idempotency-Key": "k"}) for _ in "12"]
    assert [reply.status_code for reply in replies] == [201, 201]
    assert replies[0].json() == replies[1].json()
    assert Payout.objects.count() == 1


def test_a_payout_beyond_the_earnings_says_what_is_missing():
    reply = calls(wes()).post("/api/v1/payouts", {"amount_micros": 6_000_000}, format="json")
    assert problem(reply) == (409, "insufficient-funds")
    assert reply.json()["missing_micros"] == 1_000_000


def test_the_unconfirmed_are_refused():
    user = wes()
    user.emailaddress_set.update(verified=False)
    assert problem(calls(user).post("/api/v1/payouts", {}, format="json")) == (403, "forbidden")


def test_a_payout_of_somebody_else_is_not_there():
    payout = payouts.request(wes())
    assert problem(calls(make.user("sam")).get(f"/api/v1/payouts/{payout.public_id}")) == (404, "not-found")


# Keys


def test_a_key_does_no_more_than_its_scope():
    acme = make.organisation()
    offers, works = calls(make.owner(acme), "offer"), calls(make.owner(acme), "work")
    for path in ("/api/v1/earnings", "/api/v1/earnings/transfers", "/api/v1/payouts"):
        assert works.get(path).status_code == 200
        assert problem(offers.get(path)) == (403, "forbidden")
    for path in (of(acme, "balance"), of(acme, "prepayments")):
        assert offers.get(path).status_code == 200
        assert problem(works.get(path)) == (403, "forbidden")


def test_nobody_gets_in_without_a_key():
    for path in ("/api/v1/earnings", "/api/v1/payouts", of(make.organisation(), "balance")):
        assert APIClient().get(path).status_code == 401
