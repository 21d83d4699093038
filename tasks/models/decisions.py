"""What answers say of those who gave them, what was decided because of it, and how that is contested."""

from typing import Self

from django.db import models
from django.db.models import Q

from marketplace.core import clock
from marketplace.core.ids import PublicIdField
from marketplace.core.states import known
from marketplace.models import Organisation, Project, User
from payments.models import Entry, Hold
from tasks.models.batches import Batch
from tasks.models.work import Answer
from workers.models import Grant, Standing, Worker


class Evidence(models.Model):
    """One judged answer: how likely it was right, and who says so. Append-only."""

    class Kind(models.TextChoices):
        GOLD = "gold"
        CONSENSUS = "consensus"
        REVIEW = "review"
        SPEED = "speed"  # shown, and never counted: being quick is not being wrong

    kind = models.CharField(max_length=10, choices=Kind)
    worker = models.ForeignKey(Worker, models.PROTECT, related_name="+", db_index=False)
    project = models.ForeignKey(Project, models.PROTECT, related_name="+", db_index=False)
    answer = models.ForeignKey(Answer, models.PROTECT, related_name="evidence")
    correct = models.FloatField(help_text="Probability that the answer was right, 0 to 1.")
    truths = models.JSONField(
        null=True, help_text="Field -> class number -> how likely that is the right one; null: it tells no class."
    )
    created_at = models.DateTimeField(default=clock.now)

    class Meta:
        indexes = [
            models.Index(fields=["worker", "project", "id"], name="evidence_newest"),
            models.Index(fields=["project", "created_at", "worker"], name="evidence_of_project"),
        ]

    def __str__(self) -> str:
        return f"{self.kind}: {self.correct:.2f}"


class RuleQuerySet(models.QuerySet["Rule"]):
    def visible_to(self, user: User) -> Self:
        return self.filter(project__organisation__memberships__user=user)

    def newest(self) -> Self:
        """Of each rule the version that counts."""
        return self.filter(replaced_by=None)


class Rule(models.Model):
    """What a requester wants done about a worker, and when: one version of it, never edited."""

    class State(models.TextChoices):
        DRAFT = "draft"  # may be tried on past data
        ON = "on"
        OFF = "off"

    MOVES = {State.DRAFT: {State.ON, State.OFF}, State.ON: {State.OFF}, State.OFF: {State.ON}}

    public_id = PublicIdField("rul")
    project = models.ForeignKey(Project, models.PROTECT, related_name="rules")
    name = models.CharField(max_length=120)
    version = models.PositiveIntegerField(default=1)
    replaces = models.OneToOneField("self", models.PROTECT, null=True, related_name="replaced_by")
    origin = models.ForeignKey("self", models.PROTECT, null=True, related_name="+", help_text="Its first version.")
    state = models.CharField(max_length=10, choices=State, default=State.DRAFT)
    collector = models.CharField(max_length=20)
    history = models.PositiveIntegerField(default=0, help_text="Only the last so many of what it collects; 0: all.")
    measure = models.JSONField(default=dict, help_text="What its figures want to know: threshold, fast_s.")
    conditions = models.JSONField(help_text="All must hold: [{figure, is, to}].")
    action = models.JSONField(help_text="What it does: {kind, and what that wants}.")
    created_by = models.ForeignKey(User, models.PROTECT, related_name="+")
    created_at = models.DateTimeField()
    switched_at = models.DateTimeField(null=True, help_text="When it was last switched on or off.")
    tried_at = models.DateTimeField(null=True, help_text="When it was last tried on past data.")
    tried = models.JSONField(null=True, help_text="What that showed.")
    looked_at = models.DateTimeField(null=True, help_text="Workers with news up to then were looked at.")
    looking_at = models.DateTimeField(null=True, help_text="When the round that is going on began.")
    looked_worker = models.BigIntegerField(default=0, help_text="How far that round has come.")

    objects = RuleQuerySet.as_manager()

    class Meta:
        constraints = [
            known("rule", ["draft", "on", "off"]),
            models.CheckConstraint(condition=~Q(state="on") | Q(tried_at__isnull=False), name="rule_on_was_tried"),
        ]
        indexes = [models.Index(fields=["project"], condition=Q(state="on"), name="rule_on")]

    def __str__(self) -> str:
        return f"{self.name} v{self.version}"

    @property
    def family(self) -> int:
        """What all versions of the same rule share."""
        return self.origin_id or self.pk


class Firing(models.Model):
    """That a rule acted on a worker, once for one cause: at which figures, and what it had seen. Append-only."""

    rule = models.ForeignKey(Rule, models.PROTECT, related_name="firings", db_index=False)
    worker = models.ForeignKey(Worker, models.PROTECT, related_name="+", db_index=False)
    at = models.DateTimeField()
    upto = models.BigIntegerField(help_text="The key of the piece at which its conditions held.")
    seen = models.BigIntegerField(help_text="The key of the newest piece there was; what is older fires it no more.")
    figures = models.JSONField()
    decision = models.OneToOneField(
        "Decision", models.PROTECT, null=True, related_name="firing", help_text="The first of them; null: none."
    )

    class Meta:
        constraints = [models.UniqueConstraint(fields=["rule", "worker", "upto"], name="firing_once")]

    def __str__(self) -> str:
        return f"{self.rule_id}: {self.worker_id} at {self.upto}"


class DecisionQuerySet(models.QuerySet["Decision"]):
    def visible_to(self, user: User) -> Self:
        """What a member of the organisation in whose name it was decided may see."""
        return self.filter(organisation__memberships__user=user)

    def told(self) -> Self:
        """What took effect; a proposal that nobody signed is nothing a worker hears of."""
        return self.exclude(state__in=[Decision.State.PROPOSED, Decision.State.DECLINED])


class Decision(models.Model):
    """What a person or a rule decided about an answer or a worker, why, and until when it may be contested."""

    class Kind(models.TextChoices):
        REJECT = "reject", "Answer rejected"
        EXCLUDE = "exclude", "Answer not used"
        PART = "part", "Answer partly paid"  # and not used
        STOP = "stop", "Stopped for a while"  # in one project
        SMALL_PAGES = "small_pages", "Smaller pages"
        RETRAIN = "retrain", "Training again"
        END_GRANT = "end_grant", "Qualification ended"
        DENY = "deny", "No more work of this requester"
        SUSPEND = "suspend", "Account suspended"  # everywhere; by admins
        HOLD = "hold", "Payouts held"  # until a time; by admins

    class Reason(models.TextChoices):
        WRONG = "wrong", "The answer is wrong against the guideline"
        EMPTY = "empty", "The answer is empty or says nothing"
        RANDOM = "random", "The answers look random"
        COPIED = "copied", "The answer was copied"
        DAMAGED = "damaged", "The item could not be answered"
        INACCURATE = "inaccurate", "Too many answers are wrong"
        HASTY = "hasty", "The answers came faster than the task can be read"
        CONDUCT = "conduct", "Messages or conduct"
        FRAUD = "fraud", "Signs of fraud with money"
        RULE = "rule", "A rule of the project says so"

    class State(models.TextChoices):
        PROPOSED = "proposed"  # by a rule; nothing happens before a person signs it
        STANDING = "standing"
        OVERTURNED = "overturned"
        DECLINED = "declined"  # nobody signed it

    MOVES = {
        State.PROPOSED: {State.STANDING, State.DECLINED},
        State.STANDING: {State.OVERTURNED},
    }

    public_id = PublicIdField("dec")
    kind = models.CharField(max_length=12, choices=Kind)
    state = models.CharField(max_length=12, choices=State, default=State.STANDING)
    answer = models.ForeignKey(Answer, models.PROTECT, null=True, related_name="decisions")
    worker = models.ForeignKey(Worker, models.PROTECT, related_name="decisions", db_index=False)
    project = models.ForeignKey(Project, models.PROTECT, null=True, related_name="+")
    organisation = models.ForeignKey(
        Organisation, models.PROTECT, null=True, related_name="+", help_text="In whose name; null: the operator's."
    )
    decided_by = models.ForeignKey(User, models.PROTECT, null=True, related_name="+", help_text="Null: a rule.")
    rule = models.ForeignKey(Rule, models.PROTECT, null=True, related_name="decisions")
    reason_code = models.CharField(max_length=10, choices=Reason)
    reason = models.TextField()
    facts = models.JSONField(default=dict, help_text="The figures it rests on, as they were.")
    decided_at = models.DateTimeField()
    contestable_until = models.DateTimeField()
    until = models.DateTimeField(null=True, help_text="When it ends by itself.")
    undone_at = models.DateTimeField(null=True)
    undone_because = models.TextField(blank=True)
    standing = models.OneToOneField(Standing, models.PROTECT, null=True, related_name="+")
    grant = models.ForeignKey(Grant, models.PROTECT, null=True, related_name="+", help_text="What it ended.")
    hold = models.OneToOneField(Hold, models.PROTECT, null=True, related_name="+")

    owed_at = models.DateTimeField(null=True, help_text="To be undone; when its pay was last found to be missing.")
    counted = models.BooleanField(default=False, help_text="A rejection that is final, in its worker's record.")

    objects = DecisionQuerySet.as_manager()

    class Meta:
        constraints = [
            known("decision", ["proposed", "standing", "overturned", "declined"]),
            models.UniqueConstraint(fields=["answer"], condition=Q(state="standing"), name="decision_standing_once"),
            models.CheckConstraint(
                condition=Q(decided_by__isnull=False) | Q(rule__isnull=False) | Q(kind="end_grant"),
                name="decision_has_author",
            ),
            models.CheckConstraint(
                condition=Q(kind__in=["reject", "exclude", "part"], answer__isnull=False)
                | (~Q(kind__in=["reject", "exclude", "part"]) & Q(answer=None)),
                name="decision_about_answer",
            ),
            models.CheckConstraint(  # what is heavier than a pause of one project is signed by a person
                condition=Q(decided_by__isnull=False)
                | Q(state__in=["proposed", "declined"])
                | Q(kind__in=["stop", "small_pages", "retrain", "end_grant"]),
                name="decision_heavy_signed",
            ),
            models.CheckConstraint(
                condition=Q(decided_by__isnull=False) | ~Q(kind="stop") | Q(until__isnull=False),
                name="decision_rule_stop_ends",
            ),
            models.CheckConstraint(  # by the operator, and never without an end
                condition=~Q(kind="hold") | Q(until__isnull=False, organisation=None, project=None),
                name="decision_hold_ends",
            ),
        ]
        indexes = [
            models.Index(fields=["worker", "id"], name="decision_of_worker"),
            models.Index(fields=["contestable_until"], condition=Q(state="standing"), name="decision_contestable"),
            models.Index(fields=["organisation", "id"], condition=Q(state="proposed"), name="decision_proposed"),
            models.Index(fields=["rule", "worker"], condition=Q(rule__isnull=False), name="decision_of_rule"),
            models.Index(
                fields=["contestable_until"],
                condition=Q(kind="reject", state="standing", counted=False),
                name="decision_to_count",
            ),
            models.Index(fields=["id"], condition=Q(state="overturned", counted=True), name="decision_to_uncount"),
            models.Index(
                fields=["owed_at"], condition=Q(state="standing", owed_at__isnull=False), name="decision_owed"
            ),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.public_id}"


class Withheld(models.Model):
    """What an answer that is partly paid is paid less, and its fee: reserved as long as the worker may be right.

    The price on the answer is what it is paid; the rest is paid by an entry of its own when the decision is overturned.
    """

    decision = models.OneToOneField(Decision, models.PROTECT, primary_key=True, related_name="withheld")
    batch = models.ForeignKey(Batch, models.PROTECT, related_name="+", db_index=False)
    percent = models.PositiveSmallIntegerField(help_text="Of the price, that is paid.")
    price_micros = models.BigIntegerField()
    fee_micros = models.BigIntegerField()
    entry = models.OneToOneField(Entry, models.PROTECT, null=True, related_name="+", help_text="What paid the rest.")

    class Meta:
        verbose_name_plural = "withheld"
        constraints = [
            models.CheckConstraint(
                condition=Q(percent__gte=1, percent__lte=99, price_micros__gte=0, fee_micros__gte=0),
                name="withheld_is_a_part",
            )
        ]
        indexes = [models.Index(fields=["batch"], condition=Q(entry=None), name="withheld_of_batch")]

    def __str__(self) -> str:
        return f"{self.percent} % of {self.decision_id}"


class DecisionEvidence(models.Model):
    """That a decision rests on a piece of evidence. Append-only."""

    decision = models.ForeignKey(Decision, models.PROTECT, related_name="grounds", db_index=False)
    evidence = models.ForeignKey(Evidence, models.PROTECT, related_name="grounds")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["decision", "evidence"], name="ground_once")]

    def __str__(self) -> str:
        return f"{self.decision_id}: {self.evidence_id}"


class Conduct(models.Model):
    """How an organisation decides about workers, counted: what workers see before they work for it."""

    organisation = models.OneToOneField(Organisation, models.CASCADE, primary_key=True, related_name="+")
    decided = models.BigIntegerField(default=0, help_text="Decisions against workers that took effect.")
    contested = models.BigIntegerField(default=0)
    overturned = models.BigIntegerField(default=0)

    def __str__(self) -> str:
        return f"{self.organisation}: {self.overturned} of {self.decided} overturned"


class EvidenceVoid(models.Model):
    """That a piece of evidence no longer counts, and since when; it stays readable. Append-only."""

    evidence = models.OneToOneField(Evidence, models.PROTECT, related_name="void")
    decision = models.ForeignKey(Decision, models.PROTECT, null=True, related_name="+")
    reason = models.CharField(max_length=40)
    created_at = models.DateTimeField(auto_now_add=True)

    def __str__(self) -> str:
        return f"void: {self.reason}"


class Appeal(models.Model):
    """A worker contests a decision; a person who did not make it looks again."""

    class State(models.TextChoices):
        OPEN = "open"
        UPHELD = "upheld"  # the worker was right: the decision is overturned
        DISMISSED = "dismissed"  # the decision stands

    MOVES = {State.OPEN: {State.UPHELD, State.DISMISSED}}

    public_id = PublicIdField("app")
    decision = models.OneToOneField(Decision, models.PROTECT, related_name="appeal")
    state = models.CharField(max_length=10, choices=State, default=State.OPEN)
    statement = models.TextField()
    opened_at = models.DateTimeField()
    due_at = models.DateTimeField(help_text="Not decided by then: upheld.")
    decided_by = models.ForeignKey(User, models.PROTECT, null=True, related_name="+")
    reason = models.TextField(blank=True)
    decided_at = models.DateTimeField(null=True)

    class Meta:
        constraints = [known("appeal", ["open", "upheld", "dismissed"])]
        indexes = [models.Index(fields=["due_at"], condition=Q(state="open"), name="appeal_waiting")]

    def __str__(self) -> str:
        return self.public_id


class Statement(models.Model):
    """What one side says about a contested decision; the worker's first is the appeal's own."""

    class Side(models.TextChoices):
        WORKER = "worker"
        REQUESTER = "requester"

    appeal = models.ForeignKey(Appeal, models.PROTECT, related_name="statements")
    side = models.CharField(max_length=10, choices=Side)
    author = models.ForeignKey(User, models.PROTECT, related_name="+")
    text = models.TextField()
    at = models.DateTimeField()

    def __str__(self) -> str:
        return f"{self.side}: {self.text[:40]}"
