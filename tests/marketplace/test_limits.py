"""What counts how often, exactly or about; each limit at its edge."""

from threading import Barrier

import pytest
from django.db import connection

from marketplace.core import clock, limits
from marketplace.core.errors import TooManyRequests
from marketplace.core.models import Count
from marketplace.jobs import forget_counts
from tests.race import PATIENCE_S, race

CLIENTS, MOST = 16, 5


@pytest.fixture(autouse=True)
def _three(settings, monkeypatch):
    settings.LIMITS = {"knock": (3, 60), "race": (MOST, 60), "anything": (0, 60)}
    settings.PACES = {"api": (10, 3), "slow": (1, 1), "anything": (0, 1)}
    monkeypatch.setattr(limits, "_busy_until", {})


def refusal(call):
    with pytest.raises(TooManyRequests) as caught:
        call()
    return caught.value


def is_over():
    """A minute later."""
    with connection.cursor() as cursor:
        cursor.execute("UPDATE core_count SET until = clock_timestamp() - interval '1 second'")


# Exactly


@pytest.mark.django_db
def test_as_many_as_are_allowed_and_then_none_until_the_time_is_over():
    for _ in range(3):
        limits.spend("knock", "wes")
    assert 1 <= refusal(lambda: limits.spend("knock", "wes")).facts["retry_after_s"] <= 60
    limits.spend("knock", "sam")  # somebody else
    is_over()
    for _ in range(3):
        limits.spend("knock", "wes")
    refusal(lambda: limits.spend("knock", "wes"))


@pytest.mark.django_db
def test_who_goes_on_trying_does_not_wait_longer():
    for _ in range(3):
        limits.spend("knock", "wes")
    until = Count.objects.get().until
    for _ in range(5):
        refusal(lambda: limits.spend("knock", "wes"))
    assert Count.objects.get().until == until


@pytest.mark.django_db
def test_what_is_given_back_or_forgiven_does_not_count():
    for _ in range(3):
        limits.spend("knock", "wes")
    limits.give_back("knock", "wes")
    limits.spend("knock", "wes")
    refusal(lambda: limits.spend("knock", "wes"))
    limits.forgive("knock", "wes")
    limits.spend("knock", "wes")


@pytest.mark.django_db
def test_without_a_limit_nothing_is_counted():
    for _ in range(10):
        limits.spend("anything", "wes")
    assert not Count.objects.exists()


@pytest.mark.django_db
def test_counts_name_nobody_and_are_forgotten():
    limits.spend("knock", "wes@example.org", "192.0.2.1")
    kept = Count.objects.get()
    assert "wes" not in kept.whom
    assert "192" not in kept.whom
    limits.spend("knock", "sam")
    Count.objects.filter(pk=kept.pk).update(until=clock.now())
    assert forget_counts() is False
    assert not Count.objects.filter(pk=kept.pk).exists()
    assert Count.objects.count() == 1


@pytest.mark.django_db(transaction=True)
def test_of_many_at_once_exactly_so_many_pass():
    ended = race(*[lambda: limits.spend("race", "wes")] * CLIENTS)
    assert ended.count(None) == MOST
    assert sum(isinstance(one, TooManyRequests) for one in ended) == CLIENTS - MOST


@pytest.mark.django_db(transaction=True)
def test_control_reading_before_writing_lets_more_pass():
    until = clock.now()
    Count.objects.create(what="race", whom="wes", times=0, until=until)
    all_have_read = Barrier(CLIENTS, timeout=PATIENCE_S)

    def naive():
        times = Count.objects.get(whom="wes").times
        all_have_read.wait()
        if times >= MOST:
            raise TooManyRequests
        Count.objects.filter(whom="wes").update(times=times + 1)

    assert race(*[naive] * CLIENTS).count(None) > MOST


@pytest.mark.django_db(transaction=True)
def test_the_first_of_a_new_time_are_counted_from_the_first():
    limits.spend("race", "wes")
    Count.objects.update(times=MOST)
    is_over()
    ended = race(*[lambda: limits.spend("race", "wes")] * CLIENTS)
    assert ended.count(None) == MOST


# About


def test_so_many_at_once_and_then_so_many_a_second():
    for _ in range(3):
        limits.keep_pace("api", 1, at=100.0)
    assert refusal(lambda: limits.keep_pace("api", 1, at=100.0)).facts["retry_after_s"] == 1
    limits.keep_pace("api", 2, at=100.0)  # somebody else
    limits.keep_pace("slow", 1, at=100.0)  # something else
    refusal(lambda: limits.keep_pace("api", 1, at=100.09))
    limits.keep_pace("api", 1, at=100.11)
    refusal(lambda: limits.keep_pace("api", 1, at=100.12))
    for _ in range(3):
        limits.keep_pace("api", 1, at=160.0)
    refusal(lambda: limits.keep_pace("api", 1, at=160.0))


def test_without_a_pace_nobody_is_remembered():
    for _ in range(100):
        limits.keep_pace("anything", 1)
    assert limits._busy_until == {}


def test_however_many_call_only_so_many_are_remembered(monkeypatch):
    monkeypatch.setattr(limits, "CALLERS_MOST", 100)
    for caller in range(1000):
        limits.keep_pace("slow", caller)
        assert len(limits._busy_until) <= 100
    refusal(lambda: limits.keep_pace("slow", 999))  # the latest are
