"""What looks at money and pages of statements touch, with 1,000 transfers of one account and with 2,000,000: the same.

Most go to somebody who still works; the first ones went to somebody who has stopped since. Both have earnings and
what is pending, over two years that are counted, closed and invoiced.
"""

from typing import Any

import pytest
from django.db import transaction

from payments.models import Movement, Transfer
from tests.plans import money, plans

pytestmark = pytest.mark.django_db
FEW, MANY = 1_000, 2_000_000
DEEPER = 5 * 50  # 1,000 rows are read whole; of more, each row of a page is found by its key: four levels, and the row
TOUCHED: dict[tuple[int, str], plans.Cost] = {}


@pytest.fixture(scope="module", autouse=True)
def _touched(django_db_setup: None, django_db_blocker: Any) -> None:
    """What each look touches at each size; then all is taken back."""
    scanned = plans.BIG
    plans.BIG = {"payments_transfer", "payments_entry"}
    with django_db_blocker.unblock(), transaction.atomic():
        stage = money.begin()
        for size in (FEW, MANY):
            with money.history(stage, size):
                assert Transfer.objects.filter(debit=stage.account).count() == size
                assert Movement.objects.filter(debit=stage.account).count() > money.MONTHS
                TOUCHED.update({(size, name): money.cost(stage, name) for name in (*money.LOOKS, money.CONTROL)})
        transaction.set_rollback(True)
    plans.BIG = scanned


@pytest.mark.parametrize("name", money.LOOKS)
def test_a_look_costs_the_same_at_any_size(name):
    few, many = TOUCHED[FEW, name], TOUCHED[MANY, name]
    assert 0 < many.buffers <= few.buffers * 1.1 + DEEPER, f"{few.told()}\n{many.told()}"
    assert not many.scans, many.told()


def test_control_adding_all_of_them_up_does_not():
    assert TOUCHED[MANY, money.CONTROL].buffers > 20 * TOUCHED[FEW, money.CONTROL].buffers
    assert TOUCHED[MANY, money.CONTROL].scans
