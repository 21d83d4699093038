import pytest

from payments import differences
from payments.models import Difference
from tasks import oversight
from tests import make
from workers.models import Notice

pytestmark = pytest.mark.django_db


def test_every_admin_is_told_once_and_nobody_else(ada, rita):
    eve = make.user("eve", staff=True)
    differences.found("test", "missing", "payout:1", ours=-5_000_000, currency="USD")
    differences.found("test", "stranger", "txn_1", theirs=1, currency="USD")
    assert not oversight.tell()
    oversight.tell()
    told = Notice.objects.order_by("user")
    assert {notice.user for notice in told} == {ada, eve}
    assert len(told) == 2
    assert told[0].subject == "Money differs in 2 places"
    assert "payout:1: done here, not found at the provider: here -5.00 USD" in told[0].text


def test_it_is_told_again_when_what_was_explained_has_other_figures(ada):
    row = differences.found("test", "missing", "payout:1", ours=5, currency="USD")
    oversight.tell()
    differences.explain(row, ada, "By hand.")
    differences.found("test", "missing", "payout:1", ours=5, currency="USD")
    oversight.tell()
    assert Notice.objects.count() == 1
    differences.found("test", "missing", "payout:1", ours=6, currency="USD")
    oversight.tell()
    assert Notice.objects.count() == 2
    assert Difference.objects.get().state == "open"


def test_more_than_a_step_takes_are_told_in_the_next(ada):
    for n in range(3):
        differences.found("test", "stranger", f"txn_{n}", theirs=1, currency="USD")
    assert oversight.tell(limit=2)
    assert not oversight.tell(limit=2)
    assert Notice.objects.count() == 2
