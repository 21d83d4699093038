"""A short walk with every run of the tests; `make faults` goes 100,000 steps."""

import secrets

import pytest

from tests.machine.walk import walk


@pytest.mark.django_db(transaction=True)
def test_the_database_is_as_the_books_say_after_every_step(settings):
    settings.PAYOUT_LEAST_MICROS = 10_000
    seed = secrets.randbelow(10**6)
    print(f"seed {seed}")
    assert walk(seed, 300) >= 300
