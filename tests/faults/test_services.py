"""Services that die without a word: each is told to be offline once, whoever finds out."""

import asyncio
import os
import subprocess
import sys
from contextlib import AsyncExitStack

import pytest

from exprsn.embedded import EmbeddedValkey
from exprsn.supervision.leash import leashed
from ipc import EventContext, IPCWorker
from ipc.hub.mesh import Mesh
from ipc.transports.local import LocalTransport
from tests.faults.conftest import DEADLINE_S, Heard, running
from tests.servers import ROOT

pytestmark = pytest.mark.processes


def of_herald(heard: Heard) -> list[tuple[str, str]]:
    return [
        (event, data["reason"])
        for event, data in heard.events
        if event != "pulse:marked" and data["service"] == "exprsn-herald"
    ]


def herald_process(redis_url: str) -> "subprocess.Popen[bytes]":
    """Start a herald, from the main thread: its leash is held by the thread."""
    return subprocess.Popen(
        leashed([sys.executable, "-m", "tests.faults.registered_process"]),
        cwd=ROOT,
        env={**os.environ, "REDIS_URL": redis_url},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
    )


async def attached(process: "subprocess.Popen[bytes]") -> None:
    """Wait until a herald is attached."""
    assert process.stdout is not None
    async with asyncio.timeout(DEADLINE_S):
        assert await asyncio.to_thread(process.stdout.readline) == b"ready\n"


async def test_a_process_that_is_killed_expires_and_its_service_is_offline_once(
    own_valkey: EmbeddedValkey, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two hubs look, both may find it; and it comes again when it is started again."""
    monkeypatch.setattr("ipc.hub.hub.SHARE_S", 0.1)
    monkeypatch.setattr("ipc.hub.presence.STEADY_S", 0.0)
    watcher, heard = IPCWorker("pulse"), Heard()

    @watcher.on("service:*", "pulse:*")
    async def take(data: object, ctx: EventContext) -> None:
        await heard.take(data, ctx)

    async with AsyncExitStack() as stack:
        meshes = [await Mesh(own_valkey.url).start() for _ in range(2)]
        for mesh in meshes:
            stack.push_async_callback(mesh.stop)
        await stack.enter_async_context(running(watcher, LocalTransport(meshes[0].hub, "pulse")))
        for lives in (1, 2):
            process = herald_process(own_valkey.url)
            try:
                await attached(process)
                await heard.until(lambda heard, n=2 * lives - 1: len(of_herald(heard)) >= n, "that it has come")  # type: ignore[misc]  # bound
            finally:
                process.kill()
                process.wait()
                assert process.stdout is not None
                process.stdout.close()
            await heard.until(lambda heard, n=2 * lives: len(of_herald(heard)) >= n, "that it has gone")  # type: ignore[misc]  # bound
        for mesh in meshes:
            await mesh.hub._presence.sweep()
        await watcher.emit("pulse:marked")
        await heard.until(lambda heard: heard.events[-1][0] == "pulse:marked", "the mark")
    assert of_herald(heard) == [("service:online", "joined"), ("service:offline", "expired")] * 2
