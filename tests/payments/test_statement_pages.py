"""Statements, invoices and filings as pages, tables and API."""

import csv
import io
from datetime import timedelta

import pytest
from django.test import Client

from marketplace.core import clock
from payments import billing, ledger
from payments.models import Account, Invoice, PayoutAccount, Transfer
from tasks import filings, paid_for
from tests import make
from tests.conftest import signed_in
from tests.payments import made
from tests.payments.made import USD, booked, counted
from tests.tasks import work
from workers import profiles

pytestmark = [pytest.mark.django_db, pytest.mark.by_hand]
EVIL = "=<script>alert(1)</script>"


def table(response):
    text = b"".join(response.streaming_content).decode().removeprefix("\ufeff")
    return list(csv.reader(io.StringIO(text)))


@pytest.fixture
def paid(wes, rita):
    """Wes was paid for answers in a project of an ugly name two months ago; all is closed and invoiced."""
    home, _ = make.organisation(rita), profiles.of(wes)
    when = clock.now() - timedelta(days=62)
    project = make.project(home, title=EVIL)
    billing.state(home, rita, name=EVIL, address="+1\nBern", country="DE", tax_id="@x")
    account = ledger.account("reserve", organisation=home, subject="batch:77", **USD)
    made.Reserve.objects.create(subject="batch:77", project=project, account=account, fee_bp=1000)
    outside = ledger.account("outside", **USD)
    booked(when, "prepayment", "in", (outside, ledger.account("prepaid", organisation=home, **USD), 5))
    booked(when, "fill", "filled", (outside, account, 1_100_000))
    earnings, fees = ledger.account("earnings", user=wes, **USD), ledger.account("fees", **USD)
    booked(when, "settlement", "paid", (account, earnings, 1_000_000), (account, fees, 100_000))
    counted(clock.now())
    made.invoices.issue()
    return Invoice.objects.get()


@pytest.fixture
def as_wes(wes) -> Client:
    return signed_in(wes)


def test_the_worker_reads_the_month_the_year_and_every_amount(as_wes, paid):
    month, year = str(paid.month), paid.month.first_day.year
    listed = as_wes.get("/earnings/statements/").content.decode()
    assert f"/earnings/months/{month}/" in listed
    page = as_wes.get(f"/earnings/months/{month}/").content.decode()
    assert "1.00 USD" in page
    assert "&lt;script&gt;" in page
    assert "<script>alert" not in page
    assert "Earned by month" in as_wes.get(f"/earnings/years/{year}/").content.decode()
    amounts = as_wes.get(f"/earnings/months/{month}/amounts/").content.decode()
    (amount,) = Transfer.objects.filter(credit__kind="earnings")
    assert paid_for.paging.seal(amount.pk) in amounts
    rows = table(as_wes.get(f"/earnings/months/{month}/statement.csv"))
    assert [row[1] for row in rows[1:]] == ["opening", "earned", "closing"]
    assert rows[2][4:6] == [f"'{EVIL}", "1.000000"]
    assert table(as_wes.get(f"/earnings/years/{year}/statement.csv"))[-1][5] == "1.000000"
    assert table(as_wes.get(f"/earnings/months/{month}/amounts.csv"))[1][3:5] == [f"'{EVIL}", "1.000000"]


def test_the_api_says_the_same(as_wes, paid):
    month, year = str(paid.month), paid.month.first_day.year
    listed = as_wes.get("/api/v1/earnings/months").json()
    assert [(one["month"], one["change_micros"]) for one in listed["months"]] == [(month, 1_000_000)]
    for address in (f"months/{month}", f"years/{year}"):
        found = as_wes.get(f"/api/v1/earnings/{address}").json()
        (part,) = found["parts"]
        assert (part["opening_micros"], part["earned_micros"], part["closing_micros"]) == (0, 1_000_000, 1_000_000)
        assert [line["amount_micros"] for line in part["lines"]] == [1_000_000]
    (amount,) = as_wes.get(f"/api/v1/earnings/months/{month}/amounts").json()["items"]
    assert amount["kind"] == "settlement"
    assert as_wes.get(f"/api/v1/earnings/amounts/{amount['id']}/answers").json()["items"] == []


def test_the_answers_behind_a_payment_are_its_own_and_sum_to_it(wes, as_wes):
    batch = work.published(items=7, page_size=2)
    for _ in range(2):
        lease = work.work(profiles.of(wes), batch)
        work.decisions.accept(list(lease.answers.select_related("batch")), make.user("rita"))
        work.sweep()
    olga = work.worker("olga")
    work.work(olga, batch)
    seen = set()
    for amount in Transfer.objects.filter(credit__user=wes):
        token = paid_for.paging.seal(amount.pk)
        found = as_wes.get(f"/api/v1/earnings/amounts/{token}/answers").json()["items"]
        assert sum(answer["price_micros"] for answer in found) == amount.amount_micros
        seen |= {answer["id"] for answer in found}
        page = as_wes.get(f"/earnings/amounts/{token}/").content.decode()
        assert page.count("cat") >= len(found) == 2
        assert signed_in(make.user("olga")).get(f"/earnings/amounts/{token}/").status_code == 404
    assert len(seen) == 4
    for nothing in ("x", "", paid_for.paging.seal(2**40)):
        assert as_wes.get(f"/earnings/amounts/{nothing}/").status_code == 404


def test_the_requester_reads_the_invoice_and_the_amounts_behind_each_line(as_rita, paid, wes):
    page = as_rita.get(f"/invoices/{paid.public_id}/").content.decode()
    assert "<script>alert" not in page
    for shown in (str(paid), "1.10 USD", "Bern", "Prepaid when the month began", "Play money"):
        assert shown in page
    behind = as_rita.get(f"/invoices/{paid.public_id}/lines/0/").content.decode()
    assert paid.organisation.pseudonym(profiles.of(wes).public_id) in behind
    assert wes.public_id not in behind
    assert str(paid) in as_rita.get(f"/organisations/{paid.organisation.public_id}/invoices/").content.decode()
    rows = table(as_rita.get(f"/invoices/{paid.public_id}/invoice.csv"))
    assert [row[2] for row in rows[1:]] == ["settlement", "fee", "total", "payment"]
    assert rows[1][4] == f"'{EVIL}"
    assert all(not cell.startswith(("=", "+", "@")) for row in rows for cell in row)
    found = as_rita.get(f"/api/v1/invoices/{paid.public_id}").json()
    assert (found["total_micros"], found["tax_micros"], found["billed_to"]["name"]) == (1_100_000, 0, EVIL)
    assert found["prepaid"]["closing_micros"] == 5
    lines = as_rita.get(f"/api/v1/invoices/{paid.public_id}/lines").json()["items"]
    assert [(line["what"], line["amount_micros"]) for line in lines] == [("settlement", 1_000_000), ("fee", 100_000)]
    for line in lines:
        amounts = as_rita.get(f"/api/v1/invoices/{paid.public_id}/lines/{line['position']}/amounts").json()["items"]
        assert sum(amount["amount_micros"] for amount in amounts) == line["amount_micros"]


def test_only_owners_say_who_is_billed(as_rita, paid, rita):
    address = f"/organisations/{paid.organisation.public_id}/billing/"
    page = as_rita.post(address, {"name": "Lab AG", "country": "de"}).content.decode()
    assert "two capital letters" in page
    as_rita.post(address, {"name": "Lab AG", "address": "Bern", "country": "CH"})
    assert billing.details(paid.organisation).name == "Lab AG"
    assert as_rita.get(f"/api/v1/organisations/{paid.organisation.public_id}/billing").json()["country"] == "CH"
    max_ = make.user("max")
    made_by = paid.organisation.memberships.create(user=max_, role="manager")
    refused = signed_in(made_by.user).patch(
        f"/api/v1/organisations/{paid.organisation.public_id}/billing", {"name": "X"}, "application/json"
    )
    assert refused.status_code == 403


def test_for_strangers_there_is_nothing(as_sam, paid):
    month, year, home = str(paid.month), paid.month.first_day.year, paid.organisation.public_id
    (amount,) = Transfer.objects.filter(credit__kind="earnings")
    for address in (
        f"/earnings/months/{month}/", f"/earnings/months/{month}/statement.csv", f"/earnings/years/{year}/",
        f"/earnings/months/{month}/amounts/", f"/earnings/amounts/{paid_for.paging.seal(amount.pk)}/",
        f"/organisations/{home}/invoices/", f"/organisations/{home}/billing/", f"/invoices/{paid.public_id}/",
        f"/invoices/{paid.public_id}/invoice.csv", f"/invoices/{paid.public_id}/lines/0/", "/filings/",
        f"/filings/{year}/workers.csv", f"/filings/{year}/fees.csv", f"/api/v1/filings/{year}",
        f"/api/v1/invoices/{paid.public_id}", f"/api/v1/earnings/months/{month}", "/earnings/months/2026-1/",
    ):  # fmt: skip
        assert as_sam.get(address).status_code == 404, address


def test_the_operator_files_sums_by_quarter_and_no_names(paid, wes, ada):
    worker = profiles.of(wes)
    worker.country = "AT"
    worker.save(update_fields=["country"])
    PayoutAccount.objects.create(user=wes, mode="sandbox", state="ready", country="DE")
    year, quarter = paid.month.first_day.year, (paid.month.first_day.month + 2) // 3
    payout = made_payout(wes, 400_000, paid.month.begins_at + timedelta(days=3))
    rows = table(signed_in(ada).get(f"/filings/{year}/workers.csv"))
    header, (row,) = rows[0], [row for row in rows[1:] if row[0] == worker.public_id]
    found = dict(zip(header, row, strict=True))
    assert (found["country_stated"], found["payout_country"], found["currency"]) == ("AT", "DE", "USD")
    assert (found["earned"], found["paid_out"], found["payouts"]) == ("1.000000", "0.400000", "1")
    assert found[f"paid_out_q{quarter}"] == "0.400000"
    assert sum(float(found[f"earned_q{n}"]) for n in (1, 2, 3, 4)) == 1
    text = str(rows)
    assert wes.email not in text
    assert wes.name not in text
    assert payout.public_id not in text
    assert table(signed_in(ada).get(f"/filings/{year}/fees.csv"))[1:] == [
        [str(paid.month), "0.100000", "USD", "sandbox"]
    ]
    assert str(year) in signed_in(ada).get("/filings/").content.decode()
    assert [row.worker for row in filings.workers(1999)] == []


def made_payout(user, micros, at):
    payout = user.payouts.create(amount_micros=micros, currency="USD", mode="sandbox", state="paid", ended_at=at)
    account = Account.objects.get(user=user, kind="earnings")
    in_transit, outside = ledger.account("in_transit", **USD), ledger.account("outside", **USD)
    ledger.post("payout", f"payout:{payout.pk}", (account, in_transit, micros))
    ledger.post("payout_paid", f"payout:{payout.pk}:paid", (in_transit, outside, micros))
    return payout


def test_workers_are_filed_a_few_at_a_time(paid, monkeypatch, ada):
    when = paid.month.begins_at + timedelta(days=1)
    year = clock.now().year
    for n in range(7):
        user = make.user(f"w{n}")
        profiles.of(user)
        now = ledger.account("earnings", user=user, **USD)
        ledger.post("bonus", f"b{n}", (ledger.account("outside", **USD), now, n + 1))
    counted(clock.now())
    monkeypatch.setattr(filings, "STEP", 2)
    found = [row.total.earned_micros for row in filings.workers(year)]
    assert found[-7:] == [1, 2, 3, 4, 5, 6, 7]
    assert when < clock.now()
