"""Where people are paid: the provider keeps it, asks for the details and decides; we ask how it stands.

`open` writes the row and enqueues; `make` asks the provider in no transaction. What the provider says is only ever
read from the provider itself, so that its messages may come twice, late or in any order.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from datetime import datetime, timedelta
from functools import partial

from django.conf import settings
from django.db import transaction
from django.urls import reverse

from marketplace import audit
from marketplace.core import clock, jobs, states
from marketplace.core.errors import Conflict, DomainError, Forbidden, Invalid
from marketplace.models import User
from payments import asking, gateway, holds, payouts
from payments.gateway import AccountState, Gateway
from payments.models import Account, Payout, PayoutAccount, PayoutSchedule

SOON, DAY = timedelta(minutes=1), timedelta(days=1)
UNFINISHED = [PayoutAccount.State.INCOMPLETE, PayoutAccount.State.RESTRICTED]
log = logging.getLogger(__name__)


def of(user: User) -> PayoutAccount | None:
    """Where this person is paid; None: they have not said, or it is closed."""
    mine = user.payout_accounts.filter(mode=settings.MODE)
    return mine.exclude(state=PayoutAccount.State.CLOSED).first()


@transaction.atomic
def open(user: User, country: str) -> PayoutAccount:
    """Have the provider make an account for this person; asked again, the same.

    raises  Forbidden  the person's address is not confirmed
            Invalid    nobody is paid in this country
            Conflict   there is one in another country: it is closed first
    """
    if not user.is_confirmed:
        raise Forbidden("confirm your e-mail address before you say where you are paid")
    if country not in settings.PAYOUT_COUNTRIES:
        wrong = {"path": "country", "code": "option", "message": "Nobody can be paid in this country yet."}
        raise Invalid("nobody can be paid in this country yet", errors=[wrong])
    account, is_new = PayoutAccount.objects.exclude(state=PayoutAccount.State.CLOSED).get_or_create(
        user=user, mode=settings.MODE, defaults={"country": country, "due_at": clock.now() + SOON}
    )
    if account.country != country:
        raise Conflict(f"you are paid in {account.country}; close that first", country=account.country)
    if is_new:
        audit.record(user, "open", account, country=country)
        jobs.enqueue("payments.jobs.make_payout_account", account.pk)
    return account


def make(pk: int, *, through: Gateway | None = None) -> PayoutAccount:
    """Have the provider make an account unless it has, and see how it stands; a refusal closes the account.

    Any other error is raised, and it is asked again under the same key. Not called inside a transaction.
    """
    account = PayoutAccount.objects.select_related("user").get(pk=pk)
    if account.mode != settings.MODE or account.state == PayoutAccount.State.CLOSED:
        return account
    if not account.provider_id:
        try:
            provider_id = (through or gateway.current()).open_account(account, account.user.email)
        except gateway.Refused as refusal:
            return _refused(account, str(refusal))
        PayoutAccount.objects.filter(pk=pk, provider_id="").update(provider_id=provider_id)
        account.refresh_from_db()
    return look(account, through=through)


def onboarding_url(account: PayoutAccount, *, through: Gateway | None = None) -> str:
    """A fresh link to where the provider asks for the person's details; it works once, so it is never kept.

    raises  Conflict        the provider did not make the account, or it is closed
            ProviderSilent  it could not be asked
    """
    with _heard():
        account = account if account.provider_id else make(account.pk, through=through)
        if account.state == PayoutAccount.State.CLOSED:
            raise Conflict(f"this account is closed. {account.refusal}".strip())
        back, again = (settings.SITE_URL + reverse(f"payout-account-{name}") for name in ("back", "onward"))
        return (through or gateway.current()).onboarding_url(account, back, again)


def look_now(account: PayoutAccount, *, through: Gateway | None = None) -> PayoutAccount:
    """See how an account stands now, for a person who waits for it; it is made where it was not.

    raises  ProviderSilent  it could not be asked
    """
    with _heard():
        return make(account.pk, through=through)


def refresh(provider_id: str, *, through: Gateway | None = None) -> PayoutAccount | None:
    """See how the provider's account stands now; None: it is none of ours, or not yet."""
    known = PayoutAccount.objects.exclude(provider_id="").filter(provider_id=provider_id, mode=settings.MODE)
    account = known.first()
    return look(account, through=through) if account else None


def look(account: PayoutAccount, *, through: Gateway | None = None) -> PayoutAccount:
    """Ask the provider how an account stands, and note it unless a later look was faster."""
    if account.state == PayoutAccount.State.CLOSED or not account.provider_id:
        return account
    began_at = clock.now()
    return _note(account.pk, (through or gateway.current()).look_at(account), began_at)


def look_again(limit: int = 50, *, through: Gateway | None = None, at: datetime | None = None) -> bool:
    """Sweep: make what a crash left unmade, and look at accounts whose messages may be lost; True: there may be more.

    Those the provider still wants something of are asked for every hour, and after a week every day, as all others.
    """
    at = at or clock.now()
    due = PayoutAccount.objects.filter(mode=settings.MODE, due_at__lte=at).exclude(state=PayoutAccount.State.CLOSED)
    keys = due.order_by("due_at").values_list("pk", flat=True)
    return asking.each("payout account", keys, partial(_look_at, at=at, through=through), limit)


def _look_at(pk: int, *, at: datetime, through: Gateway | None) -> None:
    account = PayoutAccount.objects.get(pk=pk)
    PayoutAccount.objects.filter(pk=pk).update(due_at=at + _until_next(account.state, at - account.created_at))
    make(pk, through=through)


@transaction.atomic
def close(user: User) -> list[Payout]:
    """Pay out what is left, also below the least payout, and pay nothing more to this account; what it was paid.

    What is too small to be moved stays in the earnings, as does all of it where the account is not ready. A payout on
    its way goes on.
    raises  PayoutHeld  nothing is paid out for now, so it is not closed either
            Forbidden   the person's address is not confirmed
    """
    payouts.lock(user)
    holds.check(user)
    last = []
    left = Account.objects.filter(kind=Account.Kind.EARNINGS, user=user, mode=settings.MODE).order_by("pk")
    for currency in list(left.values_list("currency", flat=True)):
        if payouts.available_micros(user, currency, settings.MODE):
            with suppress(payouts.PayoutAccountNeeded), transaction.atomic():
                last.append(payouts.request(user, currency=currency, least_micros=1))
    if found := of(user):
        account = PayoutAccount.objects.select_for_update(no_key=True).get(pk=found.pk)
        states.move(account, PayoutAccount.State.CLOSED)
        audit.record(user, "close", account)
        jobs.enqueue("tasks.jobs.relate", user.pk)
    return last


@transaction.atomic
def erase(user: User) -> None:
    """Pay somebody who is gone no more, and forget all but the keys under which the provider keeps their accounts."""
    PayoutSchedule.objects.filter(user=user).update(every=PayoutSchedule.Every.NONE, due_at=None)
    own = user.payout_accounts.order_by("pk")
    list(own.select_for_update(no_key=True).values_list("pk"))
    own.exclude(state=PayoutAccount.State.CLOSED).update(state=PayoutAccount.State.CLOSED)
    own.update(missing=[], identity="", refusal="")
    jobs.enqueue("tasks.jobs.relate", user.pk)


@contextmanager
def _heard() -> Iterator[None]:
    """Tell the person who waits that the provider could not be asked; what was begun is asked again by the sweep."""
    try:
        yield
    except DomainError:
        raise
    except Exception as error:
        log.exception("the provider could not be asked about a payout account")
        raise asking.ProviderSilent("the payment provider does not answer now; try again in a minute") from error


@transaction.atomic
def _note(pk: int, told: AccountState, began_at: datetime) -> PayoutAccount:
    """Write what the provider said, unless it was asked later for what is written.

    A change is told after it happened, so the look that it causes begins after it: of all looks, the one that began
    last has seen it, whichever is written last.
    """
    account = PayoutAccount.objects.select_for_update(no_key=True).get(pk=pk)
    if account.state == PayoutAccount.State.CLOSED or (account.seen_at and account.seen_at > began_at):
        return account
    before, identity = account.state, account.identity
    account.missing, account.seen_at = list(told.missing), began_at
    account.identity = told.identity or account.identity  # it is told while people can be paid there
    account.save(update_fields=["missing", "identity", "seen_at"])
    if told.state != before:
        age = began_at - account.created_at
        states.move(account, told.state, due_at=began_at + _until_next(told.state, age))
        audit.record(None, "look", account, before=before, state=told.state)
    if (account.state, account.identity) != (before, identity):
        jobs.enqueue("tasks.jobs.relate", account.user_id)
    return account


@transaction.atomic
def _refused(account: PayoutAccount, why: str) -> PayoutAccount:
    account = PayoutAccount.objects.select_for_update(no_key=True).get(pk=account.pk)
    if account.state == PayoutAccount.State.NEW and not account.provider_id:
        states.move(account, PayoutAccount.State.CLOSED, refusal=why)
        audit.record(None, "refuse", account)
    return account


def _until_next(state: str, age: timedelta) -> timedelta:
    """How long until the provider is asked again without a cause."""
    if state == PayoutAccount.State.NEW:
        return min(max(age, SOON), DAY / 24)  # each wait as long as all before
    return DAY / 24 if state in UNFINISHED and age < 7 * DAY else DAY
