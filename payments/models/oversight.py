"""What watches over the money: the provider's side of it, differences, seals, and corrections by admins."""

from django.db import models
from django.db.models import F, Q

from marketplace.core.ids import PublicIdField
from marketplace.core.states import known
from marketplace.models import Mode, User
from payments.models.ledger import Account, Entry


class Progress(models.Model):
    """How far a work of many steps has come, so that the next step, or a restart, goes on there."""

    name = models.CharField(max_length=40, unique=True)
    facts = models.JSONField(default=dict)

    def __str__(self) -> str:
        return self.name


class ProviderMovement(models.Model):
    """One movement of the provider's balance, as it was read; `subject` is the row of ours that it belongs to."""

    mode = models.CharField(max_length=10, choices=Mode)
    provider_id = models.CharField(max_length=120, help_text="Of the balance transaction.")
    kind = models.CharField(max_length=12)
    source_id = models.CharField(max_length=120, blank=True, help_text="Of what moved, in the provider's words.")
    subject = models.CharField(max_length=60, blank=True, help_text='"payout:<pk>"; empty: no row of ours is known.')
    amount_micros = models.BigIntegerField(help_text="Into our balance there; its fee is not yet taken off.")
    fee_micros = models.BigIntegerField(default=0)
    currency = models.CharField(max_length=3)
    moved_at = models.DateTimeField()
    seen_at = models.DateTimeField(help_text="When it was last read.")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["mode", "provider_id"], name="providermovement_once"),
            models.CheckConstraint(condition=Q(mode__in=Mode.values), name="providermovement_mode_known"),
        ]
        indexes = [
            models.Index(fields=["mode", "moved_at"], name="providermovement_in_span"),
            models.Index(fields=["subject"], condition=~Q(subject=""), name="providermovement_of_row"),
        ]

    def __str__(self) -> str:
        return self.provider_id


class Difference(models.Model):
    """Something that our books and the provider's say differently. An admin explains it; nothing repairs it."""

    class Kind(models.TextChoices):
        UNBOOKED = "unbooked", "moved at the provider, still waiting here"
        MISSING = "missing", "done here, not found at the provider"
        AMOUNT = "amount", "another amount"
        TWICE = "twice", "moved more than once at the provider"
        CURRENCY = "currency", "another currency or kind of money"
        STRANGER = "stranger", "at the provider, no row of ours"
        CHANGED = "changed", "the provider tells it differently than before"
        VANISHED = "vanished", "the provider tells it no longer"
        BALANCE = "balance", "the provider's balance is not the sum of its movements"
        IDENTITY = "identity", "play money with an id that is not its row's"
        LEDGER = "ledger", "the ledger contradicts itself"

    class State(models.TextChoices):
        OPEN = "open"
        EXPLAINED = "explained"
        GONE = "gone"  # both sides say the same since

    MOVES = {
        State.OPEN: {State.EXPLAINED, State.GONE},
        State.EXPLAINED: {State.OPEN, State.GONE},  # the figures changed
        State.GONE: {State.OPEN},
    }

    mode = models.CharField(max_length=10, choices=Mode)
    kind = models.CharField(max_length=10, choices=Kind)
    subject = models.CharField(max_length=200, help_text='What it is about: "payout:<pk>", or an id of the provider.')
    ours_micros = models.BigIntegerField(null=True, help_text="By our books; empty: nothing is there.")
    theirs_micros = models.BigIntegerField(null=True, help_text="At the provider; empty: nothing is there.")
    currency = models.CharField(max_length=3, blank=True)
    text = models.TextField()
    state = models.CharField(max_length=10, choices=State, default=State.OPEN)
    found_at = models.DateTimeField()
    told_at = models.DateTimeField(null=True, help_text="When admins were told.")
    explained_by = models.ForeignKey(User, models.PROTECT, null=True, related_name="+")
    note = models.TextField(blank=True, help_text="How an admin explains it.")
    ended_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            known("difference", ["open", "explained", "gone"]),
            models.UniqueConstraint(fields=["mode", "kind", "subject"], name="difference_once"),
            models.CheckConstraint(
                condition=~Q(state="explained") | (Q(explained_by__isnull=False) & ~Q(note="")),
                name="difference_explained_by_somebody",
            ),
        ]
        indexes = [
            models.Index(fields=["id"], condition=~Q(state="gone"), name="difference_there"),
            models.Index(fields=["id"], condition=Q(state="open", told_at=None), name="difference_untold"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.subject}"


class SealedCheckpoint(models.Model):
    """Transfers that can no longer be added to, from one key to another, under a digest of them. Append-only."""

    after_id = models.BigIntegerField(help_text="The last transfer of the checkpoint before; 0: this is the first.")
    upto_id = models.BigIntegerField(unique=True)
    transfers = models.BigIntegerField()
    digest = models.CharField(max_length=64, help_text="SHA-256 of the digest before and of these transfers.")
    sealed_at = models.DateTimeField()

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["after_id"], name="sealedcheckpoint_chain"),
            models.CheckConstraint(condition=Q(upto_id__gt=F("after_id")), name="sealedcheckpoint_ordered"),
        ]

    def __str__(self) -> str:
        return f"{self.after_id + 1} to {self.upto_id}"


class SealedTotal(models.Model):
    """The totals of an account that moved, as of a checkpoint. Append-only."""

    checkpoint = models.ForeignKey(SealedCheckpoint, models.PROTECT, related_name="totals")
    account = models.ForeignKey(Account, models.PROTECT, related_name="+", db_index=False)
    debits_micros = models.BigIntegerField()
    credits_micros = models.BigIntegerField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["account", "checkpoint"], name="sealedtotal_once")]

    def __str__(self) -> str:
        return f"account {self.account_id}"


class Correction(models.Model):
    """An entry that is reversed wholly and once, with a reason; by two admins above a limit."""

    class State(models.TextChoices):
        PROPOSED = "proposed"
        POSTED = "posted"
        DECLINED = "declined"

    MOVES = {State.PROPOSED: {State.POSTED, State.DECLINED}}

    public_id = PublicIdField("cor")
    entry = models.ForeignKey(Entry, models.PROTECT, related_name="corrections", db_index=False)
    reversal = models.OneToOneField(Entry, models.PROTECT, null=True, related_name="corrects")
    amount_micros = models.BigIntegerField(help_text="The sum of its transfers.")
    alone_most_micros = models.BigIntegerField(help_text="What one admin could reverse alone when it was proposed.")
    reason = models.TextField()
    state = models.CharField(max_length=10, choices=State, default=State.PROPOSED)
    proposed_by = models.ForeignKey(User, models.PROTECT, related_name="+")
    signed_by = models.ForeignKey(User, models.PROTECT, null=True, related_name="+", help_text="Or who declined it.")
    answer = models.TextField(blank=True, help_text="Why it was declined.")
    proposed_at = models.DateTimeField()
    ended_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [
            known("correction", ["proposed", "posted", "declined"]),
            models.UniqueConstraint(fields=["entry"], condition=~Q(state="declined"), name="correction_once"),
            models.CheckConstraint(condition=Q(amount_micros__gt=0), name="correction_amount_positive"),
            models.CheckConstraint(
                condition=~Q(state="posted")
                | Q(signed_by__isnull=False, reversal__isnull=False)
                & (Q(amount_micros__lte=F("alone_most_micros")) | ~Q(signed_by=F("proposed_by"))),
                name="correction_posted_by_two",
            ),
        ]
        indexes = [models.Index(fields=["id"], condition=Q(state="proposed"), name="correction_waiting")]

    def __str__(self) -> str:
        return self.public_id
