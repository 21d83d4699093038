from datetime import timedelta

import pytest
from django.db import IntegrityError

from marketplace.core import clock
from marketplace.models import AuditEvent
from payments import holds
from payments.holds import PayoutHeld

HOUR = timedelta(hours=1)


def test_a_hold_is_in_force_from_when_it_is_put_until_its_end(wes, sam):
    before = clock.now()
    hold = holds.put(wes, before + HOUR)
    assert holds.in_force(wes) == hold
    assert holds.in_force(sam) is None
    assert holds.in_force(wes, before) is None
    assert holds.in_force(wes, hold.since) == hold
    assert holds.in_force(wes, hold.until - timedelta(microseconds=1)) == hold
    assert holds.in_force(wes, hold.until) is None


def test_of_several_the_one_that_ends_last_counts_until_it_is_lifted(wes):
    at = clock.now()
    short, long = holds.put(wes, at + HOUR), holds.put(wes, at + 2 * HOUR)
    assert holds.in_force(wes) == long
    lifted = holds.lift(long)
    assert holds.in_force(wes) == short
    assert holds.lift(long).lifted_at == lifted.lifted_at
    holds.lift(short)
    assert holds.in_force(wes) is None
    holds.check(wes)


def test_the_refusal_says_until_when(wes):
    hold = holds.put(wes, clock.now() + HOUR)
    with pytest.raises(PayoutHeld) as refusal:
        holds.check(wes)
    assert refusal.value.facts["until"] == hold.until.isoformat()
    assert f"{hold.until:%Y-%m-%d %H:%M} UTC" in refusal.value.detail


def test_a_hold_that_has_ended_before_it_begins_is_none(wes):
    with pytest.raises(IntegrityError, match="hold_ends"):
        holds.put(wes, clock.now() - HOUR)


def test_both_ends_are_in_the_history(wes):
    hold = holds.put(wes, clock.now() + HOUR)
    holds.lift(hold)
    holds.lift(hold)
    told = AuditEvent.objects.filter(target_type="hold", target_id=hold.pk).order_by("pk")
    assert list(told.values_list("verb", flat=True)) == ["hold", "lift"]
