"""What an amount was for: the answers or bonuses behind a worker's, the amounts behind a line of an invoice."""

import re

from django.db.models import QuerySet

from marketplace.core import paging
from marketplace.core.errors import Invalid, NotFound
from marketplace.models import User
from payments.models import Invoice, InvoiceLine, Transfer
from tasks.models import Answer, Batch, Bonus
from workers import profiles


def transfer(user: User, token: str) -> Transfer:
    """An amount that was credited to this person, by the token of its key.

    raises  NotFound  there is none
    """
    try:
        pk = paging.unseal(token)
    except Invalid as error:
        raise NotFound("there is no such amount") from error
    own = Transfer.objects.filter(credit__user=user, credit__kind__in=["earnings", "pending"])
    found = own.select_related("entry", "credit", "debit__reserve__project").filter(pk=pk).first()
    if found is None:
        raise NotFound("there is no such amount")
    return found


def answers(user: User, amount: Transfer) -> "QuerySet[Answer]":
    """The answers of this person that a settlement paid; its key names the first, none is older. Others paid none."""
    named = re.fullmatch(r"settle:(\d+):(\d+)", amount.entry.key)
    if named is None:
        return Answer.objects.none()
    own = Answer.objects.filter(worker=profiles.of(user), submitted_at__isnull=False, entry=amount.entry_id)
    own = own.filter(batch=int(named[1]), pk__gte=int(named[2]))
    return own.select_related("assignment__project", "batch")


def bonuses(user: User, amount: Transfer) -> "QuerySet[Bonus]":
    """The bonuses of this person that the entry paid: of one list, there may be several."""
    return Bonus.objects.filter(worker=profiles.of(user), entry=amount.entry_id).select_related("batch")


def batch(line: InvoiceLine) -> Batch | None:
    """The batch whose reserve the line is about."""
    named = re.fullmatch(r"batch:(\d+)", line.reserve.subject) if line.reserve else None
    return Batch.objects.filter(pk=int(named[1])).first() if named else None


def transfers(line: InvoiceLine) -> "QuerySet[Transfer]":
    """The amounts that the line is the sum of; read between the keys of its month."""
    invoice, month = line.invoice, line.invoice.month
    found = Transfer.objects.filter(
        pk__gte=month.first_transfer or 0, pk__lte=month.last_transfer or 0,
        created_at__gte=month.begins_at, created_at__lt=month.ends_at,
        currency=invoice.currency, mode=invoice.mode,
    )  # fmt: skip
    is_back = invoice.kind == Invoice.Kind.CREDIT_NOTE
    own, other = ("credit", "debit") if is_back else ("debit", "credit")
    if line.reserve is not None:
        found = found.filter(**{own: line.reserve.account_id})
    else:
        found = found.filter(**{f"{own}__kind": "prepaid", f"{own}__organisation": invoice.organisation_id})
    if line.what == "fee":
        found = found.filter(**{f"{other}__kind": "fees"})
    else:
        found = found.filter(entry__kind=line.what).exclude(**{f"{other}__kind": "fees"})
    return found.select_related("entry", f"{other}__user__worker")


def pseudonym(line: InvoiceLine, amount: Transfer) -> str:
    """The organisation's own name for the worker whom the amount was for; empty where it was a fee."""
    is_back = line.invoice.kind == Invoice.Kind.CREDIT_NOTE
    user = (amount.debit if is_back else amount.credit).user
    worker = getattr(user, "worker", None)
    return line.invoice.organisation.pseudonym(worker.public_id) if worker else ""
