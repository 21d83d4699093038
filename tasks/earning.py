"""Whether we can pay somebody: old enough, in a country and currency that the provider pays, to an account in use.

Play money asks for none of it. Who a person is, the provider checks; we keep what was stated and how it stands.
"""

from typing import Any

from django.conf import settings
from django.db import transaction

from marketplace import audit
from marketplace.core import clock
from marketplace.models import Mode, Project, User
from payments.models import PayoutAccount
from tasks.errors import MayNotEarn, OwnWork
from workers import codes, profiles
from workers.models import Worker

UNPAYABLE = [PayoutAccount.State.RESTRICTED, PayoutAccount.State.CLOSED]


@transaction.atomic
def state(
    worker: Worker, languages: Any = None, country: Any = None, of_age: bool | None = None, by: User | None = None
) -> Worker:
    """Note what somebody says of themselves, as `profiles.state` does, and what they may earn by it.

    of_age  that they are old enough to be paid; said once, and never taken back
    raises  Invalid
    """
    profiles.state(worker, languages, country)
    if of_age and worker.of_age_at is None:
        worker.of_age_at = clock.now()
        Worker.objects.filter(pk=worker.pk, of_age_at=None).update(of_age_at=worker.of_age_at)
        audit.record(by or worker.user, "state_of_age", worker, least=settings.LEAST_AGE)
    look(worker)
    return worker


@transaction.atomic
def look(worker: Worker) -> list[str]:
    """Write anew what this person may earn, as `live:USD`; from what they state and where they are paid alone."""
    known = Worker.objects.select_for_update(no_key=True).get(pk=worker.pk)
    earned = [
        f"{mode}:{currency}"
        for mode in (Mode.TEST, Mode.LIVE)
        for currency in sorted(settings.CURRENCIES)
        if not wanting(known, mode, currency)
    ]
    if earned != known.may_earn:
        Worker.objects.filter(pk=known.pk).update(may_earn=earned)
    worker.may_earn = earned
    return earned


@transaction.atomic
def relate(user: User) -> None:
    """Write anew who is paid to the same place as this person, for both sides, and for those who were before.

    Of two who begin to share a place at once, whichever job runs last sees both.
    """
    worker = profiles.of(user)
    own = PayoutAccount.objects.filter(user=user).exclude(identity="")
    now = {pk for account in own for pk in _at(account)} - {user.pk}
    around = Worker.objects.filter(user__in={user.pk, *now, *worker.kin}).order_by("pk")
    for one in around.select_for_update(no_key=True):
        kin = sorted({pk for account in _places(one) for pk in _at(account)} - {one.user_id})
        if kin != one.kin:
            Worker.objects.filter(pk=one.pk).update(kin=kin)
            audit.record(None, "relate", one, kin=kin)
    look(worker)


def missing(worker: Worker, project: Project) -> list[str]:
    """What keeps this person from being paid for a project's work, a sentence each; empty: nothing."""
    if f"{project.mode}:{project.currency}" in worker.may_earn:  # as the claim reads it
        return []
    return wanting(worker, project.mode, project.currency)


def check(worker: Worker, project: Project) -> None:
    """Raise MayNotEarn with what is missing."""
    if lacking := missing(worker, project):
        raise MayNotEarn(" ".join(lacking), missing=lacking)


def check_not_own(worker: Worker, project: Project) -> None:
    """Raise OwnWork where the project is of the worker's own organisation, or of one of those paid with them."""
    if profiles.is_own(worker, project.organisation):
        raise OwnWork()


def wanting(worker: Worker, mode: str, currency: str) -> list[str]:
    """What keeps this person from being paid in a currency, a sentence each; empty: nothing."""
    if mode == Mode.SANDBOX:
        return []
    found = []
    if worker.of_age_at is None:
        found.append(f"Say that you are {settings.LEAST_AGE} or older.")
    account = _account(worker, mode)
    country = account.country if account and account.state != account.State.CLOSED else worker.country
    if not country:
        found.append("Say in which country you live.")
    elif currency not in settings.PAYOUT_COUNTRIES.get(country, ()):
        found.append(f"We cannot pay {currency} to people in {codes.COUNTRIES.get(country, country)} yet.")
    if account and account.state in UNPAYABLE:
        found.append("The account to which you are paid takes no money at the moment. See your earnings page.")
    return found


def _account(worker: Worker, mode: str) -> PayoutAccount | None:
    """Where this person is paid; of those that are closed the last, unless there is another."""
    mine = PayoutAccount.objects.filter(user=worker.user_id, mode=mode)
    return mine.exclude(state=PayoutAccount.State.CLOSED).first() or mine.order_by("pk").last()


def _places(worker: Worker) -> list[PayoutAccount]:
    return list(PayoutAccount.objects.filter(user=worker.user_id).exclude(identity=""))


def _at(account: PayoutAccount) -> list[int]:
    """The users who are, or were, paid at the same place."""
    same = PayoutAccount.objects.filter(identity=account.identity, mode=account.mode)
    return list(same.values_list("user_id", flat=True))
