"""What the answers to a task come to."""

from django.contrib.postgres.fields import ArrayField
from django.db import models

from marketplace.core.models import RealField
from tasks.models.batches import Batch
from tasks.models.work import Task


class Consensus(models.Model):
    """What the answers to one field of one task come to, and how sure that is; updated in place."""

    task = models.ForeignKey(Task, models.CASCADE, related_name="consensus", db_index=False)
    field = models.CharField(max_length=40)
    value = models.JSONField(null=True)
    code = models.SmallIntegerField(default=-1, help_text="Of a categorical field; -1: none.")
    posterior = ArrayField(RealField(), null=True, help_text="Probability of each class, in schema order.")
    confidence = RealField(null=True, help_text="Of the value, 0 to 1; null: not known, as of a single answer.")
    support = models.PositiveSmallIntegerField(help_text="Answers it rests on.")
    method = models.CharField(max_length=40)
    version = models.CharField(max_length=10)
    updated_at = models.DateTimeField()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["task", "field"], name="consensus_once")]

    def __str__(self) -> str:
        return f"{self.field}: {self.value}"


class Fit(models.Model):
    """What the last look at all answers of a batch learned of its workers, where there are many answers."""

    batch = models.OneToOneField(Batch, models.CASCADE, primary_key=True, related_name="+")
    answers = models.BigIntegerField(help_text="It rests on so many.")
    since = models.BigIntegerField(default=0, help_text="Answers that were weighed by it and are not in it.")
    seconds = models.FloatField(help_text="What it took.")
    at = models.DateTimeField()
    learned = models.BinaryField(help_text="Arrays; tasks.consensus.fits reads them.")

    def __str__(self) -> str:
        return f"fit {self.batch_id}"


class Touch(models.Model):
    """That a task wants to be weighed again though nobody answered: by what was decided. Gone once it is weighed.

    Never updated and without constraints, so that whoever writes one waits for nobody who weighs.
    """

    batch = models.ForeignKey(Batch, models.DO_NOTHING, related_name="+", db_constraint=False)
    task = models.ForeignKey(Task, models.DO_NOTHING, related_name="+", db_constraint=False, db_index=False)

    def __str__(self) -> str:
        return f"touch of {self.task_id}"


class ConsensusChange(models.Model):
    """That the value of a consensus changed: what it was, and on how many answers it rested. Append-only."""

    task = models.ForeignKey(Task, models.CASCADE, related_name="+", db_index=False)
    field = models.CharField(max_length=40)
    value = models.JSONField(null=True)
    confidence = RealField(null=True)
    support = models.PositiveSmallIntegerField()
    method = models.CharField(max_length=40)
    version = models.CharField(max_length=10)
    at = models.DateTimeField()

    class Meta:
        indexes = [models.Index(fields=["task", "id"], name="consensuschange_of_task")]

    def __str__(self) -> str:
        return f"{self.field}: {self.value}"
