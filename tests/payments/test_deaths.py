"""The process is killed at every step towards the database and Stripe: one effect, whatever came before.

`make faults` (F3, F6, F7) does the same with many seeds, and shows that naive versions do not survive it.
"""

import pytest

from tests.machine.deaths import dies
from tests.machine.life import PAID_IN, TROUBLES, Life, live

pytestmark = pytest.mark.django_db(transaction=True)
STEPS_MOST = 40  # of one call


def test_killed_once_at_every_step_of_everything(stripe):
    life, deaths = Life(stripe), 0
    stripe.fund(2 * PAID_IN)
    for call in life:
        for at in range(STEPS_MOST):
            if not dies(at, call):
                break
            deaths += 1
        else:
            pytest.fail(f"{call} never came to its end")
    assert deaths > 30
    life.check()
    assert len(stripe.accounts()) == 1


@pytest.mark.parametrize("trouble", TROUBLES)
def test_a_life_with_trouble_ends_as_one_without(trouble):
    """One seed of each; `make faults` lives many."""
    live(trouble, 1)
