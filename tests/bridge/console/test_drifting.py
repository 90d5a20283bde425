"""The warning of the overview: what has not fitted lately, and nothing where all fits or it was long ago."""

import time
from typing import Any

from redis.asyncio import Redis

from bridge.console.drifting import RECENT_MS, drift_now
from bridge.console.overview import overview_now
from ipc.hub.hub import Hub
from ipc.protocol.declarations import Drift
from ipc.stores.declarations import Declarations
from tests.ipc.durable import eventually


async def misfit(redis: Redis, service: str, event: str, *, ago_ms: int) -> None:
    at_ms = time.time_ns() // 1_000_000 - ago_ms
    await Declarations(redis).add_drift(service, {event: Drift(checked=1, drifted=1, last_ms=at_ms)})


async def test_where_all_fits_there_is_no_warning(hub: Hub, redis: Redis) -> None:
    await Declarations(redis).add_drift("exprsn-herald", {"a:a": Drift(checked=5)})
    await misfit(redis, "exprsn-herald", "b:b", ago_ms=RECENT_MS + 60_000)
    assert await drift_now(hub) is None


async def test_the_last_is_named_and_all_are_counted(hub: Hub, redis: Redis) -> None:
    await misfit(redis, "exprsn-herald", "a:a", ago_ms=120_000)
    await misfit(redis, "exprsn-spark", "b:b", ago_ms=60_000)
    found = await drift_now(hub)
    assert found is not None
    assert (found["events"], found["event"], found["service"]) == (2, "b:b", "spark")
    assert found["ago"].startswith("1 min")


async def test_the_overview_has_it_within_seconds(hub: Hub, redis: Redis) -> None:
    assert (await overview_now(hub))["drift"] is None
    await misfit(redis, "exprsn-herald", "a:a", ago_ms=0)

    async def is_said() -> bool:
        found: Any = (await overview_now(hub))["drift"]
        return found is not None and found["event"] == "a:a"

    await eventually(is_said)
