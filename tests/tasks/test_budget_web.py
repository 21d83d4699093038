"""Budgets, bonuses and partial pay as pages and over HTTP."""

import html
import json
import re

import pytest
from django.urls import reverse

from payments import reserves
from payments.models import Account
from tasks import assignments, batches, bonuses, budgets, jobs
from tasks.models import Answer, Batch, Bonus, Withheld
from tests.conftest import signed_in
from tests.tasks import work

pytestmark = pytest.mark.django_db
EACH = 55_000


@pytest.fixture
def batch(rita):
    return work.published(items=6, redundancy_min=2, redundancy_max=3, page_size=2)


@pytest.fixture
def as_wes(wes):
    return signed_in(wes)


def text(response) -> str:
    return response.content.decode()


def send(client, method, path, body):
    return getattr(client, method)(f"/api/v1/{path}", json.dumps(body), content_type="application/json")


def test_the_budget_page_lowers_and_raises(batch, as_rita):
    address = reverse("budget", args=[batch.public_id])
    page = text(as_rita.get(address))
    assert "Lowering it by up to 0.33 USD takes no open task away" in page
    assert 'aria-label="What is spent, committed and expected' in page
    assert as_rita.post(address, {"line": "answers", "answers_micros": "0.385"}).status_code == 302
    assert budgets.of(batch).withdrawn_seats == 5
    assert "Answers that wait for money" in text(as_rita.get(address))
    as_rita.post(address, {"line": "answers", "answers_micros": "0.66"})
    assert budgets.of(batch).open_seats == 12


def test_what_is_given_out_is_a_message_beside_the_form(batch, as_rita):
    assignments.claim(work.worker(), batch.project)
    page = text(as_rita.post(reverse("budget", args=[batch.public_id]), {"line": "answers", "answers_micros": "0.01"}))
    assert "0.11 USD is spent or given out already" in page


def test_a_budget_is_lowered_to_nothing_on_its_page(batch, as_rita):
    address = reverse("budget", args=[batch.public_id])
    assert "It can be lowered to 0.00 USD now" in text(as_rita.get(address))
    assert as_rita.post(address, {"line": "answers", "answers_micros": "0"}).status_code == 302
    assert budgets.of(batch).answers_micros == 0
    assert "nobody is given more of this batch until you raise it" in text(as_rita.get(address))
    page = text(as_rita.post(address, {"line": "answers", "answers_micros": "-1"}))
    assert 'aria-invalid="true"' in page


def test_a_batch_that_is_wanted_no_more_is_closed_on_its_page_which_says_what_comes_back(batch, rita, as_rita, as_sam):
    lease = assignments.claim(work.worker(), batch.project)
    address, close = reverse("budget", args=[batch.public_id]), reverse("close-batch", args=[batch.public_id])
    page = text(as_rita.get(address))
    assert close in page
    assert "0.99 USD is set aside for it now" in page
    assert "Of that, 0.11 USD stays for answers that were given out" in page
    assert (as_rita.get(close).status_code, as_sam.post(close).status_code) == (405, 404)
    assert Batch.objects.get().state == "open"
    sent = as_rita.post(close, follow=True)
    assert "The batch is closed." in text(sent)
    assert Batch.objects.get().state == "closed"
    assert close not in text(as_rita.get(address))
    work.sweep()
    assert reserves.balance(batch.subject) == 2 * EACH
    work.answer(lease)
    Answer.objects.update(accept_at="2020-01-01T00:00:00Z")
    Batch.objects.update(look_again_at=None)
    work.sweep()
    assert Batch.objects.get().returned_at


def test_pages_of_a_dry_batch_say_what_is_open_again_after_a_lease_ended(batch, rita, as_rita):
    lease = assignments.claim(work.worker(), batch.project)
    budgets.lower(batch, rita, 2 * EACH)
    pages = (reverse("budget", args=[batch.public_id]), reverse("project", args=[batch.project.public_id]))
    for address in pages:
        assert "nobody is given more of this batch" in text(as_rita.get(address))
    type(lease).objects.update(leased_until="2020-01-01T00:00:00Z")
    jobs.expire()
    for address in pages:
        assert "nobody is given more of this batch" not in text(as_rita.get(address))
    assert "The budget pays for the 2 answers still open to be taken" in text(as_rita.get(pages[0]))


def test_missing_money_leads_to_the_prepayment(batch, as_rita):
    page = text(as_rita.post(reverse("budget", args=[batch.public_id]), {"line": "answers", "answers_micros": "500"}))
    assert "is missing" in page
    assert "Prepay what is missing" in page


def test_a_dry_batch_says_so_on_its_project_with_the_way_on(batch, rita, as_rita):
    budgets.lower(batch, rita, 2 * EACH)
    for name in ("wes", "sam"):
        work.work_all(work.worker(name), batch)
    work.sweep()
    page = text(as_rita.get(reverse("project", args=[batch.project.public_id])))
    assert "nobody is given more of this batch" in page
    assert reverse("budget", args=[batch.public_id]) in page


def test_the_budget_over_http(batch, as_rita):
    told = as_rita.get(f"/api/v1/batches/{batch.public_id}/budget").json()
    assert (told["answers_micros"], told["unused_micros"], told["dry"]) == (18 * EACH, 6 * EACH, False)
    assert told["expected_micros"] <= told["most_micros"] == 18 * EACH
    told = send(as_rita, "patch", f"batches/{batch.public_id}/budget", {"answers_micros": 7 * EACH}).json()
    assert (told["answers_micros"], told["withdrawn_seats"]) == (7 * EACH, 5)
    same = send(as_rita, "patch", f"batches/{batch.public_id}/budget", {"answers_micros": 7 * EACH})
    assert same.json() == told
    assignments.claim(work.worker(), batch.project)
    refused = send(as_rita, "patch", f"batches/{batch.public_id}/budget", {"answers_micros": 0})
    assert (refused.status_code, refused.json()["least_micros"]) == (409, 2 * EACH)


def test_a_quote_over_http_has_the_forecast(batch, as_rita):
    path = f"/api/v1/projects/{batch.project.public_id}/quote?dataset={batch.dataset.public_id}"
    told = as_rita.get(path).json()
    assert told["fee_bp"] == 1000
    assert told["expected"]["answers"] <= told["lines"]["answers"]
    assert told["expected_micros"] == sum(told["expected"].values())


def test_the_publish_page_shows_fee_expected_and_most(batch, as_rita):
    page = text(as_rita.get(reverse("publish", args=[batch.project.public_id])))
    assert "the fee (10 % of each price)" in page
    assert "At most, set aside" in page
    assert '<rect class="mean"' in page


def test_bonuses_are_given_on_a_page_once(batch, rita, as_rita, as_wes):
    work.work(work.worker(), batch)
    address = reverse("bonuses", args=[batch.project.public_id])
    assert 'name="key"' in text(as_rita.get(address))
    name = batch.project.organisation.pseudonym(work.worker().public_id)
    typed = {"worker": name, "amount_micros": "2.00", "reason": "Well done.", "key": "a"}
    for _ in range(2):
        assert as_rita.post(address, typed).status_code == 302
    assert Bonus.objects.count() == 1
    assert "Well done." in text(as_rita.get(address))
    paid_for = re.search(r'href="([^"]+)">Bonus</a>', text(as_wes.get(reverse("earnings"))))
    assert paid_for
    assert "Well done." in text(as_wes.get(paid_for[1]))
    assert f'value="{name}"' in text(as_rita.get(f"{address}?worker={name}"))
    page = text(as_rita.post(address, {**typed, "worker": "w_nobody", "key": "b"}))
    assert "is nobody you know by this name" in page


def test_a_table_of_bonuses_is_paid_whole_or_said_row_by_row(batch, as_rita):
    work.work(work.worker(), batch)
    address = reverse("bonuses", args=[batch.project.public_id])
    name = batch.project.organisation.pseudonym(work.worker().public_id)
    rows = f"worker,amount,reason,key\n{name},2.00,Well done.,a\n"
    page = text(as_rita.post(address, {"rows": rows + "w_nobody,1.00,Well done.,b\n"}))
    assert "Line 3, worker: is nobody you know by this name" in page
    assert Bonus.objects.count() == 0
    assert as_rita.post(address, {"rows": rows}).status_code == 302
    assert Bonus.objects.get().amount_micros == 2_000_000


def test_what_is_missing_for_bonuses_is_named_with_the_way_to_prepay_it(batch, as_rita):
    work.work(work.worker(), batch)
    reserves.add(batch.subject, "spare", Account.objects.get(kind="prepaid").balance_micros - 500)
    address = reverse("bonuses", args=[batch.project.public_id])
    name = batch.project.organisation.pseudonym(work.worker().public_id)
    typed = {"worker": name, "amount_micros": "2.00", "reason": "Well done.", "key": "a"}
    for sent in (typed, {"rows": f"worker,amount,reason,key\n{name},2.00,Well done.,a\n"}):
        page = text(as_rita.post(address, sent))
        assert "2.1995 USD is missing" in page
        (link,) = re.findall(r'href="([^"]+)">Prepay what is missing</a>', page)
        assert "amount_micros=2.20" in link
        assert 'value="2.20"' in text(as_rita.get(html.unescape(link)))
    assert "Prepay what is missing" not in text(as_rita.post(address, {"rows": "worker,amount,reason\n"}))


def test_a_worker_reads_every_bonus_of_a_list(batch, rita, as_wes):
    work.work(work.worker(), batch)
    name = batch.project.organisation.pseudonym(work.worker().public_id)
    wanted = [bonuses.Wanted(name, micros, f"For {micros}.", str(micros)) for micros in (1_000_000, 2_000_000)]
    bonuses.give_all(batch.project, rita, wanted)
    (paid_for,) = re.findall(r'href="([^"]+)">Bonus</a>', text(as_wes.get(reverse("earnings"))))
    page = text(as_wes.get(paid_for))
    assert "For 1000000." in page
    assert "For 2000000." in page
    assert ("1.00 USD" in page, "2.00 USD" in page, "3.00 USD" in page) == (True, True, True)


def test_bonuses_over_http_and_the_worker_sees_them(batch, as_rita, as_wes):
    work.work(work.worker(), batch)
    name = batch.project.organisation.pseudonym(work.worker().public_id)
    wanted = {"worker": name, "amount_micros": 2_000_000, "reason": "Well done.", "key": "a"}
    path = f"projects/{batch.project.public_id}/bonuses"
    first, second = send(as_rita, "post", path, wanted), send(as_rita, "post", path, wanted)
    assert (first.status_code, first.json()) == (201, second.json())
    other = send(as_rita, "post", path, {**wanted, "amount_micros": 1})
    assert (other.status_code, other.json()["type"]) == (409, "/problems/key-reused")
    both = [wanted, {**wanted, "key": "b"}]
    given = send(as_rita, "post", f"{path}/many", {"bonuses": both})
    assert [row["key"] for row in given.json()] == ["a", "b"]
    assert len(as_rita.get(f"/api/v1/{path}").json()["items"]) == 2
    (row, _) = as_wes.get("/api/v1/work/bonuses").json()["items"]
    assert (row["amount_micros"], row["reason"]) == (2_000_000, "Well done.")


def test_a_part_is_paid_from_the_page_and_the_worker_reads_how_much(batch, as_rita, as_wes):
    lease = work.work(work.worker(), batch)
    first, second = lease.answers.select_related("assignment").order_by("position")
    said = {"verb": "part", "reason_code": "wrong", "reason": "Half of it.", "refill": "on", "percent": "40"}
    address = reverse("decide", args=[first.public_id])
    assert "1 to 99 percent" in text(as_rita.post(address, {**said, "percent": ""}))
    assert as_rita.post(address, said).status_code == 302
    assert Withheld.objects.get().percent == 40
    assert "Paid in part: 40 %" in text(as_rita.get(address))
    decision = first.decisions.get()
    page = text(as_wes.get(reverse("decision", args=[decision.public_id])))
    assert "You are paid 40 % of its price" in page
    path = f"answers/{second.public_id}/pay-part"
    made = send(as_rita, "post", path, {"reason_code": "wrong", "reason": "Half.", "percent": 60, "refill": False})
    assert (made.status_code, made.json()["kind"]) == (201, "part")


def test_a_stranger_finds_nothing(batch, as_sam):
    for address in (reverse("budget", args=[batch.public_id]), reverse("bonuses", args=[batch.project.public_id])):
        assert as_sam.get(address).status_code == 404


def test_a_closed_batch_has_no_form(batch, rita, as_rita):
    batches.close(batch, rita)
    work.sweep()
    page = text(as_rita.get(reverse("budget", args=[batch.public_id])))
    assert "Lower or raise it" not in page
    assert reserves.balance(batch.subject) == 0
    assert Batch.objects.get().returned_at
