"""What looks at money touch, with 1,000 transfers of one account and with 1,000,000: the same.

`benchmarks/ledger.py --full` asks the same of 10,000,000.
"""

from typing import Any

import pytest
from django.db import transaction

from payments.models import Transfer
from tests.plans import money, plans

pytestmark = pytest.mark.django_db
FEW, MANY = 1_000, 1_000_000
DEEPER = 2 * 50  # the trees of a table a thousand times as large are a level or two deeper, for each row of a page
TOUCHED: dict[tuple[int, str], plans.Cost] = {}


@pytest.fixture(scope="module", autouse=True)
def _touched(django_db_setup: None, django_db_blocker: Any) -> None:
    """What each look touches at each size; then all is taken back."""
    with django_db_blocker.unblock(), transaction.atomic():
        stage = money.begin()
        for size, more in ((FEW, FEW), (MANY, MANY - FEW)):
            money.transfers(stage, more)
            assert Transfer.objects.filter(debit=stage.account).count() == size
            TOUCHED.update({(size, name): money.cost(stage, name) for name in (*money.LOOKS, money.CONTROL)})
        transaction.set_rollback(True)


@pytest.mark.parametrize("name", money.LOOKS)
def test_a_look_costs_the_same_at_any_size(name):
    few, many = TOUCHED[FEW, name].buffers, TOUCHED[MANY, name].buffers
    assert many <= few * 1.1 + DEEPER, f"{TOUCHED[FEW, name].told()}\n{TOUCHED[MANY, name].told()}"


def test_control_adding_all_of_them_up_does_not():
    assert TOUCHED[MANY, money.CONTROL].buffers > 20 * TOUCHED[FEW, money.CONTROL].buffers
