"""The runtime starts and stops with the server: by ASGI's messages, and under daphne and uvicorn as processes."""

import asyncio
import logging
import sys
import time
from pathlib import Path
from typing import Any

import pytest
import redis

from exprsn import lifespan
from exprsn.embedded import EmbeddedValkey
from exprsn.lifespan import Lifespan
from ipc.protocol.codes import may_reconnect
from ipc.protocol.services import SERVICES
from ipc.stores import keys
from tests import servers
from tests.clients import attached
from tests.servers import KINDS, Kind, ServerProcess

STARTUP, SHUTDOWN = {"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}


class Recorder:
    """A runtime that notes what happens to it."""

    def __init__(self, *, starts: Exception | None = None, stops: Exception | None = None) -> None:
        self.starts, self.stops = starts, stops
        self.calls: list[str] = []

    async def start(self) -> None:
        self.calls.append("start")
        if self.starts is not None:
            raise self.starts

    async def stop(self) -> None:
        self.calls.append("stop")
        if self.stops is not None:
            raise self.stops


async def unreachable(*_: Any) -> None:
    raise AssertionError("the application is not for the lifespan")


async def live(runtime: Any) -> list[str]:
    """Play the server's part of a lifespan, and return what was answered."""
    incoming: asyncio.Queue[dict[str, Any]] = asyncio.Queue()
    answers: list[str] = []

    async def send(message: dict[str, Any]) -> None:
        answers.append(message["type"])

    incoming.put_nowait(STARTUP)
    incoming.put_nowait(SHUTDOWN)
    served = Lifespan(unreachable, lambda: runtime, when_started=lambda: runtime.calls.append("started"))
    await served({"type": "lifespan"}, incoming.get, send)
    return answers


async def test_the_runtime_starts_before_the_server_serves_and_stops_before_it_ends() -> None:
    runtime = Recorder()
    assert await live(runtime) == ["lifespan.startup.complete", "lifespan.shutdown.complete"]
    assert runtime.calls == ["start", "started", "stop"]


async def test_a_runtime_that_cannot_start_stops_the_server(caplog: pytest.LogCaptureFixture) -> None:
    runtime = Recorder(starts=RuntimeError("no"))
    assert await live(runtime) == ["lifespan.startup.failed"]
    assert runtime.calls == ["start"]
    assert "the runtime cannot start" in caplog.text


async def test_a_runtime_that_fails_to_stop_does_not_keep_the_server(caplog: pytest.LogCaptureFixture) -> None:
    assert (await live(Recorder(stops=RuntimeError("no"))))[-1] == "lifespan.shutdown.complete"
    assert "the runtime did not stop in order" in caplog.text


async def test_a_runtime_that_hangs_is_left_behind(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """One line, no traceback: a Redis that is frozen is enough for it."""

    class Hanging(Recorder):
        async def stop(self) -> None:
            await asyncio.Event().wait()

    monkeypatch.setattr(lifespan, "STOP_TIMEOUT_S", 0.01)
    assert (await live(Hanging()))[-1] == "lifespan.shutdown.complete"
    (record,) = [record for record in caplog.records if record.name == "exprsn.lifespan"]
    assert (record.levelno, record.exc_info) == (logging.WARNING, None)


async def test_everything_else_is_the_applications() -> None:
    seen = []

    async def application(scope: Any, _receive: Any, _send: Any) -> None:
        seen.append(scope["type"])

    await Lifespan(application, Recorder)({"type": "http"}, unreachable, unreachable)  # type: ignore[arg-type]  # not called
    assert seen == ["http"]


def test_another_server_does_not_import_daphne(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "daphne.server", raising=False)
    Lifespan(unreachable, Recorder).follow_daphne()  # type: ignore[arg-type]  # not called
    assert "daphne.server" not in sys.modules


@pytest.fixture(scope="module")
def certs_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return servers.certificates(tmp_path_factory.mktemp("certs"))


@pytest.fixture(params=KINDS)
def bridge(
    request: pytest.FixtureRequest, own_valkey: EmbeddedValkey, certs_dir: Path, tmp_path: Path
) -> ServerProcess:
    """A bridge that is not started yet, behind each server."""
    kind: Kind = request.param
    return servers.bridge(kind, own_valkey.url, certs_dir, tmp_path / kind)


def registered(url: str) -> tuple[int, list[bytes]]:
    with redis.Redis.from_url(url) as client:
        return sum(client.zcard(keys.instances(service)) for service in SERVICES), client.keys("ipc:instance:*")


def wait_for_registered(url: str, count: int) -> None:
    while registered(url)[0] != count:
        time.sleep(0.02)


@pytest.mark.processes
async def test_sigterm_sends_the_sessions_away_and_leaves_nothing_behind(
    bridge: ServerProcess, own_valkey: EmbeddedValkey
) -> None:
    """They are told to come back, the exit code is 0, and the registry is empty at once."""
    with bridge:
        async with attached(bridge, "herald", "a:b") as one, attached(bridge, "timeline") as two:
            await asyncio.to_thread(wait_for_registered, own_valkey.url, 2)
            stopping = asyncio.create_task(asyncio.to_thread(bridge.terminate))
            for client in (one, two):
                notice = await client.hear(lambda heard: heard["type"] == "notice")
                assert notice["notice"] == "draining"
                assert await client.close_code() == 4503
            assert await stopping == 0
    assert registered(own_valkey.url) == (0, [])
    assert "Traceback" not in bridge.output()


@pytest.mark.processes
async def test_a_bridge_that_starts_before_redis_comes_up_and_recovers(
    bridge: ServerProcess, own_valkey: EmbeddedValkey
) -> None:
    """It says 503 and lets sockets in; they are refused with what may be tried again, until Redis is there."""
    own_valkey.stop()
    with bridge:
        assert bridge.health() == 503
        async with attached(bridge, "herald") as early:
            refused = await early.ask(type="subscribe", events=["late:*"])
            assert (refused["code"], refused["retryable"]) == ("UNAVAILABLE", True)
            own_valkey.start()
            await asyncio.to_thread(bridge.becomes, 200)
            async with asyncio.timeout(15):
                while (await early.ask(type="subscribe", events=["late:*"]))["type"] != "ok":  # noqa: ASYNC110 - until it joins
                    await asyncio.sleep(0.05)
            async with attached(bridge, "timeline") as other:
                await other.ask(type="emit", event="late:event", ack=True)
            assert (await early.event())["event"] == "late:event"
        assert bridge.terminate() == 0
    assert "Traceback" not in bridge.output()


@pytest.mark.processes
async def test_a_frozen_redis_does_not_hold_up_the_end(bridge: ServerProcess, own_valkey: EmbeddedValkey) -> None:
    """Sessions are told all the same, and nobody waits longer than the stop's own limit."""
    with bridge:
        async with attached(bridge, "herald", "a:b") as client:
            own_valkey.pause()
            try:
                stopping = asyncio.create_task(asyncio.to_thread(bridge.terminate))
                began = time.monotonic()
                assert may_reconnect(await client.close_code())
                assert await stopping == 0
                assert time.monotonic() - began < lifespan.STOP_TIMEOUT_S + 5
            finally:
                own_valkey.resume()
    assert "Traceback" not in bridge.output()
