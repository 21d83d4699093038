from django.conf import settings
from django.db import models


class Reply(models.Model):
    """What was answered to a request with an Idempotency-Key, for the day it may be asked again."""

    user = models.ForeignKey(settings.AUTH_USER_MODEL, models.CASCADE, related_name="+")
    key = models.CharField(max_length=128)
    fingerprint = models.CharField(max_length=64)
    status = models.PositiveSmallIntegerField(null=True)
    body = models.TextField(null=True)
    created_at = models.DateTimeField(auto_now_add=True, db_index=True)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["user", "key"], name="reply_key_once")]

    def __str__(self) -> str:
        return self.key


class Sweep(models.Model):
    """When a sweep was last queued and last ended; the ticker reads it."""

    name = models.CharField(max_length=80, primary_key=True)
    queued_at = models.DateTimeField(null=True)
    started_at = models.DateTimeField(null=True)
    ended_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return self.name


class RealField(models.FloatField):
    """A float of four bytes: enough for a probability, half the size of a column of millions."""

    def db_type(self, connection: object) -> str:
        return "real"
