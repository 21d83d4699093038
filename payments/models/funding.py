"""What organisations pay, what they get back, and what is taken back from us."""

from typing import Self

from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Coalesce, Now

from marketplace.core.ids import PublicIdField
from marketplace.core.states import known
from marketplace.models import Mode, Organisation, User


class PrepaymentQuerySet(models.QuerySet["Prepayment"]):
    def visible_to(self, user: User) -> Self:
        return self.filter(organisation__memberships__user=user)


class Prepayment(models.Model):
    """Money an organisation pays before its work is done; credited when the provider says that it came."""

    class State(models.TextChoices):
        REQUESTED = "requested"
        PAID = "paid"
        FAILED = "failed"

    class Way(models.TextChoices):
        CHECKOUT = "checkout"  # on a page of the provider
        INTENT = "intent"  # by a program, with the provider's own scripts

    MOVES = {
        State.REQUESTED: {State.PAID, State.FAILED},
        State.FAILED: {State.PAID},  # the money came all the same
    }

    public_id = PublicIdField("pre")
    organisation = models.ForeignKey(Organisation, models.PROTECT, related_name="prepayments")
    requested_by = models.ForeignKey(User, models.PROTECT, related_name="+")
    amount_micros = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    mode = models.CharField(max_length=10, choices=Mode)
    way = models.CharField(max_length=10, choices=Way, default=Way.CHECKOUT)
    state = models.CharField(max_length=10, choices=State, default=State.REQUESTED)
    provider_id = models.CharField(max_length=120, blank=True, help_text="Of the session or intent that asks for it.")
    charge_id = models.CharField(max_length=120, blank=True, help_text="The provider's, of the charge that paid it.")
    pay_url = models.TextField(blank=True, help_text="Where it is paid; empty: not yet known, or over.")
    failure = models.TextField(blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    tries = models.PositiveIntegerField(default=0, help_text="How often the provider was asked to ask for it.")
    due_at = models.DateTimeField(db_default=Now(), help_text="While nobody knows where it is paid: when to ask again.")
    paid_at = models.DateTimeField(null=True)
    payable_from = models.DateTimeField(null=True, help_text="When what it pays for may leave; null: not paid yet.")
    refunded_micros = models.BigIntegerField(default=0, help_text="Asked back so far, and not refused.")
    disputed_micros = models.BigIntegerField(default=0, help_text="Taken back by the payer's bank, and not won again.")

    objects = PrepaymentQuerySet.as_manager()

    class Meta:
        constraints = [
            known("prepayment", ["requested", "paid", "failed"]),
            models.CheckConstraint(condition=Q(amount_micros__gt=0), name="prepayment_amount_positive"),
            models.CheckConstraint(
                condition=Q(refunded_micros__gte=0, disputed_micros__gte=0, refunded_micros__lte=F("amount_micros")),
                name="prepayment_refunded_within",
            ),
        ]
        indexes = [
            models.Index(fields=["provider_id"], condition=~Q(provider_id=""), name="prepayment_of_provider"),
            models.Index(fields=["charge_id"], condition=~Q(charge_id=""), name="prepayment_of_charge"),
            models.Index(
                fields=["mode", "due_at"], condition=Q(state="requested", provider_id=""), name="prepayment_due"
            ),
            models.Index(
                fields=["organisation", "currency", "mode", "payable_from"],
                condition=Q(state="paid"),
                name="prepayment_payable",
            ),
            models.Index(Coalesce("paid_at", "created_at"), name="prepayment_in_span"),
        ]

    def __str__(self) -> str:
        return self.public_id


class RefundQuerySet(models.QuerySet["Refund"]):
    def visible_to(self, user: User) -> Self:
        return self.filter(prepayment__organisation__memberships__user=user)


class Refund(models.Model):
    """A part of one prepayment on its way back to who paid it."""

    class State(models.TextChoices):
        PROPOSED = "proposed"  # by hand: a second admin signs
        REQUESTED = "requested"
        PAID = "paid"
        FAILED = "failed"  # the money is prepaid again
        DECLINED = "declined"

    class Way(models.TextChoices):
        ORIGINAL = "original"  # to what it was paid with
        BY_HAND = "by_hand"  # too old for that: two admins see to it

    MOVES = {
        State.PROPOSED: {State.REQUESTED, State.PAID, State.DECLINED},
        State.REQUESTED: {State.PAID, State.FAILED},
        State.PAID: {State.FAILED},  # the bank sent it back
    }

    public_id = PublicIdField("ref")
    prepayment = models.ForeignKey(Prepayment, models.PROTECT, related_name="refunds", db_index=False)
    amount_micros = models.BigIntegerField()
    way = models.CharField(max_length=10, choices=Way, default=Way.ORIGINAL)
    state = models.CharField(max_length=10, choices=State, default=State.REQUESTED)
    requested_by = models.ForeignKey(User, models.PROTECT, related_name="+")
    proposed_by = models.ForeignKey(User, models.PROTECT, null=True, related_name="+", help_text="By hand: the first.")
    signed_by = models.ForeignKey(User, models.PROTECT, null=True, related_name="+", help_text="By hand: the second.")
    provider_id = models.CharField(max_length=120, blank=True)
    reference = models.CharField(max_length=120, blank=True, help_text="By hand: the operator's own for the payment.")
    failure = models.TextField(blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    sent_at = models.DateTimeField(null=True, help_text="When the provider was first asked.")
    tries = models.PositiveIntegerField(default=0, help_text="How often the provider was asked.")
    due_at = models.DateTimeField(db_default=Now(), help_text="While it is requested: when it is sent, or sent again.")
    ended_at = models.DateTimeField(null=True)

    objects = RefundQuerySet.as_manager()

    class Meta:
        constraints = [
            known("refund", ["proposed", "requested", "paid", "failed", "declined"]),
            models.CheckConstraint(condition=Q(amount_micros__gt=0), name="refund_amount_positive"),
            models.CheckConstraint(
                condition=Q(signed_by=None) | ~Q(signed_by=F("proposed_by")), name="refund_signed_by_another"
            ),
            models.CheckConstraint(
                condition=Q(way="original") | ~Q(state="paid") | Q(proposed_by__isnull=False, signed_by__isnull=False),
                name="refund_by_hand_by_two",
            ),
        ]
        indexes = [
            models.Index(fields=["provider_id"], condition=~Q(provider_id=""), name="refund_of_provider"),
            models.Index(fields=["due_at"], condition=Q(state="requested"), name="refund_due"),
            models.Index(fields=["id"], condition=Q(state="proposed"), name="refund_to_decide"),
            models.Index(fields=["prepayment", "id"], name="refund_of_prepayment"),
            models.Index(Coalesce("ended_at", "created_at"), name="refund_in_span"),
        ]

    def __str__(self) -> str:
        return self.public_id


class Dispute(models.Model):
    """A payer's bank takes back what was prepaid. The organisation is frozen; what its prepayment lacks we lose.

    A row is made by whatever is heard of first, and booked once the charge is known to be one of our prepayments.
    """

    class State(models.TextChoices):
        OPEN = "open"
        WON = "won"  # it came back
        LOST = "lost"

    MOVES = {State.OPEN: {State.WON, State.LOST}}

    public_id = PublicIdField("dis")
    prepayment = models.ForeignKey(
        Prepayment, models.PROTECT, null=True, related_name="disputes", help_text="Null: not booked yet, or not ours."
    )
    provider_id = models.CharField(max_length=120, unique=True)
    charge_id = models.CharField(max_length=120, blank=True, help_text="The provider's; empty: not heard of yet.")
    amount_micros = models.BigIntegerField(default=0)
    covered_micros = models.BigIntegerField(default=0, help_text="Of it, what the organisation's prepayment bore.")
    state = models.CharField(max_length=10, choices=State, default=State.OPEN)
    reason = models.CharField(max_length=80, blank=True, help_text="The bank's word for it.")
    opened_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)
    recoveries = models.PositiveIntegerField(default=0, help_text="How often a part was covered later.")
    told_at = models.DateTimeField(null=True, help_text="When owners and admins were told.")

    class Meta:
        constraints = [
            known("dispute", ["open", "won", "lost"]),
            models.CheckConstraint(
                condition=Q(amount_micros__gte=0, covered_micros__gte=0, covered_micros__lte=F("amount_micros")),
                name="dispute_covered_within",
            ),
            models.CheckConstraint(
                condition=Q(prepayment=None) | Q(amount_micros__gt=0), name="dispute_booked_with_amount"
            ),
        ]
        indexes = [
            models.Index(
                fields=["id"],
                condition=Q(state__in=["open", "lost"], covered_micros__lt=F("amount_micros")),
                name="dispute_uncovered",
            ),
            models.Index(fields=["charge_id"], condition=Q(prepayment=None), name="dispute_not_booked"),
            models.Index(fields=["id"], condition=Q(told_at=None, prepayment__isnull=False), name="dispute_to_tell"),
            models.Index(fields=["opened_at"], name="dispute_in_span"),
        ]

    def __str__(self) -> str:
        return self.public_id


class Maturity(models.Model):
    """A day from which what was earned from an organisation may be paid out; its pending accounts are named by it."""

    class State(models.TextChoices):
        WAITING = "waiting"
        DONE = "done"

    MOVES = {State.WAITING: {State.DONE}, State.DONE: {State.WAITING}}

    organisation = models.ForeignKey(Organisation, models.PROTECT, related_name="+")
    currency = models.CharField(max_length=3)
    mode = models.CharField(max_length=10, choices=Mode)
    day = models.DateField()
    state = models.CharField(max_length=10, choices=State, default=State.WAITING)

    class Meta:
        constraints = [
            known("maturity", ["waiting", "done"]),
            models.UniqueConstraint(fields=["organisation", "currency", "mode", "day"], name="maturity_once"),
        ]
        indexes = [models.Index(fields=["day"], condition=Q(state="waiting"), name="maturity_waiting")]

    def __str__(self) -> str:
        return f"{self.organisation_id} {self.day}"
