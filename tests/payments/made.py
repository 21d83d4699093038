"""Money where a test wants it, through the verbs that put it there."""

from functools import partial

from marketplace.core import clock
from marketplace.models import Organisation, User
from payments import ledger, reserves
from payments.gateway import sandbox
from payments.models import Account, Prepayment, Reserve
from tests import make

USD = {"currency": "USD", "mode": "sandbox"}


def prepaid(organisation: Organisation, micros: int, currency: str = "USD", mode: str = "sandbox") -> Account:
    """The organisation's prepaid account with this much more in it."""
    account = partial(ledger.account, currency=currency, mode=mode)
    own = account("prepaid", organisation=organisation)
    paid = Prepayment.objects.create(
        organisation=organisation, requested_by=make.owner(organisation), amount_micros=micros, currency=currency,
        mode=mode, state="paid", paid_at=clock.now(),
    )  # fmt: skip
    if mode == "sandbox":
        Prepayment.objects.filter(pk=paid.pk).update(provider_id=sandbox.derived_id(mode, f"prepayment:{paid.pk}"))
    ledger.post("prepayment", f"prepayment:{paid.pk}", (account("outside"), own, micros))
    return own


def reserve(micros: int, subject: str = "batch:1") -> Reserve:
    """A reserve of this much for a new project, with nothing left beside it."""
    project = make.project()
    prepaid(project.organisation, micros)
    return reserves.open(project, subject, {"answers": micros}, 1000, "USD", "sandbox")


def earned(user: User, micros: int) -> Account:
    """The user's earnings account after work worth this much was settled."""
    subject = f"batch:{user.pk}:{Reserve.objects.count()}"
    ledger.post_settlement(f"made:{subject}", reserve(micros, subject).account, {user.pk: micros}, 0)
    return Account.objects.get(kind="earnings", user=user)


def balance(account: Account) -> int:
    account.refresh_from_db()
    return account.balance_micros
