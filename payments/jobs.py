"""Background work with money: every one may run twice."""

import time

from django.conf import settings

from payments import billing, differences, ledger, maturities, months, reconciliation, schedules, seals, webhooks
from payments import disputes as taken_back
from payments import invoices as documents
from payments import payout_accounts as accounts
from payments import payouts as outgoing
from payments import prepayments as incoming
from payments import refunds as returning

SEAL_S = 45  # a step of the sweep begins no other seal then


def send(payout_pk: int) -> None:
    """Send one payout that was just requested."""
    outgoing.send(payout_pk)


def payouts() -> bool:
    """Sweep: send again what a crash or an unknown outcome has left requested."""
    return outgoing.resend()


def handle_event(event_pk: int) -> None:
    """Act on one message of the provider."""
    webhooks.handle(event_pk)


def events() -> bool:
    """Sweep: act again on messages that could not be acted on, or that a crash has left."""
    return webhooks.retry()


def mature() -> bool:
    """Sweep: make payable what was earned and is due."""
    return maturities.mature()


def ask(prepayment_pk: int) -> None:
    """Have the provider ask for one prepayment that was just requested."""
    incoming.ask(prepayment_pk)


def prepayments() -> bool:
    """Sweep: ask for what a crash or an unknown outcome has left without an answer."""
    return incoming.ask_again()


def refund(refund_pk: int) -> None:
    """Send one refund that was just requested."""
    returning.send(refund_pk)


def refunds() -> bool:
    """Sweep: send again what a crash or an unknown outcome has left requested."""
    return returning.resend()


def disputes() -> bool:
    """Sweep: book disputes that came before their charge, and cover losses from what is prepaid again."""
    return taken_back.catch_up()


def make_payout_account(pk: int) -> None:
    """Have the provider make the account of somebody who just asked for it."""
    accounts.make(pk)


def payout_accounts() -> bool:
    """Sweep: make accounts that a crash left unmade, and look at those of which nothing was heard."""
    return accounts.look_again()


def scheduled_payouts() -> bool:
    """Sweep: request the payouts of those who are paid every week or month."""
    return schedules.pay_due()


def count_months() -> bool:
    """Sweep: count what was booked by months, and close those that are over."""
    return months.count()


def invoices() -> bool:
    """Sweep: issue what is to be issued for months that are closed."""
    return documents.issue()


def forget_billed() -> bool:
    """Sweep: scrub who was billed when it need not be kept any longer."""
    return billing.forget()


def reconcile() -> bool:
    """Sweep: compare our books with the provider's, a step at a time."""
    return reconciliation.step()


def seal() -> bool:
    """Sweep: audit what came since the last seal, keep what is wrong as differences, and seal what can be sealed."""
    began, problems = time.monotonic(), ledger.audit()
    differences.note_broken(settings.MODE, problems)
    is_more = not problems
    while is_more and time.monotonic() - began < SEAL_S:
        is_more = seals.seal()
    return is_more
