"""The ledger: accounts, and what moved between them."""

from django.db import models
from django.db.models import F, Q

from marketplace.models import Mode, Organisation, Project, User


class Account(models.Model):
    """A place where money stands. Its totals are kept beside its transfers and may be checked against them."""

    class Kind(models.TextChoices):
        OUTSIDE = "outside"  # the world beyond the platform; may be overdrawn, as losses may
        PREPAID = "prepaid"  # what an organisation has paid and not yet reserved
        RESERVE = "reserve"  # what is set aside for one batch
        PENDING = "pending"  # earned, and payable from the day its subject names: what paid for it may be taken back
        EARNINGS = "earnings"  # what the operator owes a worker, payable now
        FEES = "fees"  # what the operator has earned
        IN_TRANSIT = "in_transit"  # payouts on their way
        REFUNDING = "refunding"  # on its way back to an organisation
        LOSSES = "losses"  # what the operator has lost; overdrawn by that much

    UNBOUNDED = [Kind.OUTSIDE, Kind.LOSSES]

    kind = models.CharField(max_length=12, choices=Kind)
    organisation = models.ForeignKey(Organisation, models.PROTECT, null=True, related_name="accounts")
    user = models.ForeignKey(User, models.PROTECT, null=True, related_name="accounts")
    subject = models.CharField(max_length=60, blank=True, help_text="Opaque: what a reserve is for.")
    currency = models.CharField(max_length=3)
    mode = models.CharField(max_length=10, choices=Mode)
    debits_micros = models.BigIntegerField(default=0)
    credits_micros = models.BigIntegerField(default=0)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["kind", "organisation", "user", "subject", "currency", "mode"],
                name="account_once",
                nulls_distinct=False,
            ),
            models.UniqueConstraint(fields=["id", "currency", "mode"], name="account_currency_mode"),
            models.CheckConstraint(
                condition=Q(kind__in=["outside", "losses"]) | Q(credits_micros__gte=F("debits_micros")),
                name="account_not_overdrawn",
            ),
            models.CheckConstraint(
                condition=Q(
                    kind__in=[
                        *("outside", "prepaid", "reserve", "pending", "earnings"),
                        *("fees", "in_transit", "refunding", "losses"),
                    ],
                    mode__in=Mode.values,
                ),
                name="account_kind_and_mode_known",
            ),
        ]
        indexes = [  # of columns that never change, so that totals are still updated in place
            models.Index(fields=["organisation", "subject"], condition=Q(kind="pending"), name="account_pending"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.organisation_id or self.user_id or self.subject}".strip()

    @property
    def balance_micros(self) -> int:
        return self.credits_micros - self.debits_micros


class Entry(models.Model):
    """One event in the ledger: a group of transfers under a key that can be used once. Append-only."""

    kind = models.CharField(max_length=20)
    key = models.CharField(max_length=120, unique=True)
    facts = models.JSONField(default=dict)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        verbose_name_plural = "entries"

    def __str__(self) -> str:
        return self.key


class Transfer(models.Model):
    """One positive amount from the debited to the credited account, of one currency and mode. Append-only.

    Composite foreign keys (in the migration) hold both accounts to this currency and mode; others would say it again.
    """

    entry = models.ForeignKey(Entry, models.PROTECT, related_name="transfers")
    debit = models.ForeignKey(Account, models.PROTECT, related_name="debited", db_index=False, db_constraint=False)
    credit = models.ForeignKey(Account, models.PROTECT, related_name="credited", db_index=False, db_constraint=False)
    amount_micros = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    mode = models.CharField(max_length=10)
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        constraints = [
            models.CheckConstraint(condition=Q(amount_micros__gt=0), name="transfer_amount_positive"),
            models.CheckConstraint(condition=~Q(debit=F("credit")), name="transfer_between_two"),
        ]
        indexes = [
            models.Index(fields=["debit", "id"], name="transfer_of_debit"),
            models.Index(fields=["credit", "id"], name="transfer_of_credit"),
        ]

    def __str__(self) -> str:
        return f"{self.amount_micros} {self.currency}"


class Reserve(models.Model):
    """What a batch may spend, line by line; the money stands in its account."""

    subject = models.CharField(max_length=60, unique=True, help_text='Opaque: "batch:<pk>".')
    project = models.ForeignKey(Project, models.PROTECT, related_name="reserves")
    account = models.OneToOneField(Account, models.PROTECT, related_name="reserve")
    fee_bp = models.PositiveIntegerField()
    postings = models.PositiveIntegerField(default=0, help_text="Additions and releases so far; part of their keys.")

    def __str__(self) -> str:
        return self.subject


class ReserveLine(models.Model):
    """A named part of a reserve, its fee included; what was ever set aside under that name, less what was returned."""

    reserve = models.ForeignKey(Reserve, models.PROTECT, related_name="lines")
    name = models.CharField(max_length=12)
    amount_micros = models.BigIntegerField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["reserve", "name"], name="reserveline_once"),
            models.CheckConstraint(condition=Q(amount_micros__gte=0), name="reserveline_not_negative"),
        ]

    def __str__(self) -> str:
        return self.name
