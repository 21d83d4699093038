"""An aggregator that does not answer, or answers nonsense: what is tried again, and who is told."""

import json
import re
import time
from collections import Counter
from datetime import timedelta

import pytest

from marketplace import accounts
from marketplace.core import clock
from tasks import consolidations
from tasks.exports import labels as exported
from tasks.models import (
    Aggregator,
    Consensus,
)
from tests import make
from tests.listener import Answer as Reply
from tests.tasks import work
from tests.tasks.aggregated import answered, later, made, named, owls, rows, sweep, values
from workers.models import Notice

pytestmark = pytest.mark.django_db


def test_a_server_error_is_tried_again_after_a_rest(there):
    batch = made()
    there.plan.append(lambda asked, out: Reply(b"", 500))
    aggregator = named(batch, there.url)
    sweep()
    sweep()
    aggregator.refresh_from_db()
    assert (len(there.asked), aggregator.misses, aggregator.problem) == (1, 1, "it answered with status 500")
    assert 25 < (aggregator.rest_until - clock.now()).total_seconds() <= 30
    assert set(values().values()) == {"cat"}
    assert consolidations.send_again(aggregator, make.user("rita")) == 0  # and the rest is over
    sweep()
    aggregator.refresh_from_db()
    assert (len(there.asked), aggregator.misses, aggregator.rest_until) == (2, 0, None)
    assert set(values().values()) == {"owl"}
    assert not Notice.objects.filter(kind="aggregator").exists()


def late(asked, out):
    time.sleep(2)


@pytest.mark.parametrize(
    ("reply", "why"),
    [
        (lambda asked, out: Reply(b"", 302, (("Location", "/x"),)), "status 302, a redirect, which is not followed"),
        (lambda asked, out: Reply(b"", 401), "it answered with status 401"),
        (lambda asked, out: Reply(b"<html>"), "its answer is not JSON"),
        (lambda asked, out: Reply(b"{}"), "its answer is not a list of rows"),
        (lambda asked, out: Reply(b"[" + b" " * 2_000 + b"]"), "its answer is longer than 1,000 bytes"),
        (late, "it did not answer completely within 1 seconds"),
    ],
)
def test_calls_that_come_to_nothing_end_and_our_labels_stay(there, settings, reply, why):
    settings.AGGREGATOR_TIMEOUT_S, settings.AGGREGATOR_REPLY_MOST_BYTES, settings.AGGREGATOR_TRIES = 1, 1_000, 2
    there.usually = reply
    batch = made()
    accounts.add_member(batch.project.organisation, make.user("max").email, "manager", make.user("rita"))
    accounts.add_member(batch.project.organisation, make.user("rosa").email, "reviewer", make.user("rita"))
    aggregator = named(batch, there.url)
    for _ in range(4):
        sweep()
        later()
    assert len(there.asked) == 2
    assert consolidations.figures(aggregator).failed == 2
    assert all(why in failure.why for failure in consolidations.failures(aggregator))
    assert set(values().values()) == {"cat"}
    assert set(Consensus.objects.values_list("method", flat=True)) != {"webhook"}
    told = Notice.objects.filter(kind="aggregator")
    assert sorted(told.values_list("user__email", flat=True)) == ["max@example.org", "rita@example.org"]
    assert why in told[0].text


def test_rests_grow_to_an_hour_and_managers_are_told_once_a_day(there, settings):
    settings.AGGREGATOR_TRIES = 1
    there.usually = lambda asked, out: Reply(b"", 503)
    batch = work.published(items=12, page_size=12)
    answered(batch, ann="cat", ben="cat")
    aggregator, rests = named(batch, there.url), []
    settings.AGGREGATOR_TASKS_AT_ONCE = 1
    for _ in range(9):
        before = clock.now()
        sweep()
        aggregator.refresh_from_db()
        rests.append(round((aggregator.rest_until - before).total_seconds()))
        later()
    assert rests == [30, 60, 120, 240, 480, 960, 1920, 3600, 3600]
    assert Notice.objects.filter(kind="aggregator").count() == 1
    Aggregator.objects.update(told_at=clock.now() - timedelta(days=1))
    sweep()
    assert Notice.objects.filter(kind="aggregator").count() == 2


def test_managers_are_told_of_one_that_is_gone_though_no_row_is_given_up_yet(there, settings):
    batch = work.published(items=6, page_size=6)
    answered(batch, ann="cat", ben="cat")
    there.usually = lambda asked, out: Reply(b"", 503)
    aggregator = named(batch, there.url)
    settings.AGGREGATOR_TASKS_AT_ONCE = 1
    for _ in range(5):
        assert not Notice.objects.filter(kind="aggregator").exists()
        sweep()
        later()
    assert consolidations.figures(aggregator).failed == 0
    assert Notice.objects.filter(kind="aggregator").count() == 1
    keys = [asked.said["payload"]["content"][0]["datasetObjectId"] for asked in there.asked]
    assert len(set(keys)) == 5  # one bundle after the other: none stands before the rest


def test_an_address_that_is_not_public_is_never_asked(there, settings):
    batch = made()
    aggregator = named(batch, there.url.replace("127.0.0.1", "localhost"))
    settings.OUTGOING_LOOPBACK = False
    Aggregator.objects.update(url=f"https://localhost:{there.port}/")
    sweep()
    aggregator.refresh_from_db()
    assert "not public" in aggregator.problem
    assert there.asked == []
    assert set(values().values()) == {"cat"}


def test_what_is_wrong_with_one_row_costs_no_other(there):
    batch = work.published(items=4, page_size=4)
    answered(batch, ann="cat", ben="cat")

    def some(key, answers):
        return {"1": {"animal": "unicorn"}, "2": {"plant": "oak"}, "3": None}.get(number[key], {"animal": "owl"})

    number = {row["key"]: row["payload"] for row in exported.rows(batch)}
    number = {key: re.search(r"item (\d)", bytes(payload).decode())[1] for key, payload in number.items()}
    stray = {"datasetObjectId": "nobody's", "consolidatedAnnotation": {"content": {"animal": "owl"}}}

    def answer(asked, out):
        said = json.loads(rows(asked, some).body)
        return Reply(json.dumps([*said, stray]).encode())

    there.usually = answer
    aggregator = named(batch, there.url)
    sweep()
    assert consolidations.figures(aggregator) == consolidations.Figures(waiting=0, done=1, refused=3, failed=0)
    reasons = {number[failure.key]: failure.why for failure in consolidations.failures(aggregator)}
    assert reasons == {
        "1": 'animal ("unicorn"): not one of the options',
        "2": "animal: required",
        "3": "it gave no row with this datasetObjectId",
    }
    aggregator.refresh_from_db()
    assert aggregator.problem == "it answered about rows that it was not asked about: nobody's"
    assert Counter(values().values()) == {"cat": 3, "owl": 1}
    assert Notice.objects.filter(kind="aggregator").count() == 1
    there.usually = owls
    assert consolidations.send_again(aggregator, make.user("rita")) == 3
    sweep()
    assert set(values().values()) == {"owl"}
