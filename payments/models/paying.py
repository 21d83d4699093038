"""How people are paid: their account with the provider, payouts, and what holds them up."""

from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Coalesce, Now

from marketplace.core.ids import PublicIdField
from marketplace.core.states import known
from marketplace.models import Mode, User


class PayoutAccount(models.Model):
    """Where a person is paid, as the provider keeps it: we hold its states, never documents or bank details."""

    class State(models.TextChoices):
        NEW = "new"  # not made at the provider yet
        INCOMPLETE = "incomplete"  # the provider wants details
        READY = "ready"
        RESTRICTED = "restricted"  # the provider pays nothing to it for now
        CLOSED = "closed"

    MOVES = {  # the provider decides, and may change its mind in any order
        State.NEW: {State.INCOMPLETE, State.READY, State.RESTRICTED, State.CLOSED},
        State.INCOMPLETE: {State.READY, State.RESTRICTED, State.CLOSED},
        State.READY: {State.INCOMPLETE, State.RESTRICTED, State.CLOSED},
        State.RESTRICTED: {State.INCOMPLETE, State.READY, State.CLOSED},
    }

    user = models.ForeignKey(User, models.PROTECT, related_name="payout_accounts")
    mode = models.CharField(max_length=10, choices=Mode)
    provider_id = models.CharField(max_length=120, blank=True)
    state = models.CharField(max_length=12, choices=State, default=State.NEW)
    country = models.CharField(max_length=2, help_text="ISO 3166-1 alpha-2.")
    missing = ArrayField(models.CharField(max_length=120), default=list, help_text="What the provider still wants.")
    identity = models.CharField(
        max_length=64, blank=True, help_text="The same for accounts that pay to the same place; empty: not known."
    )
    refusal = models.TextField(blank=True, help_text="Why the provider did not make it; empty unless it refused.")
    created_at = models.DateTimeField(auto_now_add=True)
    seen_at = models.DateTimeField(null=True, help_text="When the provider was asked for what is known of it.")
    due_at = models.DateTimeField(db_default=Now(), help_text="When the provider is asked without a cause.")

    class Meta:
        constraints = [
            known("payoutaccount", ["new", "incomplete", "ready", "restricted", "closed"]),
            models.UniqueConstraint(fields=["user", "mode"], condition=~Q(state="closed"), name="payoutaccount_once"),
        ]
        indexes = [
            models.Index(fields=["provider_id"], condition=~Q(provider_id=""), name="payoutaccount_of_provider"),
            models.Index(fields=["identity"], condition=~Q(identity=""), name="payoutaccount_identity"),
            models.Index(fields=["mode", "due_at"], condition=~Q(state="closed"), name="payoutaccount_due"),
        ]

    def __str__(self) -> str:
        return f"{self.mode} {self.provider_id or 'new'}"

    @property
    def words(self) -> str:
        """How it stands, as its owner reads it."""
        match self.state:
            case self.State.NEW:
                return "being opened with the provider"
            case self.State.INCOMPLETE:
                return "needs your bank details" if self.missing else "the provider is checking"
            case self.State.READY:
                return "ready"
            case self.State.RESTRICTED:
                return f"the provider pays nothing to it for now: {', '.join(self.wanted) or 'it has not said why'}"
        return "closed"

    @property
    def wanted(self) -> list[str]:
        """What the provider still wants, without the marks of its own spelling."""
        return [" ".join(one.replace(".", " ").replace("_", " ").split()) for one in self.missing]


UNTOLD = Q(state__in=["paid", "failed", "reversed"]) & ~Q(told=F("state"))


class Payout(models.Model):
    """Earnings on their way to a worker; moved once, whatever crashes."""

    class State(models.TextChoices):
        REVIEW = "review"  # an admin looks at it first
        REQUESTED = "requested"
        PAID = "paid"
        FAILED = "failed"  # the money is back in the earnings
        REVERSED = "reversed"  # paid, and it came back

    MOVES = {
        State.REVIEW: {State.REQUESTED, State.FAILED},
        State.REQUESTED: {State.PAID, State.FAILED},
        State.PAID: {State.REVERSED},
    }

    public_id = PublicIdField("pay")
    user = models.ForeignKey(User, models.PROTECT, related_name="payouts")
    account = models.ForeignKey(
        PayoutAccount, models.PROTECT, null=True, related_name="payouts", db_index=False, help_text="Null: play money."
    )
    amount_micros = models.BigIntegerField()
    currency = models.CharField(max_length=3)
    mode = models.CharField(max_length=10, choices=Mode)
    state = models.CharField(max_length=10, choices=State, default=State.REQUESTED)
    provider_id = models.CharField(max_length=120, blank=True)
    failure = models.TextField(blank=True)
    review_because = models.TextField(blank=True, help_text="Why an admin looks at it first; empty: no need.")
    reviewed_by = models.ForeignKey(User, models.PROTECT, null=True, related_name="+")
    period = models.DateField(null=True, help_text="Of a schedule, the period it is for: its first day.")
    created_at = models.DateTimeField(auto_now_add=True)
    sent_at = models.DateTimeField(null=True, help_text="When the provider was first asked.")
    tries = models.PositiveIntegerField(default=0, help_text="How often the provider was asked.")
    due_at = models.DateTimeField(db_default=Now(), help_text="While it is requested: when it is sent, or sent again.")
    trouble = models.CharField(max_length=200, blank=True, help_text="Why the last try had no outcome; for admins.")
    ended_at = models.DateTimeField(null=True)
    told = models.CharField(max_length=10, blank=True, db_default="", help_text="The last end the person was told of.")

    class Meta:
        constraints = [
            known("payout", ["review", "requested", "paid", "failed", "reversed"]),
            models.CheckConstraint(condition=Q(amount_micros__gt=0), name="payout_amount_positive"),
            models.CheckConstraint(condition=~Q(reviewed_by=F("user")), name="payout_not_by_its_payee"),
            models.UniqueConstraint(
                fields=["user", "currency", "mode", "period"],
                condition=Q(period__isnull=False),
                name="payout_once_a_period",
            ),
        ]
        indexes = [
            models.Index(fields=["user", "id"], name="payout_of_user"),
            models.Index(fields=["mode", "due_at"], condition=Q(state="requested"), name="payout_waiting"),
            models.Index(fields=["id"], condition=Q(state="review"), name="payout_to_review"),
            models.Index(fields=["id"], condition=UNTOLD, name="payout_untold"),
            models.Index(fields=["provider_id"], condition=~Q(provider_id=""), name="payout_of_provider"),
            models.Index(Coalesce("ended_at", "created_at"), name="payout_in_span"),
        ]

    def __str__(self) -> str:
        return self.public_id

    @property
    def is_scheduled(self) -> bool:
        return self.period is not None


class PayoutSchedule(models.Model):
    """How often a person is paid without asking; its payouts name the period they are for."""

    class Every(models.TextChoices):
        NONE = "none", "Only when I ask"
        WEEKLY = "weekly", "Every week, on Monday"
        MONTHLY = "monthly", "Every month, on the first"

    user = models.ForeignKey(User, models.PROTECT, related_name="payout_schedules")
    mode = models.CharField(max_length=10, choices=Mode)
    every = models.CharField(max_length=8, choices=Every, default=Every.NONE)
    due_at = models.DateTimeField(null=True, help_text="Null: never.")

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["user", "mode"], name="payoutschedule_once"),
            models.CheckConstraint(
                condition=Q(every="none", due_at=None) | Q(every__in=["weekly", "monthly"], due_at__isnull=False),
                name="payoutschedule_due_unless_none",
            ),
        ]
        indexes = [
            models.Index(fields=["mode", "due_at"], condition=Q(due_at__isnull=False), name="payoutschedule_due")
        ]

    def __str__(self) -> str:
        return f"{self.every} {self.user_id}"


class Hold(models.Model):
    """No payout goes to this person while it is in force; the decision that placed it says why."""

    user = models.ForeignKey(User, models.PROTECT, related_name="holds", db_index=False)
    since = models.DateTimeField()
    until = models.DateTimeField(help_text="It ends by itself then.")
    lifted_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [models.CheckConstraint(condition=Q(until__gt=models.F("since")), name="hold_ends")]
        indexes = [models.Index(fields=["user"], condition=Q(lifted_at=None), name="hold_in_force")]

    def __str__(self) -> str:
        return f"hold on {self.user_id}"
