"""Money over real HTTP, from a card to a bank account and back, against a stand-in for Stripe on this machine."""

import io
from datetime import timedelta
from typing import Any

import httpx
import pytest
from django.core.management import call_command
from django.db.models import F, Sum
from stripe import APIConnectionError

from payments import jobs as paying
from payments import reconciliation
from payments.models import Account, Payout
from tasks import jobs
from tasks.models import Assignment, Batch
from tests.stories.test_main_job import Person, cluster
from tests.stories.test_taught_and_contested import run_jobs
from tests.stripe import Fake

pytestmark = pytest.mark.django_db(transaction=True)

CENT, UNIT = 10_000, 1_000_000
PREPAID, PRICE, ITEMS = 100 * UNIT, UNIT // 2, 10
MINUTE = 60  # an answer: 30.00 an hour, where 45.00 is promised
FLOOR = 45 * UNIT
SHORT = MINUTE * FLOOR // 3600 - PRICE  # of the floor, an answer
BONUS = 1_234_560  # not whole cents
SCHEMA = {
    "display": [{"column": "text"}],
    "fields": [{"name": "animal", "type": "choice", "options": ["cat", "dog", "owl"]}],
}


@pytest.fixture
def bank(stripe: Fake, live_server: Any, settings: Any, monkeypatch: pytest.MonkeyPatch) -> Fake:
    """Stripe, which sends its messages over HTTP; days of waiting are none, and three workers tell a median."""
    stripe.listen(f"{live_server.url}/webhooks/stripe")
    stripe.fund(20_00)  # the operator's own: what Stripe keeps of each payment comes out of it
    settings.SITE_URL = live_server.url
    settings.FUNDING_HOLD_DAYS, settings.TOP_UP_EVERY_S, settings.PAY_LEAST_WORKERS = 0, 0, 3
    monkeypatch.setattr(reconciliation, "GRACE", timedelta(0))
    return stripe


def cluster_with_money(bank: Fake) -> None:
    """What the cluster does with everything there is to do, and Stripe's messages arrive."""
    for _ in range(3):
        cluster()
        for step in (jobs.note_time, jobs.update_pay, jobs.top_up, jobs.resume_dry, paying.mature, paying.disputes):
            while step():
                pass
        run_jobs()
        assert set(bank.deliver()) <= {204}
        run_jobs()


def prepay(rita: Person, home: str, bank: Fake) -> None:
    """She pays on the provider's page; nothing is hers before the provider's signed message says so."""
    asked = {"amount_micros": PREPAID, "currency": "USD"}
    made = rita.post(f"organisations/{home}/prepayments", asked, 201)
    run_jobs()
    shown = rita.get(f"organisations/{home}/prepayments/{made['id']}")
    assert (shown["state"], shown["pay_url"][: len(bank.url)]) == ("requested", bank.url)
    assert httpx.post(shown["pay_url"], data={"outcome": "succeeds"}).status_code == 303
    assert prepaid(rita, home) == 0
    cluster_with_money(bank)
    assert rita.get(f"organisations/{home}/prepayments/{made['id']}")["state"] == "paid"
    assert set(bank.deliver_again("checkout.session")) == {204}  # a message that comes twice is one message
    run_jobs()
    assert prepaid(rita, home) == PREPAID


def prepaid(rita: Person, home: str) -> int:
    balances = rita.get(f"organisations/{home}/balance")["balances"]
    return sum(each["prepaid_micros"] for each in balances)


def published(rita: Person, home: str, bank: Fake) -> tuple[str, str]:
    """Ten animals, each for three workers: (project, batch)."""
    terms = {"redundancy_min": 3, "redundancy_max": 3, "page_size": ITEMS, "practice_size": 0, "gold_share": 0}
    fair = {"price_micros": PRICE, "expected_s": MINUTE, "pay_floor_micros": FLOOR, "accept_after_s": 3600}
    what = {"organisation": home, "title": "Animals", "schema": SCHEMA}
    project = rita.post("projects", {**what, **terms, **fair}, 201)["id"]
    dataset = rita.post("datasets", {"organisation": home, "name": "Zoo"}, 201)["id"]
    rows = "id,text\n" + "".join(f"k{n},a cat number {n}\n" for n in range(ITEMS))
    sent = rita.http.post(
        f"datasets/{dataset}/imports",
        files={"file": ("zoo.csv", rows.encode())},
        data={"format": "csv", "key_column": "id", "project": project},
    )
    assert sent.status_code == 201, sent.text
    cluster_with_money(bank)
    quoted = rita.get(f"projects/{project}/quote", dataset=dataset)
    batch = rita.post(f"projects/{project}/publish", {"dataset": dataset}, 201)["id"]
    assert prepaid(rita, home) == PREPAID - quoted["total_micros"]
    cluster_with_money(bank)
    return project, batch


def works(person: Person, project: str) -> None:
    """Ten answers, each of which took a minute, by a person who said who they are."""
    refused = person.post(f"work/projects/{project}/claim", expect=403)
    assert refused["type"] == "/problems/may-not-earn"
    person._read(person.http.patch("work/profile", json={"country": "US", "of_age": True}), 200)
    page = person.post(f"work/projects/{project}/claim", expect=201)
    Assignment.objects.filter(public_id=page["id"]).update(  # ten minutes go by
        claimed_at=F("claimed_at") - timedelta(seconds=ITEMS * MINUTE + 1)
    )
    answers = [{"position": task["position"], "value": {"animal": "cat"}} for task in page["tasks"]]
    person.post(f"assignments/{page['id']}/heartbeat", {"active_s": ITEMS * MINUTE})
    person.post(f"assignments/{page['id']}/submit", {"answers": answers, "active_s": ITEMS * MINUTE})


def onboards(wes: Person, site: str, bank: Fake) -> None:
    """He gives his details to the provider, never to us; a key of his cannot say where he is paid."""
    where = {"country": "US"}
    assert wes.http.post("payout-account", json=where).status_code in (401, 403)
    himself = httpx.Client(base_url=f"{site}/api/v1/", headers=wes.session, timeout=30)
    assert himself.post("payout-account", json=where).status_code == 201
    run_jobs()
    assert wes.get("payout-account")["account"]["state"] == "incomplete"
    link = himself.post("payout-account/link", json={}).json()["url"]
    assert httpx.post(link).status_code == 303
    cluster_with_money(bank)
    assert wes.get("payout-account")["account"]["state"] == "ready"


def with_fee(micros: int) -> int:
    """What the requester pays for it: a tenth more."""
    return micros * 11 // 10


def earned(person: Person) -> int:
    return sum(each["earned_micros"] for each in person.get("earnings")["earnings"])


def test_from_a_card_to_a_bank_account_and_back_to_the_cent(live_server, bank):
    site = live_server.url
    rita = Person(site, "rita@example.org", "offer")
    wes, ann, ben = crowd = [Person(site, f"{name}@example.org", "work") for name in ("wes", "ann", "ben")]
    ada = Person(site, "ada@example.org", "admin", staff=True)
    home = rita.post("organisations", {"name": "Rita's lab"}, 201)["id"]
    prepay(rita, home, bank)
    project, batch = published(rita, home, bank)
    for person in crowd:
        works(person, project)
    onboards(wes, site, bank)

    # one answer of Wes's is rejected, all others are accepted and paid
    answers = rita.get(f"batches/{batch}/answers", limit=200)["items"]
    his = {each["id"] for each in wes.get("work/answers", limit=200)["items"]}
    wrong = next(each for each in answers if each["id"] in his)
    rita.post(f"batches/{batch}/accept", {"answers": [each["id"] for each in answers if each != wrong]})
    decision = rita.post(f"answers/{wrong['id']}/reject", {"reason_code": "wrong", "reason": "No cat."}, 201)
    cluster_with_money(bank)

    # an hour would pay 30.00, and 45.00 is promised: what is missing is added, with its computation
    added = {person: person.get("work/top-ups")["items"] for person in crowd}
    accepted = {wes: ITEMS - 1, ann: ITEMS, ben: ITEMS}
    for person, count in accepted.items():
        (one,) = added[person]
        assert one["amount_micros"] == count * SHORT, one
        assert earned(person) == count * PRICE + one["amount_micros"]

    # a bonus; asked for twice it is paid once
    bonus = {"worker": wrong["worker"], "amount_micros": BONUS, "reason": "The best notes.", "key": "thanks 1"}
    for _ in range(2):
        rita.post(f"projects/{project}/bonuses", bonus, 201)
    assert [each["amount_micros"] for each in wes.get("work/bonuses")["items"]] == [BONUS]

    # he is paid out: the transfer is made, its reply is lost, and it is asked for again
    due = earned(wes)
    bank.fail_next("drop_after", "transfers")
    payout = wes.post("payouts", {"currency": "USD"}, 201)
    assert payout["amount_micros"] == due // CENT * CENT
    with pytest.raises(APIConnectionError):
        run_jobs()
    assert wes.get(f"payouts/{payout['id']}")["state"] == "requested"
    Payout.objects.update(due_at=F("created_at"))  # some seconds go by
    paying.payouts()
    run_jobs()
    assert wes.get(f"payouts/{payout['id']}")["state"] == "paid"
    assert [row["amount"] for row in bank.log() if row["kind"] == "transfer"] == [due // CENT]

    # she closes and has back what is neither spent nor contestable
    rita.post(f"projects/{project}/close", expect=204)
    cluster_with_money(bank)
    spent = with_fee(29 * PRICE) + 29 * SHORT + with_fee(BONUS)
    contestable = with_fee(PRICE) + SHORT
    free = prepaid(rita, home)
    assert (free, reserved(rita, home)) == (PREPAID - spent - contestable, contestable)
    refunds = rita.post(f"organisations/{home}/refunds", {"currency": "USD"}, 201)["refunds"]
    assert sum(each["amount_micros"] for each in refunds) == free // CENT * CENT
    cluster_with_money(bank)
    assert {each["state"] for each in rita.get(f"organisations/{home}/refunds")["items"]} == {"paid"}

    # and the rejection that is overturned after that still pays him
    before = earned(wes)
    appeal = wes.post(f"work/decisions/{decision['id']}/appeal", {"statement": "It says cat."}, 201)
    ada.post(f"appeals/{appeal['id']}/uphold", {"reason": "It does say cat."})
    Batch.objects.update(look_again_at=None)
    cluster_with_money(bank)
    assert earned(wes) == before + PRICE + SHORT
    assert reserved(rita, home) == 0
    agree(bank)


def reserved(rita: Person, home: str) -> int:
    return sum(each["reserved_micros"] for each in rita.get(f"organisations/{home}/balance")["balances"])


def agree(bank: Fake) -> None:
    """Our books, Stripe's and the auditors say the same."""
    accounts = Account.objects.filter(mode="test", currency="USD")
    assert accounts.aggregate(sum=Sum(F("credits_micros") - F("debits_micros")))["sum"] == 0
    theirs = bank.totals()["usd"]
    moved = theirs["charge"] - theirs["refund"] - theirs["transfer"]
    outside = accounts.get(kind="outside")
    assert -outside.balance_micros == moved * CENT
    for command, options in (("audit", ["--full"]), ("reconcile", ["--full"])):
        told = io.StringIO()
        call_command(command, *options, stdout=told)  # raises what differs
        assert "ok" in told.getvalue()
