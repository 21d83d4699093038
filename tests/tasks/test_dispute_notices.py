import pytest

from payments import disputes, prepayments
from payments.models import Prepayment
from tasks import dispute_notices, jobs
from tests import make
from workers.models import Notice

pytestmark = pytest.mark.django_db


def disputed(charge="ch_1"):
    acme = make.organisation()
    paid = prepayments.request(acme, make.owner(acme), 5_000_000, "USD")
    Prepayment.objects.filter(pk=paid.pk).update(charge_id=charge)
    disputes.opened(charge, f"dp_{charge}", 2_000_000)
    return acme


def test_owners_and_admins_are_told_of_a_dispute_once(rita, sam, ada):
    acme = disputed()
    acme.memberships.create(user=make.user("max"), role="manager")
    for _ in range(2):
        assert jobs.tell_of_disputes() is False
    told = {notice.user_id: notice for notice in Notice.objects.filter(kind="money")}
    assert set(told) == {rita.pk, ada.pk}
    assert Notice.objects.count() == 2
    assert told[rita.pk].subject == "Your bank has taken 2.00 USD back"
    assert "frozen" in told[rita.pk].text
    assert acme.public_id in told[rita.pk].link
    assert "Rita's lab" in told[ada.pk].subject


def test_nobody_is_told_of_a_charge_of_others(rita, ada):
    disputes.opened("ch_of_a_shop", "dp_1", 2_000_000)
    assert dispute_notices.tell() is False
    assert not Notice.objects.exists()


def test_it_tells_of_so_many_at_a_time(rita):
    for n in range(3):
        disputed(f"ch_{n}")
    assert dispute_notices.tell(2) is True
    assert dispute_notices.tell(2) is False
    assert Notice.objects.filter(user=rita).count() == 3
