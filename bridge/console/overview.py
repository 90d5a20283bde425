"""The mesh at a glance: the page on which the admin opens."""

import time
from typing import Any, Final

from asgiref.sync import async_to_sync
from django.http import HttpRequest

from bridge.console.board import figures_of
from bridge.console.drifting import drift_now
from bridge.console.page import ConsolePage
from bridge.console.panels import CHARTS, TILES
from bridge.unapplied_migrations import unapplied_migrations
from ipc.django_app.runtime import running_redis
from ipc.hub.hub import Hub
from ipc.protocol.statistics import SPANS
from ipc.stores.instances import Instances

RECENT_MS: Final = 5_000
"""How far back the feed goes: the last seconds are written while they are read."""


class OverviewPage(ConsolePage):
    """Figures and charts, which the page keeps up to date by itself."""

    template = "console/overview.html"
    title = "Overview"

    def context_of(self, request: HttpRequest, **where: Any) -> dict[str, Any]:  # noqa: ARG002 - no parts
        """Return what is shown where; the figures come by the feed."""
        attached = sum(async_to_sync(Instances(running_redis()).counts)().values())
        lacking = unapplied_migrations.problem()
        return {"tiles": TILES, "charts": CHARTS, "spans": SPANS, "attached": attached, "lacking": lacking}


async def overview_now(hub: Hub) -> dict[str, Any]:
    """Return the figures of the last minute, and the last seconds of the curves.

    Raises:
        UnavailableError: Redis is out of reach.

    """
    figures = await figures_of(hub)
    recent = await hub.figures.series("5m", after_ms=time.time_ns() // 1_000_000 - RECENT_MS)
    failed = figures.totals.calls_failed + figures.totals.counters.get("deliveries_failed", 0)
    return {
        "atMs": time.time_ns() // 1_000_000,
        "delivery": figures.totals.delivery,
        "call": figures.totals.call,
        "ack": figures.totals.ack,
        "errors": failed,
        "refused": figures.totals.refused,
        "bypassed": figures.totals.bypassed,
        "sessions": figures.sessions,
        "services": sum(each.sessions > 0 for each in figures.services),
        "lagMs": figures.lag_ms,
        "hubs": figures.hubs,
        "redis": figures.redis,
        "sampledMs": figures.sampled_ms,
        "recent": recent,
        "drift": await drift_now(hub),
    }
