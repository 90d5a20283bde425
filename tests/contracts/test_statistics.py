"""Statistics are kept and read alike on Valkey and on the twin, and what hubs count comes together in them."""

import asyncio
from collections.abc import Callable

import pytest

from ipc import IPCError, IPCWorker
from ipc.hub.hub import Hub
from ipc.protocol.statistics import Figures, RedisFigures
from ipc.protocol.tally import Tally, Times
from ipc.stores.eventlog import NewEvent
from ipc.stores.group_states import GroupState
from ipc.stores.statistics import (
    DETAILED_TENS,
    SAMPLED_FIVE_MINUTES,
    SAMPLED_TENS,
    SECONDS,
    TENS,
    Entry,
    Sample,
    StatisticsStore,
    begin_of,
)
from ipc.transports.local import LocalTransport
from tests.contracts.backends import Backend, now_ms
from tests.contracts.recorders import GUARD_S, Recorder


@pytest.fixture
async def statistics(backend: Backend) -> StatisticsStore:
    return backend.stores().statistics


def emitted(number: int) -> Tally:
    return Tally(counts={"emitted": number}, times={"delivery": Times(2.0, {20: number})}, gauges={"lag_ms": number})


def now_s() -> int:
    return now_ms() // 1000


async def test_each_step_has_what_each_hub_has_counted(statistics: StatisticsStore) -> None:
    second = now_s()
    await statistics.put("one", [Entry(SECONDS, second, emitted(1)), Entry(TENS, second, emitted(5))])
    await statistics.put("two", [Entry(SECONDS, second, emitted(2))])
    assert await statistics.read(SECONDS, [second - 1, second]) == [{}, {"one": emitted(1), "two": emitted(2)}]
    assert await statistics.read(TENS, [second]) == [{"one": emitted(5)}]
    assert await statistics.read(DETAILED_TENS, [second]) == [{}]
    assert await statistics.read(SECONDS, []) == []


async def test_what_a_hub_writes_again_replaces_what_it_wrote(statistics: StatisticsStore) -> None:
    """So an answer that was lost counts nothing twice."""
    second = now_s()
    for number in (1, 1, 3):
        await statistics.put("one", [Entry(SECONDS, second, emitted(number))])
    assert await statistics.read(SECONDS, [second]) == [{"one": emitted(3)}]


async def test_one_hub_leads_at_a_time(statistics: StatisticsStore) -> None:
    first = await asyncio.gather(*(statistics.lead(hub) for hub in ("one", "two", "three")))
    assert sum(first) == 1
    assert await asyncio.gather(*(statistics.lead(hub) for hub in ("one", "two", "three"))) == first


async def test_the_last_sample_of_a_step_counts(statistics: StatisticsStore) -> None:
    at_ms = now_ms()
    group = GroupState(
        service="exprsn-herald", group="g", hubs=1, pending=2, lag=None, oldest_pending_ms=7, lost=0, dead=1
    )
    redis = RedisFigures(used_bytes=7, log_lengths={"broadcast": 3})
    samples = [
        Sample(at_ms=at_ms, groups=[group], waiting=0, pending=2, oldest_pending_ms=7, dead=dead, redis=redis)
        for dead in (1, 4)
    ]
    for sample in samples:
        await statistics.put_sample(sample)
    for steps in (SAMPLED_TENS, SAMPLED_FIVE_MINUTES):
        begin_s = begin_of(steps, at_ms)
        assert await statistics.samples(steps, [begin_s - steps.step_s, begin_s]) == [None, samples[1]]
    assert await statistics.samples(SAMPLED_TENS, []) == []


async def test_logs_are_measured(backend: Backend) -> None:
    stores = backend.stores()
    assert (await stores.statistics.measure()).log_lengths == {}
    await stores.eventlog.append("exprsn-herald", [NewEvent("", "a:b", "{")] * 3)
    assert (await stores.statistics.measure()).log_lengths == {"exprsn-herald": 3}


# What hubs count


class Letters:
    """What herald serves."""

    async def read(self, key: str) -> str:
        if key == "none":
            raise ValueError("a bug")
        return key


@pytest.fixture
async def hubs(backend: Backend) -> tuple[Hub, Hub]:
    return await backend.hub(), await backend.hub()


async def until(hub: Hub, is_enough: Callable[[Figures], bool]) -> Figures:
    """Read until all hubs have written what they counted."""
    async with asyncio.timeout(GUARD_S):
        while not is_enough(found := await hub.figures.window(300)):  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.05)
    return found


async def test_what_two_hubs_count_comes_together(hubs: tuple[Hub, Hub]) -> None:
    """Events, who hears whom, groups, calls with their errors, refusals and sessions, read at either hub."""
    herald, spark = Recorder("herald"), IPCWorker("spark")
    herald.listens("post:*")
    herald.listens("post:created", group="notify")
    herald.worker.resource("letters")(Letters)
    async with herald.on(hubs[0]):
        await spark.start(LocalTransport(hubs[1], "spark"))
        await spark.ready()
        for number in range(3):
            await spark.emit("post:created", number)
        await herald.hears(6)
        assert await spark.read("letters", key="7") == "7"
        for resource, key in (("letters", "none"), ("nothing", "7")):
            with pytest.raises(IPCError):
                await spark.read(resource, key=key)
        with pytest.raises(IPCError):
            await spark.emit("service:online")
        found = await until(
            hubs[0], lambda figures: figures.totals.acked == 3 and figures.totals.calls == 3 and figures.sessions == 2
        )
        await spark.stop()
    check_totals(found)
    check_names(found)


def check_totals(found: Figures) -> None:
    totals = found.totals
    assert (totals.delivered, totals.calls_failed, totals.refused) == (6, 2, 1)
    assert totals.counters["deliveries_acked"] == 3
    assert (totals.delivery.count, totals.ack.count, totals.call.count) == (3, 3, 3)
    assert totals.ack.p99_ms >= totals.ack.p50_ms > 0


def check_names(found: Figures) -> None:
    services = {figures.service: figures for figures in found.services}
    spark, herald = services["exprsn-spark"], services["exprsn-herald"]
    assert (spark.emitted, spark.calls_made, spark.calls_made_failed, spark.refused, spark.sessions) == (3, 3, 2, 1, 1)
    assert (herald.delivered, herald.calls_had, herald.calls_had_failed, herald.call.count) == (6, 2, 1, 2)
    assert services["nobody"].calls_had == 1
    edges = {(edge.source, edge.target): (edge.events, edge.calls, edge.calls_failed) for edge in found.edges}
    assert edges == {("exprsn-spark", "exprsn-herald"): (6, 2, 1), ("exprsn-spark", "nobody"): (0, 1, 1)}
    events = {(figures.source, figures.event): figures.emitted for figures in found.events}
    assert events["exprsn-spark", "post:created"] == 3
    (operation,) = found.operations
    assert (operation.operation, operation.calls, operation.failed, operation.latency.count) == (
        "letters.read",
        2,
        1,
        2,
    )
    codes = {figures.code: (figures.refused, figures.calls_failed) for figures in found.codes}
    assert codes == {"FORBIDDEN": ({"exprsn-spark": 1}, 0), "INTERNAL": ({}, 1), "NO_OWNER": ({}, 1)}
    (group,) = found.groups
    assert (group.service, group.group, group.acked, group.ack.count) == ("exprsn-herald", "notify", 3, 3)
    assert found.hubs == 2


async def test_curves_have_what_a_window_has(hubs: tuple[Hub, Hub]) -> None:
    spark = IPCWorker("spark")
    await spark.start(LocalTransport(hubs[0], "spark"))
    await spark.ready()
    for number in range(5):
        await spark.emit("post:created", number)
    found = await until(hubs[1], lambda figures: figures.totals.counters.get("events_appended", 0) >= 6)
    async with asyncio.timeout(GUARD_S):
        while sum((curves := await hubs[1].figures.series("5m")).emitted) < found.totals.emitted:  # noqa: ASYNC110 - as above
            await asyncio.sleep(0.05)
    assert sum(curves.emitted) == found.totals.emitted
    assert (curves.step_s, len(curves.at_ms)) == (1, len(curves.sessions))
    later = await hubs[1].figures.series("5m", after_ms=curves.at_ms[-2])
    assert curves.at_ms[-1] in later.at_ms
    assert len(later.at_ms) < 10
    await spark.stop()
