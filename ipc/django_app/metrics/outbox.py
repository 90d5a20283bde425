"""What waits in the outbox of this service, as metrics."""

from collections.abc import Iterator

from django.utils import timezone
from prometheus_client.metrics_core import Metric

from ipc.django_app.metrics.names import gauge
from ipc.django_app.models import OutboxEvent


def metrics_of_outbox() -> Iterator[Metric]:
    """Return the metrics of the outbox.

    Raises:
        DatabaseError: the database cannot be used.

    """
    waiting = OutboxEvent.objects.filter(parked_at=None)
    oldest = waiting.order_by("id").values_list("created_at", flat=True).first()
    age_s = 0.0 if oldest is None else max(0.0, (timezone.now() - oldest).total_seconds())
    parked = OutboxEvent.objects.exclude(parked_at=None).count()
    yield gauge("outbox_backlog", "Events in the outbox that are not in their logs yet.", (), {(): waiting.count()})
    yield gauge("outbox_oldest_seconds", "Age of the oldest of them.", (), {(): age_s})
    yield gauge("outbox_parked", "Events in the outbox that were refused for good.", (), {(): parked})
