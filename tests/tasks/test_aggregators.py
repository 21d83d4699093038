"""A project's own aggregator: who names it, its secret, a sample, its page and its API."""

import logging
import re

import pytest
from django.db import connection
from django.test import Client

from marketplace import accounts
from marketplace.core import clock, outgoing
from marketplace.core.errors import Forbidden, IllegalMove, Invalid
from tasks import batches, consolidations, jobs
from tasks.consolidations import naming
from tasks.models import (
    Aggregator,
    Consolidation,
)
from tests import make
from tests.conftest import signed_in
from tests.listener import Answer as Reply
from tests.tasks.aggregated import later, made, named, owls, rows, sweep, values

pytestmark = pytest.mark.django_db


def test_the_secret_is_shown_once_and_stands_nowhere(there, rita, caplog):
    caplog.set_level(logging.DEBUG)
    batch, client = made(), signed_in(make.user("rita"))
    page = f"/projects/{batch.project.public_id}/aggregator/"
    shown = client.post(page, {"url": there.url})
    (secret,) = re.findall(r"mhs_[\w-]{43}", shown.content.decode())
    assert shown["Cache-Control"] == "no-store"
    sweep()
    client.post(f"{page}sample")
    assert outgoing.signature(secret, there.asked[0].body, clock.now())[:3] == "t=1"
    for answer in (client.get(page), client.post(f"{page}sample"), client.get(f"/api/v1{page[:-1]}")):
        assert secret not in answer.content.decode()
    assert "mhs_" not in caplog.text
    with connection.cursor() as sql:
        for table in connection.introspection.table_names():
            sql.execute(f"SELECT count(*) FROM {table} t WHERE t::text LIKE %s", [f"%{secret[4:]}%"])
            assert sql.fetchone() == (0,), table


def test_each_request_is_signed_with_the_secret_of_now(there, rita):
    batch = made()
    aggregator, secret = consolidations.name(batch.project, rita, there.url)

    def is_ours(asked, secret):
        stamp, _, _ = asked.headers["Manyhands-Signature"].removeprefix("t=").partition(",")
        at = clock.now().replace(microsecond=0).fromtimestamp(int(stamp), clock.now().tzinfo)
        assert abs(int(stamp) - clock.now().timestamp()) < 60
        return asked.headers["Manyhands-Signature"] == outgoing.signature(secret, asked.body, at)

    consolidations.sample(aggregator, rita)
    assert is_ours(there.asked[-1], secret)
    renewed = consolidations.renew(aggregator, rita)
    consolidations.sample(aggregator, rita)
    assert renewed != secret
    assert is_ours(there.asked[-1], renewed)
    assert not is_ours(there.asked[-1], secret)


def test_another_address_is_another_aggregator(there, rita):
    batch = made()
    first, secret = consolidations.name(batch.project, rita, there.url)
    sweep()
    with pytest.raises(naming.SameAggregator):
        consolidations.name(batch.project, rita, there.url)
    second, other = consolidations.name(batch.project, rita, f"{there.url}/new")
    assert (first.pk != second.pk, secret != other) == (True, True)
    assert consolidations.of(batch, list(values())) == {}
    jobs.update_consensus()
    assert set(values().values()) == {"cat"}
    sweep()
    assert [asked.path for asked in there.asked] == ["/labels", "/labels/new"]
    assert set(values().values()) == {"owl"}


def test_without_it_our_labels_are_back(there, rita):
    batch = made()
    aggregator = named(batch, there.url)
    sweep()
    consolidations.drop(aggregator, rita)
    jobs.update_consensus()
    assert set(values().values()) == {"cat"}
    later()
    sweep()
    assert len(there.asked) == 1
    for gone in (consolidations.drop, consolidations.renew, consolidations.send_again):
        with pytest.raises(naming.NoAggregator):
            gone(aggregator, rita)


@pytest.mark.parametrize("url", ["", "http://a.example/", "https://10.0.0.1/", "https://u:p@a.example/", "x" * 600])
def test_an_address_that_cannot_be_asked_is_not_taken(rita, url):
    project = make.project(make.organisation(rita))
    with pytest.raises(Invalid) as caught:
        consolidations.name(project, rita, url)
    assert caught.value.facts["errors"][0]["path"] == "url"
    assert not Aggregator.objects.exists()


def test_managers_name_it_reviewers_do_not_and_closed_projects_have_none(there, rita):
    batch = made()
    home = batch.project.organisation
    for person, role in (("max", "manager"), ("rosa", "reviewer")):
        accounts.add_member(home, make.user(person).email, role, rita)
    aggregator = consolidations.name(batch.project, make.user("max"), there.url)[0]
    rosa = make.user("rosa")
    for verb in (consolidations.sample, consolidations.renew, consolidations.send_again, consolidations.drop):
        with pytest.raises(Forbidden):
            verb(aggregator, rosa)
    with pytest.raises(Forbidden):
        consolidations.name(batch.project, rosa, f"{there.url}/x")
    batches.close_project(batch.project, rita)
    with pytest.raises(IllegalMove):
        consolidations.name(batch.project, rita, f"{there.url}/x")
    assert there.asked == []


# The sample


def test_a_sample_of_real_answers_shows_what_was_understood_and_becomes_no_label(there, rita):
    aggregator = named(made(), there.url)
    tried = consolidations.sample(aggregator, rita)
    assert tried.is_good
    assert (tried.status, tried.reply, tried.wrong) == (
        200,
        rows(there.asked[0], lambda *_: {"animal": "owl", "animal-metadata": {"confidence": 0.9}}).body.decode(),
        {},
    )
    assert list(tried.labels.values()) == [{"animal": "owl"}] * 2
    assert tried.sent.encode() == there.asked[0].body
    assert not Consolidation.objects.exists()


def test_a_sample_before_there_are_answers_is_made_up(there, rita):
    project = make.project(make.organisation(rita))
    aggregator, _ = consolidations.name(project, rita, there.url)
    tried = consolidations.sample(aggregator, rita)
    assert tried.labels == {"example-1": {"animal": "owl"}}


@pytest.mark.parametrize(
    ("reply", "shown"),
    [
        (lambda asked, out: Reply(b"", 500), "it answered with status 500"),
        (lambda asked, out: Reply(b"[]"), "it gave no row with this datasetObjectId"),
        (lambda asked, out: Reply(b'<script>"'), "&lt;script&gt;&quot;"),
        (owls, "everything was understood"),
    ],
)
def test_the_page_of_a_sample_says_what_was_wrong(there, rita, reply, shown):
    there.usually = reply
    batch = made()
    named(batch, there.url)
    page = signed_in(rita).post(f"/projects/{batch.project.public_id}/aggregator/sample").content.decode()
    assert shown in page
    assert "Manyhands-Signature: t=" in page
    assert "<script>&quot;" not in page


def test_samples_are_counted(there, rita, settings):
    settings.LIMITS = {**settings.LIMITS, "sample": (1, 3600)}
    batch = made()
    named(batch, there.url)
    address = f"/api/v1/projects/{batch.project.public_id}/aggregator/sample"
    client = signed_in(rita)
    assert [client.post(address).status_code for _ in range(2)] == [200, 429]
    assert len(there.asked) == 1


# Pages and API


def test_the_page_tells_how_many_labels_and_which_failures(there, rita):
    batch = made()
    there.plan.append(lambda asked, out: rows(asked, lambda key, _: {"animal": "unicorn"}))
    named(batch, there.url)
    sweep()
    client = signed_in(rita)
    page = client.get(f"/projects/{batch.project.public_id}/aggregator/").content.decode()
    assert "animal (&quot;unicorn&quot;): not one of the options" in page
    again = client.post(f"/projects/{batch.project.public_id}/aggregator/send-again", follow=True).content.decode()
    assert "asked again about 2 tasks" in again
    sweep()
    page = client.get(f"/projects/{batch.project.public_id}/aggregator/").content.decode()
    assert "<dt>Tasks with its label</dt><dd>2</dd>" in page
    client.post(f"/projects/{batch.project.public_id}/aggregator/drop")
    assert "Name one" in client.get(f"/projects/{batch.project.public_id}/aggregator/").content.decode()


def test_everything_is_done_through_the_api_too(there, rita):
    batch, client = made(), signed_in(rita)
    address = f"/api/v1/projects/{batch.project.public_id}/aggregator"

    def post(path="", **sent):
        return client.post(f"{address}{path}", sent, "application/json")

    assert client.get(address).status_code == 404
    named_ = post(url=there.url)
    assert (named_.status_code, named_.json()["secret"][:4]) == (201, "mhs_")
    assert post(url=there.url).json()["type"].endswith("/same-aggregator")
    assert post(url="https://10.0.0.1/").json()["errors"][0]["path"] == "url"
    assert post("/secret").json()["secret"] != named_.json()["secret"]
    assert post("/sample").json()["is_good"] is True
    sweep()
    found = client.get(address).json()
    assert found["figures"] == {"waiting": 0, "done": 2, "refused": 0, "failed": 0}
    assert "secret" not in found
    assert post("/send-again").json() == {"tasks": 0}
    assert client.delete(address).status_code == 204
    assert client.get(address).status_code == 404


def test_for_a_stranger_there_is_none(there, as_sam):
    batch = made()
    named(batch, there.url)
    address = f"/projects/{batch.project.public_id}/aggregator"
    assert as_sam.get(f"{address}/").status_code == 404
    assert as_sam.post(f"{address}/sample").status_code == 404
    assert as_sam.get(f"/api/v1{address}").status_code == 404
    assert as_sam.post(f"/api/v1{address}", {"url": there.url}, "application/json").status_code == 404
    assert Client().get(f"{address}/").status_code == 302
    assert there.asked == []
