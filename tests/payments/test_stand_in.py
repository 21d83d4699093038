"""The stand-in for Stripe is as strict as Stripe says it is; through the real client, without the gateway."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
import stripe as library

from tests.stripe import Fake, Remote

LINE = {"quantity": 1, "price_data": {"currency": "usd", "unit_amount": 1000, "product_data": {"name": "Work"}}}
NO_CURRENCY = {"price_data": {"unit_amount": 1000}}
SESSION = {"mode": "payment", "success_url": "http://here/", "line_items": [LINE]}


@pytest.fixture
def fake() -> Iterator[Fake]:
    with Fake() as serving:
        yield serving


@pytest.fixture
def client(fake: Fake) -> library.StripeClient:
    return library.StripeClient("sk_test_whatever", base_addresses={"api": fake.url}, max_network_retries=0)


@pytest.mark.parametrize(
    ("said", "code", "param"),
    [
        ({"colour": "red"}, "parameter_unknown", "colour"),
        ({"payment_intent_data": {"colour": "red"}}, "parameter_unknown", "payment_intent_data[colour]"),
        ({"line_items": [{**LINE, "quantity": "many"}]}, "parameter_invalid_integer", "line_items[0][quantity]"),
        ({"line_items": [NO_CURRENCY]}, "parameter_missing", "line_items[0][price_data][currency]"),
        ({"allow_promotion_codes": "perhaps"}, "parameter_invalid_boolean", "allow_promotion_codes"),
    ],
)  # fmt: skip
def test_what_the_library_does_not_know_is_refused_and_not_kept(client, said, code, param):
    with pytest.raises(library.InvalidRequestError) as refusal:
        client.v1.checkout.sessions.create({**SESSION, **said}, {"idempotency_key": "once"})
    assert (refusal.value.code, refusal.value.param) == (code, param)
    assert client.v1.checkout.sessions.create(SESSION, {"idempotency_key": "once"}).status == "open"


@pytest.mark.parametrize("said", [{"dashboard": "golden"}, {"contact_email": 7}, {"identity": {"shoes": 43}}])
def test_the_second_version_is_as_strict(client, said):
    with pytest.raises(library.InvalidRequestError):
        client.v2.core.accounts.create(said)


@pytest.mark.parametrize(("currency", "amount"), [("usd", 49), ("usd", 100_000_000), ("xyz", 500), ("kwd", 5251)])
def test_sums_that_stripe_does_not_take_are_refused(client, currency, amount):
    with pytest.raises(library.InvalidRequestError):
        client.v1.payment_intents.create({"amount": amount, "currency": currency})


def test_the_first_reply_to_a_key_is_the_reply_for_a_day(fake, client):
    def create(key, amount=500):
        return client.v1.payment_intents.create({"amount": amount, "currency": "usd"}, {"idempotency_key": key})

    first, again = create("a"), create("a")
    assert first.id == again.id
    assert again.last_response.headers["Idempotent-Replayed"] == "true"
    with pytest.raises(library.IdempotencyError):
        create("a", 600)
    fake.age_keys(23.9 * 3600)
    assert create("a").id == first.id
    fake.age_keys(0.2 * 3600)
    assert create("a", 600).id != first.id


def test_a_key_in_use_is_a_conflict(fake, client):
    fake.fail_next("slow", "/v1/payment_intents", seconds=0.5)

    def create(_):
        try:
            return client.v1.payment_intents.create({"amount": 500, "currency": "usd"}, {"idempotency_key": "a"}).id
        except library.APIError as error:
            return error.http_status

    with ThreadPoolExecutor(3) as pool:
        found = set(pool.map(create, range(3)))
    assert 409 in found
    assert len(found) == 2


@pytest.mark.parametrize(("how", "kept"), [("500", True), ("500_after", True), ("429", False), ("409", False)])
def test_what_goes_wrong_is_kept_under_its_key_or_not(fake, client, how, kept):
    fake.fund(1000)
    account = client.v2.core.accounts.create(
        {
            "configuration": {
                "recipient": {"capabilities": {"stripe_balance": {"stripe_transfers": {"requested": True}}}}
            }
        }
    )
    fake.onboard(account.id)
    said = {"amount": 500, "currency": "usd", "destination": account.id}
    fake.fail_next(how, "/v1/transfers")
    for _ in range(2 if kept else 1):
        with pytest.raises(library.StripeError):
            client.v1.transfers.create(said, {"idempotency_key": "a"})
    assert fake.totals()["usd"].get("transfer", 0) == (500 if how == "500_after" else 0)
    if not kept:
        client.v1.transfers.create(said, {"idempotency_key": "a"})
        assert fake.totals()["usd"]["transfer"] == 500


def test_the_balance_is_what_the_effects_leave(fake, client):
    session = client.v1.checkout.sessions.create(SESSION)
    charge = fake.pay(session.id)
    client.v1.refunds.create({"charge": charge, "amount": 300})
    fake.dispute(charge, 200)
    balance = client.v1.balance.retrieve().available[0].amount
    assert balance == 1000 - 59 - 300 - 200 - 1500 == fake.totals()["usd"]["balance"]


def test_a_refund_waits_for_the_balance_it_needs(fake, client):
    charge = fake.pay(client.v1.checkout.sessions.create(SESSION).id)
    refund = client.v1.refunds.create({"charge": charge})
    assert (refund.status, refund.pending_reason) == ("pending", "insufficient_funds")
    fake.fund(100)
    assert client.v1.refunds.retrieve(refund.id).status == "succeeded"


def test_pending_money_cannot_be_moved(fake, client):
    fake.hold_funds()
    fake.pay(client.v1.checkout.sessions.create(SESSION).id)
    balance = client.v1.balance.retrieve()
    assert (balance.available[0].amount, balance.pending[0].amount) == (0, 941)
    fake.release_funds()
    assert client.v1.balance.retrieve().available[0].amount == 941


def test_lists_are_paged_newest_first(fake, client):
    for amount in range(1, 8):
        fake.fund(amount)
    listed = client.v1.balance_transactions.list({"limit": 3})
    assert [row.amount for row in listed.data] == [7, 6, 5]
    assert [row.amount for row in listed.auto_paging_iter()] == [7, 6, 5, 4, 3, 2, 1]


def test_the_second_version_shows_only_what_was_asked_for(client):
    account = client.v2.core.accounts.create({"dashboard": "none", "defaults": {"responsibilities": {
        "fees_collector": "application", "losses_collector": "application"}}})  # fmt: skip
    assert account.requirements is None
    seen = client.v2.core.accounts.retrieve(account.id, {"include": ["requirements"]})
    assert seen.requirements.entries


def test_another_process_commands_it(fake, client):
    session = client.v1.checkout.sessions.create(SESSION)
    remote = Remote(fake.url)
    charge = remote.pay(session.id)
    assert remote.totals() == fake.totals()
    assert remote.log()[0]["id"] == charge


def test_each_event_is_signed_as_the_library_expects(fake, client):
    seen = []
    fake.listen(lambda body, signature: seen.append((body, signature)) or 200)
    fake.pay(client.v1.checkout.sessions.create(SESSION).id)
    fake.deliver()
    kinds = [client.construct_event(body, signature, "whsec_fakefakefake").type for body, signature in seen]
    assert kinds[-1] == "checkout.session.completed"
    assert fake.events() == []
    account = client.v2.core.accounts.create({"dashboard": "none", "defaults": {"responsibilities": {
        "fees_collector": "application", "losses_collector": "application"}}})  # fmt: skip
    fake.deliver()
    note = client.parse_event_notification(*seen[-1], "whsec_fakefakefake")
    assert note.related_object.id == account.id
