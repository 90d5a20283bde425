"""One scrape: what is known of this process and of the mesh at a moment, gathered before any of it is written down."""

import asyncio
import logging
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Final

from channels.db import database_sync_to_async
from django.db import Error as DatabaseError
from prometheus_client import GC_COLLECTOR, PLATFORM_COLLECTOR, PROCESS_COLLECTOR, CollectorRegistry
from prometheus_client.exposition import choose_encoder
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from ipc.django_app.apps import ipc_config
from ipc.django_app.conf import conf
from ipc.django_app.metrics.hub import metrics_of_hub
from ipc.django_app.metrics.mesh import metrics_of_mesh
from ipc.django_app.metrics.names import gauge
from ipc.django_app.metrics.outbox import metrics_of_outbox
from ipc.django_app.runtime import current_hub
from ipc.hub.hub import Hub
from ipc.protocol.errors import IPCError

logger = logging.getLogger(__name__)

WAIT_S: Final = 2.0

Gather = Callable[[], Iterable[Metric]]
"""Returns further metrics; it may wait for files or for the database, and what it raises is an OSError."""


class _Gathered(Collector):
    """Metrics that are there already."""

    def __init__(self, metrics: Sequence[Metric]) -> None:
        self._metrics = metrics

    def collect(self) -> Iterator[Metric]:
        yield from self._metrics


async def scrape(accept: str, *, further: Gather) -> tuple[bytes, str]:
    """Return all metrics as text, and its content type.

    A part that cannot be had is missing, and ``ipc_scrape_part_up`` says so: what Redis being away does to a process
    is what its other metrics are to show.

    Args:
        accept: the forms that the asker understands (HTTP ``Accept``).
        further: gathers what only the project knows.

    """
    metrics: list[Metric] = [
        gauge("build_info", "The version of this service.", ("service", "version"), {(conf.service, conf.version): 1})
    ]
    is_up: dict[str, bool] = {}
    hub = current_hub()
    if hub is not None:
        metrics += metrics_of_hub(hub)
        is_up["redis"] = await _add_sample(metrics, hub)
    if ipc_config().relay is not None:
        is_up["outbox"] = await _add(metrics, metrics_of_outbox)
    is_up["certificates"] = await _add(metrics, further)
    says = "Whether a part of the metrics could be read."
    metrics.append(gauge("scrape_part_up", says, ("part",), {(part,): float(ok) for part, ok in is_up.items()}))
    registry = CollectorRegistry(auto_describe=False)
    for collector in (_Gathered(metrics), PROCESS_COLLECTOR, PLATFORM_COLLECTOR, GC_COLLECTOR):
        registry.register(collector)
    encode, content_type = choose_encoder(accept)
    return encode(registry), content_type


async def _add_sample(metrics: list[Metric], hub: Hub) -> bool:
    try:
        async with asyncio.timeout(WAIT_S):
            sample = await hub.figures.sample()
    except (IPCError, TimeoutError) as error:
        logger.warning("metrics: Redis cannot be asked: %s", error)
        return False
    if sample is not None:
        metrics += metrics_of_mesh(sample)
    return True


async def _add(metrics: list[Metric], gather: Gather) -> bool:
    try:
        async with asyncio.timeout(WAIT_S):
            metrics += await database_sync_to_async(lambda: list(gather()))()
    except (OSError, DatabaseError, TimeoutError) as error:
        logger.warning("metrics: a part cannot be read: %r", error)
        return False
    return True
