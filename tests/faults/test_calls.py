"""Calls while owners, bridges and Valkey are killed, stopped and frozen: a caller always learns what became of them.

Two bridges, one under daphne and one under uvicorn, both with TLS; the caller is at the first, owners are processes.
"""

import asyncio
import contextlib
import os
import signal
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
import redis.asyncio as redis

from exprsn.embedded import EmbeddedValkey
from exprsn.supervision.leash import leashed
from ipc import IPCWorker
from ipc.protocol.errors import OwnerLostError
from ipc.transports.websocket import WebSocketTransport
from tests import servers
from tests.faults.conftest import DEADLINE_S, Heard, running
from tests.servers import ROOT, ServerProcess

pytestmark = pytest.mark.processes

Bridges = tuple[ServerProcess, ServerProcess]


class Owner:
    """An owner process at one bridge."""

    def __init__(self, bridge: ServerProcess, log: Path) -> None:
        environment = {**os.environ, "BRIDGE_URL": bridge.ws_url, "IPC_CA_FILE": str(bridge.ca_file)}
        with log.open("ab") as output:
            self.process = subprocess.Popen(
                leashed([sys.executable, "-m", "tests.faults.call_owner"]),
                cwd=ROOT,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


@pytest.fixture
def bridges(own_valkey: EmbeddedValkey, certs_dir: Path, tmp_path: Path) -> Iterator[Bridges]:
    made = [servers.bridge(kind, own_valkey.url, certs_dir, tmp_path / kind) for kind in servers.KINDS[:2]]
    with contextlib.ExitStack() as stack:
        for bridge in made:
            bridge.launch()
            stack.push(bridge.__exit__)
        for bridge in made:
            bridge.wait()
        yield made[0], made[1]


@pytest.fixture
def owners(bridges: Bridges, tmp_path: Path) -> Iterator[list[Owner]]:
    """One owner at the second bridge; a test may add others."""
    started = [Owner(bridges[1], tmp_path / "owner.log")]
    yield started
    for owner in started:
        owner.kill()


class Caller:
    """A worker that calls, and hears when an owner holds a call."""

    def __init__(self, worker: IPCWorker, heard: Heard) -> None:
        self.worker = worker
        self.heard = heard

    async def serving(self, count: int = 1) -> set[int]:
        """Wait until so many owners answer, and return their processes' ids."""
        async with asyncio.timeout(DEADLINE_S):
            while True:
                found = await asyncio.gather(*(self.worker.read("posts") for _ in range(8)), return_exceptions=True)
                pids = {pid for pid in found if isinstance(pid, int)}
                if len(pids) >= count:
                    return pids
                await asyncio.sleep(0.1)

    async def held(self, op: str, **members: Any) -> "tuple[asyncio.Task[Any], int]":
        """Make a call that takes long, and return it with the process that has it."""
        count = len(self.heard.events)
        call = asyncio.create_task(self.worker.call("posts", op, timeout_s=60, **members))
        await self.heard.count(count + 1)
        return call, self.heard.events[count][1]


@pytest.fixture
async def caller(bridges: Bridges, owners: list[Owner]) -> AsyncIterator[Caller]:
    worker, heard = IPCWorker("spark"), Heard()
    worker.on("call:held")(heard.take)
    bridge = bridges[0]
    async with running(worker, WebSocketTransport(bridge.ws_url, "spark", ca_file=bridge.ca_file)):
        caller = Caller(worker, heard)
        await caller.serving()
        yield caller


async def lost(call: "asyncio.Task[Any]") -> float:
    """Wait until a call is lost, and return the seconds that took; its deadline is a minute away."""
    began = time.monotonic()
    with pytest.raises(OwnerLostError):
        async with asyncio.timeout(30):
            await call
    return time.monotonic() - began


async def test_a_killed_owner_is_lost_at_once_and_another_answers_a_read(
    bridges: Bridges, owners: list[Owner], caller: Caller, tmp_path: Path
) -> None:
    hold, _ = await caller.held("hold")
    read, pid = await caller.held("read", query={"hold": True})
    assert pid == owners[0].process.pid
    owners.append(Owner(bridges[0], tmp_path / "owner-2.log"))
    await caller.serving(1)
    async with asyncio.timeout(DEADLINE_S):
        while owners[1].process.pid not in await caller.serving():  # noqa: ASYNC110 - another process
            await asyncio.sleep(0.1)
    count = len(caller.heard.events)
    owners[0].kill()
    await lost(hold)
    await caller.heard.count(count + 1)
    assert caller.heard.events[count][1] == owners[1].process.pid
    read.cancel()


@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGSTOP])
async def test_a_dead_or_frozen_bridge_of_the_owner_is_noticed_within_seconds(
    bridges: Bridges, owners: list[Owner], caller: Caller, tmp_path: Path, number: signal.Signals
) -> None:
    """And calls go to others from then on, at once, although its claims stay in Valkey for a minute."""
    call, _ = await caller.held("hold")
    bridges[1].process.send_signal(number)
    await lost(call)
    owners.append(Owner(bridges[0], tmp_path / "owner-2.log"))
    assert await caller.serving() == {owners[1].process.pid}
    if number == signal.SIGSTOP:
        bridges[1].process.send_signal(signal.SIGCONT)
        owners[1].kill()
        assert await caller.serving() == {owners[0].process.pid}


async def test_a_killed_bridge_of_the_caller_loses_its_calls_and_not_the_owner(
    bridges: Bridges, owners: list[Owner], caller: Caller
) -> None:
    hold, _ = await caller.held("hold")
    bridges[0].kill()
    await lost(hold)
    bridges[0].launch()
    await asyncio.to_thread(bridges[0].wait)
    assert await caller.serving() == {owners[0].process.pid}


async def test_claims_come_back_by_themselves_when_valkey_has_lost_everything(
    own_valkey: EmbeddedValkey, owners: list[Owner], caller: Caller
) -> None:
    async with redis.Redis.from_url(own_valkey.url) as client:
        await client.flushall()
    own_valkey.kill()
    own_valkey.start()
    assert await caller.serving() == {owners[0].process.pid}


async def test_a_bridge_that_is_stopped_in_order_loses_no_call(
    bridges: Bridges, owners: list[Owner], caller: Caller, tmp_path: Path
) -> None:
    """One that may not be made twice is there when it is told to stop, and others run all the time."""
    waiting, pid = await caller.held("wait")
    assert pid == owners[0].process.pid
    owners.append(Owner(bridges[0], tmp_path / "owner-2.log"))
    async with asyncio.timeout(DEADLINE_S):
        while owners[1].process.pid not in await caller.serving():  # noqa: ASYNC110 - another process
            await asyncio.sleep(0.1)
    stopped = asyncio.Event()
    done: list[int] = []

    async def lane(number: int) -> None:
        while not stopped.is_set():
            assert await caller.worker.call("posts", "add", data=number) == number + 1
            done.append(number)

    async def more(count: int) -> None:
        target = len(done) + count
        async with asyncio.timeout(DEADLINE_S):
            while len(done) < target:  # noqa: ASYNC110 - many lanes add to it
                await asyncio.sleep(0.01)

    lanes = [asyncio.create_task(lane(number)) for number in range(16)]
    await more(50)
    stopping = asyncio.create_task(asyncio.to_thread(bridges[1].terminate))
    await more(200)
    assert not waiting.done()
    await caller.worker.emit("call:release")
    assert await waiting == pid
    assert await stopping == 0
    await more(50)
    stopped.set()
    await asyncio.gather(*lanes)
