import pytest

from marketplace.core.models import Reply
from marketplace.models import ApiKey
from payments import prepayments
from payments.models import Prepayment, Refund
from tests import make
from tests.payments.bank import Bank
from tests.payments.test_api import USD_50, calls, of, problem

on_its_own = pytest.mark.django_db(transaction=True)


@pytest.fixture
def bank(settings, monkeypatch):
    settings.MODE = "test"
    found = Bank()
    monkeypatch.setattr("payments.gateway.current", lambda: found)
    return found


@pytest.fixture
def acme(bank):
    return make.organisation()


def paid(acme, micros=50_000_000):
    begun = prepayments.request(acme, make.owner(acme), micros, "USD")
    return prepayments.settle_paid(begun.pk, f"ch_{begun.pk}")


def admin(name):
    return calls(make.user(name, staff=True), ApiKey.Scope.ADMIN)


@on_its_own
def test_a_prepayment_is_requested_paid_on_a_page_and_seen(acme):
    rita = calls(make.owner(acme))
    reply = rita.post(of(acme, "prepayments"), USD_50, format="json")
    body = reply.json()
    assert (reply.status_code, body["state"], body["way"], body["pay_url"]) == (201, "requested", "checkout", "")
    row = Prepayment.objects.get()
    address = of(acme, f"prepayments/{body['id']}")
    prepayments.ask(row.pk)
    assert rita.get(address).json()["pay_url"] == f"https://pay.example.org/cs_{row.pk}"
    prepayments.settle_paid(row.pk, "ch_1")
    seen = rita.get(address).json()
    assert (seen["state"], seen["pay_url"], seen["refunded_micros"], seen["disputed_micros"]) == ("paid", "", 0, 0)
    assert seen["paid_at"] < seen["payable_from"]


@on_its_own
def test_a_program_gets_a_secret_that_is_kept_nowhere(acme, bank):
    rita = calls(make.owner(acme))
    asked = {**USD_50, "way": "intent"}
    body = rita.post(of(acme, "prepayments"), asked, format="json", headers={"Idempotency-Key": "k"}).json()
    address = of(acme, f"prepayments/{body['id']}/secret")
    replies = [rita.post(address, headers={"Idempotency-Key": "s"}) for _ in "12"]
    row = Prepayment.objects.get()
    assert [reply.json() for reply in replies] == [{"client_secret": f"pi_{row.pk}_secret_xyz"}] * 2
    assert replies[0]["Cache-Control"] == "no-store"
    assert "secret_xyz" not in str(list(Reply.objects.values())) + str(list(Prepayment.objects.values()))
    bank.faults.append("before")
    assert problem(rita.post(address)) == (409, "provider-silent")
    prepayments.settle_paid(row.pk, "ch_1")
    assert problem(rita.post(address)) == (409, "nothing-to-pay")


def test_only_members_see_a_prepayment_and_only_owners_its_secret(acme):
    prepayment, max_ = paid(acme), make.user("max")
    acme.memberships.create(user=max_, role="manager")
    address = of(acme, f"prepayments/{prepayment.public_id}")
    assert calls(max_).get(address).status_code == 200
    assert problem(calls(max_).post(f"{address}/secret")) == (403, "forbidden")
    other = make.organisation(make.user("olga"))
    for client, where in ((make.user("sam"), acme), (make.user("olga"), acme), (make.user("olga"), other)):
        address = of(where, f"prepayments/{prepayment.public_id}")
        assert problem(calls(client).get(address)) == (404, "not-found")
        assert problem(calls(client).post(f"{address}/secret")) == (404, "not-found")


def test_there_is_no_third_way(acme):
    reply = calls(make.owner(acme)).post(of(acme, "prepayments"), {**USD_50, "way": "cash"}, format="json")
    assert problem(reply) == (422, "invalid")


def test_money_is_asked_back_and_seen(acme):
    paid(acme, 20_000_000)
    paid(acme, 30_000_000)
    rita = calls(make.owner(acme))
    body = {"amount_micros": 40_000_000, "currency": "USD"}
    replies = [rita.post(of(acme, "refunds"), body, format="json", headers={"Idempotency-Key": "k"}) for _ in "12"]
    assert [reply.status_code for reply in replies] == [201, 201]
    assert replies[0].json() == replies[1].json()
    made = replies[0].json()["refunds"]
    assert [(one["amount_micros"], one["state"], one["way"]) for one in made] == [
        (30_000_000, "requested", "original"),
        (10_000_000, "requested", "original"),
    ]
    assert rita.get(of(acme, "refunds")).json()["items"] == made[::-1]
    balance = rita.get(of(acme, "balance")).json()["balances"][0]
    assert (balance["prepaid_micros"], balance["refunding_micros"]) == (10_000_000, 40_000_000)
    assert problem(rita.post(of(acme, "refunds"), body, format="json")) == (409, "insufficient-funds")
    rest = rita.post(of(acme, "refunds"), {"currency": "USD"}, format="json").json()["refunds"]
    assert [one["amount_micros"] for one in rest] == [10_000_000]


def test_strangers_and_managers_ask_nothing_back(acme):
    paid(acme)
    max_ = make.user("max")
    acme.memberships.create(user=max_, role="manager")
    body = {"currency": "USD"}
    assert problem(calls(max_).post(of(acme, "refunds"), body, format="json")) == (403, "forbidden")
    sam = calls(make.user("sam"))
    assert problem(sam.post(of(acme, "refunds"), body, format="json")) == (404, "not-found")
    assert problem(sam.get(of(acme, "refunds"))) == (404, "not-found")
    assert not Refund.objects.exists()


def test_two_admins_see_to_a_refund_by_hand(acme):
    paid(acme)
    Prepayment.objects.update(paid_at="2001-01-01T00:00Z")
    made = calls(make.owner(acme)).post(of(acme, "refunds"), {"currency": "USD"}, format="json").json()["refunds"][0]
    assert (made["way"], made["state"]) == ("by_hand", "proposed")
    ada, bob, path = admin("ada"), admin("bob"), f"/api/v1/refunds/{made['id']}"
    (waiting,) = ada.get("/api/v1/refunds?state=proposed").json()["items"]
    assert (waiting["id"], waiting["organisation"], waiting["proposed_by"]) == (made["id"], acme.public_id, None)
    assert problem(ada.post(f"{path}/sign")) == (409, "illegal-move")
    proposed = ada.post(f"{path}/propose", {"reference": "order 17"}, format="json").json()
    assert (proposed["reference"], proposed["proposed_by"]) == ("order 17", make.user("ada").public_id)
    assert problem(ada.post(f"{path}/sign")) == (403, "forbidden")
    assert bob.post(f"{path}/sign").json()["state"] == "paid"
    assert problem(bob.post(f"{path}/decline", {"reason": "No."}, format="json")) == (409, "illegal-move")


@pytest.mark.parametrize(
    ("verb", "body", "state"), [("decline", {"reason": "No."}, "declined"), ("try-original", {}, "requested")]
)
def test_an_admin_declines_it_or_sends_it_after_all(acme, verb, body, state):
    paid(acme)
    Prepayment.objects.update(paid_at="2001-01-01T00:00Z")
    made = calls(make.owner(acme)).post(of(acme, "refunds"), {"currency": "USD"}, format="json").json()["refunds"][0]
    path = f"/api/v1/refunds/{made['id']}/{verb}"
    assert admin("ada").post(path, body, format="json").json()["state"] == state
    assert problem(calls(make.owner(acme)).post(path, body, format="json"))[0] == 403
