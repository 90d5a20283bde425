"""What services learn of each other, whatever hubs stand on: who is there, what it does, and who would get an event."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest

from ipc import BadMessageError, ForbiddenError, IPCError, IPCWorker
from ipc.hub.hub import Hub
from ipc.protocol.discovery import InstanceInfo, ServiceInfo
from ipc.protocol.explanation import Explanation
from ipc.transports.local import LocalTransport
from tests.contracts.backends import Backend
from tests.contracts.recorders import GUARD_S, Recorder
from tests.contracts.test_registry import registration

Attach = Callable[[IPCWorker, Hub], Awaitable[IPCWorker]]
HERALD = "exprsn-herald"


@pytest.fixture
async def hubs(backend: Backend) -> tuple[Hub, Hub]:
    """Two processes in one mesh."""
    return await backend.hub(), await backend.hub()


@pytest.fixture
async def attach(hubs: tuple[Hub, Hub]) -> AsyncIterator[Attach]:
    """Attach workers until the test ends."""
    async with AsyncExitStack() as stack:

        async def attach_to(worker: IPCWorker, hub: Hub) -> IPCWorker:
            await worker.start(LocalTransport(hub, worker.service, version=worker.version))
            stack.push_async_callback(worker.stop)
            async with asyncio.timeout(GUARD_S):
                await worker.ready()
            return worker

        yield attach_to


class Watcher(Recorder):
    """Hears which services come and go."""

    def __init__(self) -> None:
        super().__init__("pulse")
        self.listens("service:*", "pulse:*")

    @property
    def changes(self) -> list[tuple[str, str, str]]:
        """What it has heard of herald: the event, the instance and the reason."""
        return [
            (ctx.event, data["instance"], data["reason"])
            for data, ctx in self.heard
            if ctx.event != "pulse:marked" and data["service"] == HERALD
        ]

    async def marks(self) -> None:
        """Wait until all is heard that was in the log before now."""
        marks = self._marks()
        await self.worker.emit("pulse:marked")
        await self.until(lambda: self._marks() > marks)

    def _marks(self) -> int:
        return len([1 for _, context in self.heard if context.event == "pulse:marked"])


@pytest.fixture
async def watcher(attach: Attach, hubs: tuple[Hub, Hub]) -> Watcher:
    watcher = Watcher()
    await attach(watcher.worker, hubs[1])
    return watcher


def instance_of(hub: Hub, service: str = HERALD) -> str:
    return next(session.instance for session in hub.sessions.values() if session.service == service)


async def of_herald(worker: IPCWorker, is_enough: Callable[[ServiceInfo], bool]) -> ServiceInfo:
    """Ask until herald is as described; what other hubs know comes a moment later."""
    async with asyncio.timeout(GUARD_S):
        while not ((found := await worker.services("herald")) and is_enough(found[0])):  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.01)
    return found[0]


async def test_a_service_comes_once_and_goes_once_whatever_hubs_its_instances_are_at(
    attach: Attach, hubs: tuple[Hub, Hub], watcher: Watcher
) -> None:
    heralds = [await attach(IPCWorker("herald"), hub) for hub in hubs]
    await watcher.until(lambda: len(watcher.changes) == 1)
    instances = {instance_of(hub) for hub in hubs}
    await heralds[0].stop()
    await heralds[1].stop()
    await watcher.until(lambda: len(watcher.changes) == 2)
    for hub in hubs:
        await hub._presence.sweep()
    await watcher.marks()
    # Two hubs write at the same time, so either may be the last.
    assert [(event, reason) for event, _, reason in watcher.changes] == [
        ("service:online", "joined"), ("service:offline", "left"),
    ]  # fmt: skip
    assert {instance for _, instance, _ in watcher.changes} <= instances


async def test_what_is_said_of_a_service(attach: Attach, hubs: tuple[Hub, Hub], watcher: Watcher) -> None:
    await attach(IPCWorker("herald"), hubs[0])
    instance = instance_of(hubs[0])
    await watcher.until(lambda: len(watcher.changes) == 1)
    data, context = next((data, ctx) for data, ctx in watcher.heard if data["service"] == HERALD)
    assert (context.source, context.target, context.id) == (
        "exprsn-bridge", "broadcast", f"{HERALD}:online:{data['generation']}",
    )  # fmt: skip
    del data["at"], data["generation"]
    assert data == {
        "service": HERALD, "namespace": "/ipc/herald", "state": "online", "instance": instance, "reason": "joined",
    }  # fmt: skip


async def test_a_restart_within_two_seconds_is_no_change(
    attach: Attach, hubs: tuple[Hub, Hub], watcher: Watcher
) -> None:
    first = await attach(IPCWorker("herald"), hubs[0])
    await watcher.until(lambda: len(watcher.changes) == 1)
    await first.stop()
    await attach(IPCWorker("herald"), hubs[1])
    for hub in hubs:
        await hub._presence.flushed()
        await hub._presence.sweep()
    await watcher.marks()
    assert [event for event, _, _ in watcher.changes] == ["service:online"]


async def test_only_the_mesh_says_who_is_there(attach: Attach, hubs: tuple[Hub, Hub]) -> None:
    """Also to a bridge's own session."""
    for service in ("herald", "bridge"):
        worker = await attach(IPCWorker(service), hubs[0])
        for _ in range(2):
            with pytest.raises(ForbiddenError):
                await worker.emit("service:offline", {"service": HERALD})


async def test_what_was_decided_by_a_hub_that_died_is_announced_by_another(
    backend: Backend, hubs: tuple[Hub, Hub], watcher: Watcher
) -> None:
    """Once, though both that look find it, and again after it is in the log."""
    registry = backend.registry()
    decided = await registry.put([registration("exprsn-herald:01")])
    await asyncio.gather(*(hub._presence.sweep() for hub in hubs))
    await watcher.until(lambda: len(watcher.changes) == 1)
    for hub in hubs:
        hub._announcer.tell(decided)
    await watcher.marks()
    assert watcher.changes == [("service:online", "exprsn-herald:01", "joined")]


def herald(**options: Any) -> IPCWorker:
    """Return a herald that serves, hears and is a member of a group."""
    worker = IPCWorker("herald", **options)

    @worker.on("post:*", "user:updated")
    async def live(_data: Any, _ctx: Any) -> None:
        pass

    @worker.on("post:created", group="notify")
    async def notify(_data: Any, _ctx: Any) -> None:
        pass

    @worker.resource("letters")
    class Letters:
        async def read(self, key: str) -> str:
            if key == "none":
                raise ValueError("a bug")
            return key

    return worker


async def test_a_service_is_known_by_what_it_serves_hears_and_emits(
    attach: Attach, hubs: tuple[Hub, Hub], watcher: Watcher
) -> None:
    worker = await attach(herald(version="1.2.3"), hubs[0])
    await worker.emit("letter:sent")
    found = await of_herald(watcher.worker, lambda found: bool(found.instances and found.instances[0].emits))
    (info,) = found.instances
    assert (found.name, found.namespace, found.instance_count) == (HERALD, "/ipc/herald", 1)
    assert_is_herald(info, hubs[0])
    assert found.registered_ms == info.registered_ms <= info.last_seen_ms


def assert_is_herald(info: InstanceInfo, hub: Hub) -> None:
    assert (info.instance, info.version, info.door, info.hub) == (instance_of(hub), "1.2.3", "local", hub.id)
    assert [(resource.name, resource.ops) for resource in info.resources] == [("letters", ("read",))]
    assert (info.emits, info.hears) == (["letter:sent"], ["post:*", "user:updated"])
    assert [(group.group, group.events) for group in info.groups] == [("notify", ["post:created"])]


async def test_calls_are_counted_over_all_hubs(attach: Attach, hubs: tuple[Hub, Hub], watcher: Watcher) -> None:
    """With their errors and times; what hubs think of an instance is told of each."""
    await attach(herald(), hubs[0])
    for worker in (watcher.worker, await attach(IPCWorker("spark"), hubs[0])):
        assert await worker.read("letters", key="7") == "7"
        with pytest.raises(IPCError):
            await worker.read("letters", key="none")
    await hubs[0]._share.write()
    found = await of_herald(watcher.worker, lambda found: len({owner.hub for owner in found.owners}) == 2)
    (figures,) = found.endpoints
    assert (figures.resource, figures.op, figures.requests, figures.errors) == ("letters", "read", 4, 2)
    assert figures.mean_ms > 0
    assert figures.p99_ms > 0
    assert figures.last_error is not None
    assert figures.last_error.startswith("INTERNAL")
    assert {owner.breaker for owner in found.owners} == {"closed"}
    assert {(owner.in_flight, owner.limit, owner.breaker_failures) for owner in found.owners} == {(0, 256, 5)}


async def test_one_service_may_be_asked_for(attach: Attach, hubs: tuple[Hub, Hub], watcher: Watcher) -> None:
    await attach(IPCWorker("spark"), hubs[1])
    assert {found.name for found in await watcher.worker.services()} == {"exprsn-pulse", "exprsn-spark"}
    assert [found.name for found in await watcher.worker.services("exprsn-spark")] == ["exprsn-spark"]
    assert await watcher.worker.services("atlas") == []


def live_of(found: Explanation, service: str) -> tuple[bool | None, str, str | None]:
    (verdict,) = [verdict for verdict in found.live if verdict.service == service]
    return verdict.gets, verdict.reason, verdict.pattern


async def test_an_event_is_explained_and_not_emitted(attach: Attach, hubs: tuple[Hub, Hub], watcher: Watcher) -> None:
    await attach(herald(), hubs[0])
    asker = await attach(IPCWorker("timeline"), hubs[0])
    await hubs[1].described()
    found = await asker.explain("post:created", {"id": 7})
    assert live_of(found, HERALD) == (True, "match", "post:*")
    assert live_of(found, "exprsn-pulse") == (False, "pattern", None)
    assert live_of(found, "exprsn-timeline") == (False, "not_subscribed", None)
    (group,) = found.groups
    assert (group.service, group.group, group.gets, group.offline, group.hubs) == (HERALD, "notify", True, False, 1)
    assert (found.source, found.target, found.refused) == ("exprsn-timeline", ["broadcast"], None)
    assert "exprsn-spark" in found.offline
    assert HERALD not in found.offline
    logged = await hubs[0].eventlog.read("broadcast", after="0-0")
    assert {entry.event for entry in logged.entries} <= {"service:online", "service:offline"}


async def test_who_an_event_is_not_for_is_told_so(attach: Attach, hubs: tuple[Hub, Hub]) -> None:
    await attach(herald(), hubs[0])
    asker = await attach(IPCWorker("timeline"), hubs[0])
    found = await asker.explain("post:created", target=["spark"])
    assert live_of(found, HERALD) == (False, "target", None)
    assert [(group.gets, group.reason) for group in found.groups] == [(False, "target")]
    assert found.offline == ["exprsn-spark"]


async def test_a_group_without_a_member_gets_the_event_later(attach: Attach, hubs: tuple[Hub, Hub]) -> None:
    """It waits in the log, and so does what came before it."""
    asker = await attach(IPCWorker("timeline"), hubs[0])
    gone = herald()
    await gone.start(LocalTransport(hubs[0], "herald"))
    await gone.ready()
    await gone.stop()
    async with asyncio.timeout(GUARD_S):
        while not (found := (await asker.explain("post:created")).groups[0]).offline:  # noqa: ASYNC110 - nobody tells
            await asyncio.sleep(0.01)
    assert found.gets
    assert "waits in the log" in found.text
    await asker.emit("post:created")
    # Redis does not always know how many it is, and what the mesh says of services is in the same log.
    async with asyncio.timeout(GUARD_S):
        while (await asker.explain("post:created")).groups[0].ahead == 0:  # noqa: ASYNC110 - as above
            await asyncio.sleep(0.01)
    assert not (await asker.explain("post:deleted")).groups[0].gets


@pytest.mark.parametrize(
    ("event", "options"),
    [("nothing", {}), ("post:created", {"target": "nobody"}), ("post:created", {"target": []}), ("", {})],
)
async def test_what_could_not_be_emitted_is_not_explained(
    watcher: Watcher, event: str, options: dict[str, Any]
) -> None:
    with pytest.raises(BadMessageError):
        await watcher.worker.explain(event, **options)


async def test_what_only_the_mesh_says_would_be_refused(watcher: Watcher) -> None:
    found = await watcher.worker.explain("service:online")
    assert found.refused is not None
    assert found.refused.code == "FORBIDDEN"
