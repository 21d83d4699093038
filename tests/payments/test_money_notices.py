"""People are told how their payouts ended, and owners of each invoice."""

import pytest
from django.db import connection

from payments import payouts
from payments.gateway import Refused
from payments.gateway.sandbox import Sandbox
from payments.models import Invoice, Payout
from payments.models.paying import UNTOLD
from tasks import jobs, payout_notices
from tests import make
from tests.payments import made
from workers.models import Notice

pytestmark = pytest.mark.django_db(transaction=True)


class Refusing(Sandbox):
    def pay_out(self, payout):
        raise Refused("the bank does not know the account")


def told(user):
    return list(Notice.objects.filter(user=user, kind="money").order_by("pk").values_list("subject", "text"))


def test_a_payout_that_was_paid_is_told_once_and_again_when_it_comes_back(wes):
    made.earned(wes, 3_000_000)
    payout = payouts.request(wes)
    assert jobs.tell_of_payouts() is False
    assert told(wes) == []
    sent = payouts.send(payout.pk)
    for _ in range(2):
        jobs.tell_of_payouts()
    assert told(wes) == [("3.00 USD left for your bank", "Banks take some days until it is in your account.")]
    payouts.came_back(sent.provider_id, "the account was closed")
    for _ in range(2):
        jobs.tell_of_payouts()
    assert told(wes)[1:] == [
        ("Your payout of 3.00 USD came back", "the account was closed. The money is back in your earnings.")
    ]


def test_a_payout_that_failed_says_why_and_where_the_money_is(wes):
    made.earned(wes, 3_000_000)
    payouts.send(payouts.request(wes).pk, through=Refusing())
    jobs.tell_of_payouts()
    [(subject, text)] = told(wes)
    assert subject == "Your payout of 3.00 USD failed"
    assert text == "the bank does not know the account. The money is back in your earnings."
    assert Notice.objects.get(user=wes).link == "/earnings/"


def test_so_many_are_told_at_a_time_by_an_index_of_their_own(wes):
    for _ in range(3):
        made.earned(wes, 1_000_000)
        payouts.send(payouts.request(wes).pk)
    assert payout_notices.tell(2) is True
    assert payout_notices.tell(2) is False
    assert len(told(wes)) == 3
    with connection.cursor() as sql:
        sql.execute("SET enable_seqscan = off")
        plan = Payout.objects.filter(UNTOLD).order_by("pk")[:100].explain()
        sql.execute("RESET enable_seqscan")
    assert "payout_untold" in plan


@pytest.mark.by_hand
def test_owners_are_told_of_each_invoice_once(rita, wes):
    home = make.organisation(rita)
    home.memberships.create(user=make.user("max"), role="manager")
    made.billed(home, wes, made.at("2026-08-20 12:00"))
    for _ in range(2):
        assert jobs.tell_of_invoices() is False
    [(subject, text)] = told(rita)
    assert subject == f"Invoice {Invoice.objects.get()} over 3.30 USD"
    assert text == "What Rita's lab spent in 2026-08, line by line."
    assert Notice.objects.filter(kind="money").count() == 1
    assert Notice.objects.get(kind="money").link.startswith("/invoices/inv_")
