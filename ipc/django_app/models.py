"""The outbox: events that were decided in a database transaction and are on their way to the log."""

from django.db import models
from django.utils import timezone

MAX_KEY_LENGTH = 128


class OutboxEvent(models.Model):
    """An event to send; sent ones are deleted, refused ones are parked with the error.

    ``id`` is the order, kept among the rows of one ``key``. ``event_id`` goes along as the emitter's id, by which the
    log drops a repeat.
    """

    id = models.BigAutoField(primary_key=True)
    event_id = models.CharField(max_length=26, unique=True)
    key = models.CharField(max_length=MAX_KEY_LENGTH)
    event = models.CharField(max_length=128)
    data = models.JSONField(null=True)
    target = models.JSONField(null=True)
    meta = models.JSONField(null=True)
    # With a default in the database, so that processes of an older version can go on writing rows.
    traceparent = models.CharField(max_length=64, default="", db_default="", blank=True)
    created_at = models.DateTimeField(default=timezone.now)
    attempts = models.PositiveIntegerField(default=0)
    claimed_by = models.CharField(max_length=64, default="", blank=True)
    claimed_until = models.DateTimeField(null=True)
    next_attempt_at = models.DateTimeField(null=True)
    parked_at = models.DateTimeField(null=True, db_index=True)
    error = models.TextField(default="", blank=True)

    class Meta:
        ordering = ["id"]
        verbose_name = "outbox event"
        indexes = [
            # The two questions a relay asks: what waits, oldest first; and is there an earlier one of this key?
            models.Index(fields=["id"], name="ipc_outbox_waiting", condition=models.Q(parked_at=None)),
            models.Index(fields=["key", "id"], name="ipc_outbox_key", condition=models.Q(parked_at=None)),
            models.Index(fields=["claimed_by"], name="ipc_outbox_claimed", condition=~models.Q(claimed_by="")),
        ]

    def __str__(self) -> str:
        return f"{self.event} {self.event_id}"
