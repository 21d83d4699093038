"""What answers say of those who gave them, what was decided because of it, and how that is contested."""

from django.db import models
from django.db.models import Q

from marketplace.core.ids import PublicIdField
from marketplace.core.states import known
from marketplace.models import Organisation, Project, User
from tasks.models.work import Answer
from workers.models import Worker


class Evidence(models.Model):
    """One judged answer: how likely it was right, and who says so. Append-only."""

    class Kind(models.TextChoices):
        GOLD = "gold"
        CONSENSUS = "consensus"
        REVIEW = "review"

    kind = models.CharField(max_length=10, choices=Kind)
    worker = models.ForeignKey(Worker, models.PROTECT, related_name="+", db_index=False)
    project = models.ForeignKey(Project, models.PROTECT, related_name="+")
    answer = models.ForeignKey(Answer, models.PROTECT, related_name="evidence")
    correct = models.FloatField(help_text="Probability that the answer was right, 0 to 1.")
    created_at = models.DateTimeField(auto_now_add=True)

    class Meta:
        indexes = [
            models.Index(fields=["worker", "project"], name="evidence_of_worker"),
        ]

    def __str__(self) -> str:
        return f"{self.kind}: {self.correct:.2f}"


class Decision(models.Model):
    """What a person or a rule decided about an answer, why, and until when it may be contested."""

    class Kind(models.TextChoices):
        REJECT = "reject"
        EXCLUDE = "exclude"

    class Reason(models.TextChoices):
        WRONG = "wrong", "The answer is wrong against the guideline"
        EMPTY = "empty", "The answer is empty or says nothing"
        RANDOM = "random", "The answers look random"
        COPIED = "copied", "The answer was copied"
        DAMAGED = "damaged", "The item could not be answered"

    class State(models.TextChoices):
        STANDING = "standing"
        OVERTURNED = "overturned"

    MOVES = {State.STANDING: {State.OVERTURNED}}

    public_id = PublicIdField("dec")
    kind = models.CharField(max_length=10, choices=Kind)
    state = models.CharField(max_length=12, choices=State, default=State.STANDING)
    answer = models.ForeignKey(Answer, models.PROTECT, related_name="decisions")
    worker = models.ForeignKey(Worker, models.PROTECT, related_name="decisions", db_index=False)
    organisation = models.ForeignKey(Organisation, models.PROTECT, related_name="+")
    decided_by = models.ForeignKey(User, models.PROTECT, related_name="+")
    reason_code = models.CharField(max_length=10, choices=Reason)
    reason = models.TextField()
    decided_at = models.DateTimeField()
    contestable_until = models.DateTimeField()

    class Meta:
        constraints = [
            known("decision", ["standing", "overturned"]),
            models.UniqueConstraint(fields=["answer"], condition=Q(state="standing"), name="decision_standing_once"),
        ]
        indexes = [
            models.Index(fields=["worker", "id"], name="decision_of_worker"),
            models.Index(fields=["contestable_until"], condition=Q(state="standing"), name="decision_contestable"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} {self.public_id}"


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
