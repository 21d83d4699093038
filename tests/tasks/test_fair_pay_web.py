import pytest
from django.urls import reverse

from tasks import decisions, fair_pay
from tasks.models import Batch, TopUp, TopUpProposal
from tests.conftest import signed_in
from tests.tasks import paid

pytestmark = pytest.mark.django_db


def topped(**terms):
    batch, people = paid.published(**terms), paid.crowd()
    paid.slow(batch, people)
    paid.look(batch)
    return batch, people


def get(client, path):
    reply = client.get(path)
    assert reply.status_code == 200, reply.content
    return reply


def words(reply):
    return " ".join(reply.content.decode().split())


# Pages


def test_the_price_page_shows_what_an_hour_pays_the_floor_and_the_line(as_rita, settings):
    settings.PAY_FLOORS = {"US": {"USD": 7_250_000}}
    batch = paid.published()
    page = words(get(as_rita, f"/projects/{batch.project.public_id}/publish/"))
    assert "Too few have worked here" in page
    assert "it is about <strong>6.00 USD</strong>" in page
    assert "The pay floor of this project is 4.50 USD an hour" in page
    assert "US 7.25 USD" in page
    assert "Top-ups, up to 50 % of the price, without a fee" in page


def test_the_price_page_says_where_there_is_no_floor(as_rita):
    batch = paid.published(pay_floor_micros=0)
    assert "There is no pay floor in USD here." in words(get(as_rita, f"/projects/{batch.project.public_id}/publish/"))


def test_the_project_page_draws_pay_against_the_floor(as_rita):
    batch, _ = topped()
    page = words(get(as_rita, f"/projects/{batch.project.public_id}/"))
    assert "People here earn about <strong>3.00 USD</strong> an hour" in page
    assert "All 5 workers are under the pay floor." in page
    assert 'class="floor"' in page
    assert "floor 4.50 USD" in page


def test_a_worker_sees_before_the_work_what_it_pays_and_what_comes_before(as_sam):
    batch = paid.published(gold=4, practice_size=2)
    page = words(get(as_sam, f"/work/projects/{batch.project.public_id}/"))
    assert "Too few" in page
    assert "takes about 1 min unpaid, and counts as time" in page
    batch, _ = topped()
    page = words(get(as_sam, f"/work/projects/{batch.project.public_id}/"))
    assert "People here earn about <strong>3.00 USD</strong>" in page
    assert "The pay floor of this project is 4.50 USD an hour." in page


def test_a_worker_sees_each_top_up_with_its_computation():
    _batch, (wes, *_) = topped()
    client = signed_in(wes.user)
    page = words(get(client, "/earnings/top-ups/"))
    assert "<strong>0.25 USD</strong>" in page
    assert "10 answers in 10 min of active time" in page
    assert "At the floor of 4.50 USD an hour, less 0.50 USD paid, 0.25 USD is missing." in page
    assert "Top-up to the pay floor" in words(get(client, "/earnings/"))


def test_a_requester_grants_and_declines_what_is_above_the_cap(as_rita, as_sam):
    batch, people = topped(top_up_most_percent=20)
    path = f"/projects/{batch.project.public_id}/top-ups/"
    page = words(get(as_rita, path))
    assert page.count("Grant<span") == 5
    one, other = TopUpProposal.objects.order_by("pk")[:2]
    assert as_sam.post(f"/top-up-proposals/{one.public_id}/grant").status_code == 404
    assert as_rita.post(f"/top-up-proposals/{one.public_id}/grant").status_code == 302
    assert sum(paid.added(people[0])) == 250_000
    as_rita.post(f"/top-up-proposals/{other.public_id}/decline", {"reason": "They were away."})
    other.refresh_from_db()
    assert (other.state, other.reason) == ("declined", "They were away.")
    assert words(get(as_rita, path)).count("Grant<span") == 3
    assert people[0].user.email not in page


def test_the_project_page_says_that_proposals_wait(as_rita):
    batch, _ = topped(top_up_most_percent=20)
    path = f"/projects/{batch.project.public_id}/"
    page = words(get(as_rita, path))
    assert f'5 top-ups wait for a decision. <a href="{path}top-ups/">' in page
    TopUpProposal.objects.update(state="over")
    assert "for a decision" not in words(get(as_rita, path))


def test_what_was_withheld_stands_in_the_computation(rita, as_rita):
    batch, people = paid.published(accept_after_s=3600), paid.crowd()
    paid.slow(batch, people)
    for answer in people[0].answers.select_related("batch", "task", "worker"):
        decisions.pay_part(answer, rita, "wrong", "No.", 50, refill=False)
    paid.look(batch)
    home = f"/projects/{batch.project.public_id}/top-ups/"
    for client, path in ((signed_in(people[0].user), "/earnings/top-ups/"), (as_rita, home)):
        assert "0.25 USD of their prices is not: of answers that were rejected, or withheld" in words(get(client, path))
    (mine,) = get(signed_in(people[0].user), "/api/v1/work/top-ups").json()["items"]
    assert mine["computation"]["rejected_micros"] == 250_000


def test_an_admin_sees_what_is_proposed_everywhere_and_decides_there(ada, as_sam):
    _, people = topped(top_up_most_percent=20)
    one, two, three = TopUpProposal.objects.order_by("pk")[:3]
    admin, listed = signed_in(ada), reverse("admin:tasks_topupproposal_changelist")
    assert "0.15 USD" in words(get(admin, f"{listed}?state__exact=open"))
    address = reverse("admin:tasks_topupproposal_change", args=[one.pk])
    assert "10 answers in 10 min of active time" in words(get(admin, address))
    assert as_sam.get(address).status_code == 302
    assert "0.15 USD is added" in words(admin.post(address, {"verdict": "grant"}, follow=True))
    assert sum(paid.added(people[0])) == 250_000
    assert "It is no longer" not in words(get(admin, address))
    address = reverse("admin:tasks_topupproposal_change", args=[two.pk])
    assert "Say why" in words(admin.post(address, {"verdict": "decline", "reason": ""}, follow=True))
    admin.post(address, {"verdict": "decline", "reason": "They were away."})
    two.refresh_from_db()
    assert (two.state, two.reason) == ("declined", "They were away.")
    after = admin.post(f"/top-up-proposals/{three.public_id}/grant", follow=True)
    assert (after.status_code, after.redirect_chain[-1][0]) == (200, listed)


def test_the_reading_time_of_the_page_counts(rita):
    from marketplace import guidelines
    from tasks.models import TimeSheet

    batch, wes = paid.published(), paid.crowd(1)[0]
    guidelines.write(batch.project, rita, "word " * 160)
    client = signed_in(wes.user)
    assert "data-reading" in words(get(client, f"/work/projects/{batch.project.public_id}/"))
    client.post(f"/work/projects/{batch.project.public_id}/acknowledge", {"version": "1", "active_s": "50"})
    assert TimeSheet.objects.get().reading_s == 50


# API


def test_the_api_tells_pay_top_ups_and_proposals(as_rita, as_sam):
    batch, _people = topped(top_up_most_percent=20)
    home = f"/api/v1/projects/{batch.project.public_id}"
    pay = get(as_rita, f"{home}/pay").json()
    assert (pay["median_micros"], pay["workers"], pay["floor_micros"]) == (3_000_000, 5, paid.FLOOR)
    made = get(as_rita, f"{home}/top-ups").json()["items"]
    assert [row["amount_micros"] for row in made] == [100_000] * 5
    assert "floor_country" not in made[0]["computation"]
    proposals = get(as_rita, f"{home}/top-up-proposals?state=open").json()["items"]
    assert [row["amount_micros"] for row in proposals] == [150_000] * 5
    for path in ("pay", "top-ups", "top-up-proposals"):
        assert as_sam.get(f"{home}/{path}").status_code == 404
    granted = as_rita.post(f"/api/v1/top-up-proposals/{proposals[0]['id']}/grant")
    assert (granted.status_code, granted.json()["by_a_person"]) == (201, True)
    declined = as_rita.post(
        f"/api/v1/top-up-proposals/{proposals[1]['id']}/decline", {"reason": "No."}, "application/json"
    )
    assert (declined.status_code, declined.json()["state"]) == (200, "declined")


def test_granting_twice_with_one_idempotency_key_pays_once(as_rita):
    _, _people = topped(top_up_most_percent=20)
    proposal = TopUpProposal.objects.order_by("pk")[0]
    key = {"headers": {"Idempotency-Key": "once"}}
    replies = [as_rita.post(f"/api/v1/top-up-proposals/{proposal.public_id}/grant", **key) for _ in range(2)]
    assert [reply.status_code for reply in replies] == [201, 201]
    assert TopUp.objects.filter(granted_by__isnull=False).count() == 1


def test_a_worker_reads_their_top_ups_and_the_pay_of_an_offer(as_sam):
    batch, (wes, *_) = topped()
    mine = get(signed_in(wes.user), "/api/v1/work/top-ups").json()["items"]
    assert [(row["amount_micros"], row["computation"]["seconds"]) for row in mine] == [(250_000, 600)]
    assert get(as_sam, "/api/v1/work/top-ups").json()["items"] == []
    offer = get(as_sam, f"/api/v1/work/projects/{batch.project.public_id}").json()
    assert (offer["pay"]["median_micros"], offer["pay"]["under"], offer["unpaid_s"]) == (3_000_000, 5, 0)


def test_revised_terms_of_pay_hold_for_the_next_batch_and_workers_are_told_those_that_hold(as_rita, as_sam):
    batch = paid.published()
    path = f"/api/v1/projects/{batch.project.public_id}"
    told = as_rita.patch(path, {"pay_floor_micros": 9_000_000, "top_up_most_percent": 10}, "application/json").json()
    assert (told["pay_floor_micros"], told["top_up_most_percent"]) == (9_000_000, 10)
    assert as_rita.patch(path, {"top_up_most_percent": 101}, "application/json").status_code == 422
    batch = Batch.objects.select_related("project").get(pk=batch.pk)
    assert fair_pay.of(batch.project).floor_micros == 9_000_000  # of the next batch
    offer = get(as_sam, f"/api/v1/work/projects/{batch.project.public_id}").json()
    assert (offer["pay"]["floor_micros"], offer["pay"]["top_up_most_percent"]) == (paid.FLOOR, 50)
