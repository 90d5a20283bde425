"""Durable groups while one thing dies at a time: the rest handles what was accepted, and nothing is given up."""

import asyncio
import os
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AsyncExitStack
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import redis.asyncio as redis

from exprsn.embedded import EmbeddedValkey
from exprsn.supervision.leash import leashed
from ipc import EventContext, IPCWorker
from ipc.protocol.routing import logs_of_group
from ipc.stores import keys
from ipc.stores.dead_letters import DeadLetters
from ipc.stores.groups import Groups
from ipc.transports.websocket import WebSocketTransport
from tests import servers
from tests.clients import attached
from tests.faults.conftest import DEADLINE_S, emitting, kill_and_restart, running
from tests.faults.hanging_worker import CREDIT, GROUP, RETRY
from tests.servers import ROOT, ServerProcess

pytestmark = pytest.mark.processes

SERVICE = "exprsn-herald"
NAME = f"{SERVICE}/{GROUP}"
FREEZE_S = 5.0
POLL_S = 0.05


@pytest.fixture
def bridges(own_valkey: EmbeddedValkey, certs_dir: Path, tmp_path: Path) -> Iterator[list[ServerProcess]]:
    """One behind each server, on a Valkey of the test's own."""
    found = [servers.bridge(kind, own_valkey.url, certs_dir, tmp_path / kind) for kind in servers.KINDS[:2]]
    with found[0], found[1]:
        yield found
    assert not any("Traceback" in bridge.output() for bridge in found)


class Member:
    """A worker in the group, and what it was handed: how often each number, and the attempts."""

    def __init__(self, *, hangs: bool = False, retry: dict[str, Any] | None = None) -> None:
        self.worker = IPCWorker("herald")
        self.counts: Counter[int] = Counter()
        self.attempts: dict[int, int] = {}
        self._changed = asyncio.Condition()

        @self.worker.on("work:*", group=GROUP, credit=CREDIT, retry=retry or RETRY)
        async def handle(data: Any, ctx: EventContext) -> None:
            async with self._changed:
                self.counts[data] += 1
                self.attempts[data] = ctx.attempt
                self._changed.notify_all()
            if hangs:
                await asyncio.Event().wait()

    async def until(self, is_enough: Callable[["Member"], bool], what: str) -> None:
        """Wait until it was handed enough."""
        try:
            async with asyncio.timeout(DEADLINE_S), self._changed:
                await self._changed.wait_for(lambda: is_enough(self))
        except TimeoutError:
            raise AssertionError(f"never {what}: {sorted(self.attempts.items())}") from None


Join = Callable[[Member, ServerProcess], Awaitable[Member]]


@pytest.fixture
async def join() -> AsyncIterator[Join]:
    """Have members join through a bridge; they leave at the end without waiting for what hangs."""
    async with AsyncExitStack() as stack:

        async def join(member: Member, bridge: ServerProcess) -> Member:
            transport = WebSocketTransport(bridge.ws_url, "herald", ca_file=bridge.ca_file)
            await stack.enter_async_context(running(member.worker, transport))
            stack.push_async_callback(member.worker.stop, timeout_s=0.01)
            return member

        yield join


async def emit(worker: IPCWorker, *numbers: int) -> list[str]:
    """Emit numbers, one after the other, and return their positions, once each was accepted."""
    return [await worker.emit("work:new", number, target="herald", timeout_s=DEADLINE_S) for number in numbers]


async def eventually(is_so: Callable[[], Awaitable[bool]]) -> None:
    """Wait until something is so that nobody tells of."""
    async with asyncio.timeout(DEADLINE_S):
        while not await is_so():  # noqa: ASYNC110 - other processes set no event
            await asyncio.sleep(POLL_S)


async def settled(valkey: EmbeddedValkey) -> None:
    """Wait until nothing waits for an acknowledgement, and see that nothing was given up."""

    async def is_settled() -> bool:
        return await waiting(client) == 0

    async with redis.Redis.from_url(valkey.url) as client:
        await eventually(is_settled)
        assert await DeadLetters(client).count(SERVICE, GROUP) == 0


async def waiting(client: "redis.Redis") -> int:
    """Return how many events the group has been given and not acknowledged, or not been given yet."""
    rows = [row for log in logs_of_group(SERVICE, GROUP) for row in await client.xinfo_groups(keys.log(log))]
    of_group = [row for row in rows if row["name"] == NAME.encode()]
    assert len(of_group) == len(logs_of_group(SERVICE, GROUP))
    return sum(row["pending"] + (row["lag"] or 0) for row in of_group)


def hanging_worker(bridge: ServerProcess, log: Path) -> "subprocess.Popen[bytes]":
    """Start a worker process that ends nothing that it begins with."""
    with log.open("wb") as output:
        return subprocess.Popen(
            leashed([sys.executable, "-m", "tests.faults.hanging_worker"]),
            cwd=ROOT,
            env={**os.environ, "BRIDGE_URL": bridge.ws_url, "IPC_CA_FILE": str(bridge.ca_file)},
            stdout=output,
            stderr=subprocess.STDOUT,
        )


async def test_what_a_killed_worker_was_doing_goes_to_another_member(
    own_valkey: EmbeddedValkey, bridges: list[ServerProcess], join: Join, tmp_path: Path
) -> None:
    """kill -9 in the middle of its handlers: as the next attempt, and at once, long before its time is over."""
    for round_, bridge in enumerate(bridges):
        numbers = [10 * round_ + number for number in range(CREDIT)]
        async with attached(bridge, "spark", "hang:begun") as spark, emitting("atlas", bridge=bridge) as atlas:
            process = hanging_worker(bridge, tmp_path / f"worker-{round_}.log")
            try:
                await group_exists(own_valkey)
                await emit(atlas, *numbers)
                assert sorted(event["data"] for event in await spark.events(CREDIT)) == numbers
                member = await join(Member(), bridge)
                assert not member.counts
            finally:
                process.kill()
                process.wait()
            await member.until(lambda member: len(member.counts) == CREDIT, "handed what the killed one had")
            assert (member.counts, member.attempts) == (dict.fromkeys(numbers, 1), dict.fromkeys(numbers, 2))
            await settled(own_valkey)
            await member.worker.stop()


async def group_exists(valkey: EmbeddedValkey) -> None:
    """Wait until the first member has joined."""

    async def exists() -> bool:
        return all([await Groups(client).exists(log, NAME) for log in logs_of_group(SERVICE, GROUP)])

    async with redis.Redis.from_url(valkey.url) as client:
        await eventually(exists)


async def test_what_a_killed_bridge_had_is_adopted_by_the_other(
    own_valkey: EmbeddedValkey, bridges: list[ServerProcess], join: Join
) -> None:
    """kill -9 of the bridge, which is not started again."""
    lost, kept = bridges
    hung = await join(Member(hangs=True), lost)
    async with emitting("atlas", bridge=kept) as atlas:
        await emit(atlas, *range(CREDIT))
        await hung.until(lambda member: len(member.counts) == CREDIT, "handed what is then lost")
        other = await join(Member(), kept)
        lost.kill()
        await emit(atlas, 100)
        await other.until(lambda member: len(member.counts) == CREDIT + 1, "handed what the killed bridge had")
        assert other.attempts == {**dict.fromkeys(range(CREDIT), 2), 100: 1}
        await settled(own_valkey)


async def test_connections_to_redis_may_be_cut_at_any_time(
    own_valkey: EmbeddedValkey, bridges: list[ServerProcess], join: Join
) -> None:
    members = [await join(Member(), bridge) for bridge in bridges]
    async with (
        emitting("atlas", bridge=bridges[0]) as atlas,
        emitting("nexus", bridge=bridges[1]) as nexus,
        redis.Redis.from_url(own_valkey.url) as client,
    ):
        cut = 0
        for start in range(0, 300, 60):
            emits = [
                asyncio.create_task(emit(atlas, *range(start, start + 30))),
                asyncio.create_task(emit(nexus, *range(start + 30, start + 60))),
            ]
            await eventually(partial(enough, members, start + 1))
            for kind in ("normal", "pubsub"):
                cut += await client.client_kill_filter(_type=kind, skipme=True)
            await asyncio.gather(*emits)
    # A connection for commands and one that listens, of each bridge, each time: some were still away.
    assert cut > 10
    await eventually(partial(enough, members, 300))
    await settled(own_valkey)


async def enough(members: list[Member], count: int) -> bool:
    """Tell whether so many numbers were handled, by whichever member."""
    return len(members[0].counts.keys() | members[1].counts.keys()) >= count


async def reached(positions: list[str], count: int) -> bool:
    """Tell whether so many events were accepted."""
    return len(positions) >= count


async def test_what_was_accepted_outlives_a_kill_of_valkey(
    own_valkey: EmbeddedValkey, bridges: list[ServerProcess], join: Join
) -> None:
    """kill -9, not a stop in order, several times in the middle of the load; with the positions that were answered."""
    retry = {"ack_ms": 3_000, "backoff_ms": [100] * 10}
    members = [await join(Member(retry=retry), bridge) for bridge in bridges]
    positions: list[str] = []

    async def load(worker: IPCWorker, numbers: range) -> None:
        for number in numbers:
            positions.extend(await emit(worker, number))

    async with emitting("atlas", bridge=bridges[0]) as atlas, emitting("nexus", bridge=bridges[1]) as nexus:
        lanes = [
            asyncio.create_task(load(worker, range(first, 400, 8)))
            for first, worker in enumerate((atlas, nexus, atlas, nexus, atlas, nexus, atlas, nexus))
        ]
        for accepted in (50, 150, 250):
            await eventually(partial(reached, positions, accepted))
            await kill_and_restart(own_valkey)
        await asyncio.gather(*lanes)
    await eventually(partial(enough, members, 400))
    await settled(own_valkey)
    async with redis.Redis.from_url(own_valkey.url) as client:
        entries: Any = await client.xrange(keys.log(SERVICE))
    assert set(positions) == {position.decode() for position, _ in entries}
    assert len(positions) == len(set(positions)) == 400


async def test_a_frozen_valkey_costs_nothing_but_time(
    own_valkey: EmbeddedValkey, bridges: list[ServerProcess], join: Join
) -> None:
    """For as long as a hub waits for an answer: what was given up and carried out all the same is not lost sight of."""
    members = [await join(Member(), bridge) for bridge in bridges]
    async with emitting("atlas", bridge=bridges[0]) as atlas, emitting("nexus", bridge=bridges[1]) as nexus:
        emits = [
            asyncio.create_task(emit(worker, *range(first, 200, 8)))
            for first, worker in enumerate((atlas, nexus, atlas, nexus, atlas, nexus, atlas, nexus))
        ]
        await eventually(partial(enough, members, 1))
        own_valkey.pause()
        try:
            await asyncio.sleep(FREEZE_S)
        finally:
            own_valkey.resume()
        await asyncio.gather(*emits)
    await eventually(partial(enough, members, 200))
    await settled(own_valkey)
