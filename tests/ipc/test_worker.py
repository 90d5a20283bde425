"""`IPCWorker` on real hubs: what it registers, emits, hears, survives and finishes."""

import asyncio
import json
from typing import Any

import pytest

from exprsn.embedded import EmbeddedValkey
from ipc import (
    BadMessageError,
    ConfigurationError,
    ConnectionClosedError,
    DeadlineError,
    EventContext,
    IPCError,
    IPCWorker,
    UnavailableError,
    UnknownServiceError,
    UnknownTargetError,
)
from ipc.hooks import HookName
from ipc.hub.draining import send_away
from ipc.hub.hub import Hub
from ipc.protocol.messages import Welcome
from ipc.transports.environment import transport_from_environment
from ipc.transports.local import LocalTransport, MeshTransport
from ipc.transports.websocket import WebSocketTransport
from tests.ipc.conftest import MakeHub, StartWorker
from tests.ipc.handled import Handled
from tests.ipc.members import Member
from tests.ipc.peers import GUARD_S
from tests.ipc.transports.scripted import ScriptedTransport

# Registering


@pytest.mark.parametrize("service", ["herald", "exprsn-herald"])
def test_a_worker_has_the_full_name_of_its_service(service: str) -> None:
    assert IPCWorker(service).service == "exprsn-herald"


def test_a_service_that_does_not_exist_is_refused() -> None:
    with pytest.raises(UnknownServiceError, match="nobody"):
        IPCWorker("nobody")


def test_a_wrong_pattern_is_refused_where_it_is_written(worker: IPCWorker) -> None:
    with pytest.raises(BadMessageError, match="'post'"):
        worker.on("post:created", "post")
    with pytest.raises(TypeError, match="at least one pattern"):
        worker.on()


def test_a_handler_that_is_not_async_is_refused(worker: IPCWorker) -> None:
    with pytest.raises(TypeError, match="must be an async function"):
        worker.on("post:*")(print)  # type: ignore[type-var]  # what is tested


def test_a_hook_that_does_not_exist_is_refused(worker: IPCWorker) -> None:
    with pytest.raises(ValueError, match="known are ready, sent, received, error, handler_error"):
        worker.hook("redy")  # type: ignore[arg-type]  # what is tested


def test_a_handler_stays_what_it_was(worker: IPCWorker) -> None:
    async def handler(data: Any, ctx: EventContext) -> None: ...

    def hook(error: IPCError) -> None: ...

    assert worker.on("a:b")(handler) is handler
    assert worker.hook("error")(hook) is hook


# Where it connects


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"REDIS_URL": "redis://localhost:1/0"}, MeshTransport),
        ({"BRIDGE_URL": "wss://localhost:1"}, WebSocketTransport),
        ({"BRIDGE_URL": "wss://localhost:1", "REDIS_URL": "redis://localhost:1/0"}, WebSocketTransport),
    ],
)
def test_the_environment_says_where_it_connects(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], expected: type
) -> None:
    for name in ("BRIDGE_URL", "REDIS_URL"):
        monkeypatch.setenv(name, variables.get(name, ""))
    assert isinstance(transport_from_environment("exprsn-herald"), expected)


@pytest.mark.parametrize(
    ("variables", "file"),
    [
        ({"IPC_CA_FILE": "/a/ca.pem", "CERTS_DIR": "/b"}, "/a/ca.pem"),
        ({"CERTS_DIR": "/b"}, "/b/ca-cert.pem"),
        ({}, None),
    ],
)
def test_the_environment_says_whom_it_trusts(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], file: str | None
) -> None:
    monkeypatch.setenv("BRIDGE_URL", "wss://localhost:1")
    for name in ("IPC_CA_FILE", "CERTS_DIR"):
        monkeypatch.setenv(name, variables.get(name, ""))
    transport = transport_from_environment("exprsn-herald")
    assert isinstance(transport, WebSocketTransport)
    assert (str(transport._ca_file) if transport._ca_file else None) == file


async def test_without_an_address_it_says_what_to_set(worker: IPCWorker, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("BRIDGE_URL", "REDIS_URL"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(ConfigurationError, match="set BRIDGE_URL"):
        await worker.start()
    with pytest.raises(SystemExit, match=r"^exprsn-[a-z]+: set BRIDGE_URL"):
        await worker.run()


# Emitting


async def test_emit_returns_the_position_in_the_log(worker: IPCWorker, start: StartWorker, hub: Hub) -> None:
    await start(worker, hub)
    spark = Member(hub, "spark")
    await spark.subscribe("*")
    position = await worker.emit("notification:sent", {"é": [1]}, target="spark", id="n-1", meta={"try": 2})
    await spark.hears(1)
    (event,) = spark.peer.events
    assert (event["position"], event["id"], event["data"], event["meta"]) == (position, "n-1", {"é": [1]}, {"try": 2})
    assert (event["source"], event["target"]) == ("exprsn-herald", "exprsn-spark")


async def test_emit_to_several_returns_the_first_position(worker: IPCWorker, start: StartWorker, hub: Hub) -> None:
    await start(worker, hub)
    position = await worker.emit("a:b", target=("spark", "exprsn-auth"))
    assert await hub.eventlog.last_positions(["exprsn-spark"]) == [position]
    assert await hub.eventlog.last_positions(["exprsn-auth"]) != ["0-0"]


async def test_emit_with_a_known_id_returns_the_first_position(worker: IPCWorker, start: StartWorker, hub: Hub) -> None:
    """Also when several tasks emit it at the same time."""
    await start(worker, hub)
    positions = await asyncio.gather(*(worker.emit("a:b", 1, id="once") for _ in range(5)))
    assert len(set(positions)) == 1
    assert await worker.emit("a:b", 1, id="once") == positions[0]
    assert len((await hub.eventlog.read("broadcast", after="0-0")).entries) == 1


@pytest.mark.parametrize(
    ("arguments", "error", "says"),
    [
        ({"event": "post"}, BadMessageError, "'post' is not an event name"),
        ({"event": "post:*"}, BadMessageError, "is not an event name"),
        ({"event": "a:b", "target": "nobody"}, UnknownTargetError, "nobody"),
        ({"event": "a:b", "target": []}, UnknownTargetError, "1 to 32 names"),
        ({"event": "a:b", "data": object()}, BadMessageError, "no JSON form"),
        ({"event": "a:b", "data": "\ud800"}, BadMessageError, "no JSON form"),
        ({"event": "a:b", "data": "x" * 262_144}, BadMessageError, "at most 262144 bytes"),
        ({"event": "a:b", "data": json.loads("[" * 65 + "]" * 65)}, BadMessageError, "at most 64 deep"),
        ({"event": "a:b", "meta": {"x": object()}}, BadMessageError, "no JSON form"),
        ({"event": "a:b", "id": "x" * 65}, BadMessageError, "at most 64 characters"),
        ({"event": "a:b", "id": "\ud800"}, BadMessageError, "no JSON form"),
    ],
)
async def test_what_cannot_be_emitted_is_refused_before_it_is_sent(
    worker: IPCWorker, arguments: dict[str, Any], error: type[IPCError], says: str
) -> None:
    """So it is refused at once, whether there is a connection or not."""
    with pytest.raises(error, match=says):
        await worker.emit(**arguments)


async def test_emit_before_start_and_after_stop_says_what_to_do(worker: IPCWorker, hub: Hub) -> None:
    with pytest.raises(UnavailableError, match=r"await start\(\) or run\(\) before emit\(\)"):
        await worker.emit("a:b")
    await worker.start(LocalTransport(hub, "herald"))
    await worker.emit("a:b")
    await worker.stop()
    with pytest.raises(UnavailableError):
        await worker.emit("a:b")


async def test_emit_gives_up_in_time(worker: IPCWorker, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ipc.worker.LEAVE_TIMEOUT_S", 0.01)
    await worker.start(ScriptedTransport())
    with pytest.raises(DeadlineError, match=r"no answer within 0\.05 s"):
        await worker.emit("a:b", timeout_s=0.05)
    await worker.stop()


async def test_an_emit_that_is_waiting_survives_redis(
    worker: IPCWorker, start: StartWorker, make_hub: MakeHub, own_valkey: EmbeddedValkey
) -> None:
    hub = await make_hub(own_valkey.url)
    await start(worker, hub)
    await worker.emit("a:b", 0)
    own_valkey.kill()
    emitting = asyncio.create_task(worker.emit("a:b", 1))
    await asyncio.to_thread(own_valkey.start)
    async with asyncio.timeout(GUARD_S):
        position = await emitting
    entries = (await hub.eventlog.read("broadcast", after="0-0")).entries
    assert [entry.position for entry in entries][1:] == [position]


# Hearing


async def test_each_handler_gets_its_events_in_order(worker: IPCWorker, start: StartWorker, hub: Hub) -> None:
    """Each has a line of its own; an event that several match reaches them all."""
    ways: dict[str, list[Any]] = {"posts": [], "created": [], "users": []}
    done = Handled()

    @worker.on("post:*", "never:mind")
    async def posts(data: Any, ctx: EventContext) -> None:
        await asyncio.sleep(0)
        ways["posts"].append(data)
        await done(data)

    @worker.on("*:created")
    async def created(data: Any, ctx: EventContext) -> None:
        ways["created"].append((ctx.event, ctx.source, data))
        await done(data)

    await start(worker, hub)
    emitter = Member(hub, "timeline")
    for number in range(10):
        await emitter.emit("post:created" if number % 2 else "post:deleted", number)
    await emitter.emit("user:created", 10, target="herald")
    await done.count(16)
    assert ways["posts"] == list(range(10))
    assert ways["created"][:5] == [("post:created", "exprsn-timeline", number) for number in range(1, 10, 2)]
    assert ways["created"][5] == ("user:created", "exprsn-timeline", 10)


async def test_a_worker_hears_what_it_emits_itself(
    worker: IPCWorker, handled: Handled, start: StartWorker, hub: Hub
) -> None:
    await start(worker, hub)
    await worker.emit("post:created", 1, target="herald")
    assert await handled.count(1) == [1]


async def test_a_handler_that_raises_stops_nothing(
    worker: IPCWorker, handled: Handled, start: StartWorker, hub: Hub, caplog: pytest.LogCaptureFixture
) -> None:
    failed: list[tuple[str, str]] = []

    @worker.on("post:*")
    async def broken(data: Any, ctx: EventContext) -> None:
        raise ValueError(f"cannot do {data}")

    @worker.hook("handler_error")
    def note(error: Exception, ctx: EventContext) -> None:
        failed.append((str(error), ctx.position))

    await start(worker, hub)
    positions = await Member(hub).emit_numbers(range(3))
    assert await handled.count(3) == [0, 1, 2]
    await worker.stop()
    assert failed == [(f"cannot do {number}", position) for number, position in enumerate(positions)]
    assert caplog.text.count("a handler of exprsn-herald failed on post:created") == 3


async def test_hooks_are_called_when_something_happens(start: StartWorker, hub: Hub) -> None:
    """In this process only; those that are async run beside, and what one raises is logged."""
    called: dict[HookName, list[Any]] = {"ready": [], "sent": [], "received": []}
    async_call = asyncio.Event()
    worker = IPCWorker("herald")

    @worker.on("post:*")
    async def handle(data: Any, ctx: EventContext) -> None: ...

    @worker.hook("ready")
    def ready(welcome: Welcome) -> None:
        called["ready"].append(welcome.service)
        raise RuntimeError("a hook of no great quality")

    @worker.hook("ready")
    async def ready_too(welcome: Welcome) -> None:
        async_call.set()

    @worker.hook("sent")
    def sent(event: str, position: str) -> None:
        called["sent"].append((event, position))

    @worker.hook("received")
    def received(ctx: EventContext) -> None:
        called["received"].append(ctx.position)

    await start(worker, hub)
    position = await worker.emit("post:created")
    async with asyncio.timeout(GUARD_S):
        await async_call.wait()
        while not called["received"]:
            await Member(hub).is_well()
    assert called == {"ready": ["exprsn-herald"], "sent": [("post:created", position)], "received": [position]}
    assert hub.counters.events_appended == 1


async def test_a_lost_connection_is_told_and_mended(
    worker: IPCWorker, handled: Handled, start: StartWorker, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ipc.hub.draining.DRAIN_SPREAD_MS", 1)
    errors: list[IPCError] = []
    worker.hook("error")(errors.append)
    await start(worker, hub)
    emitter = Member(hub, "timeline")
    await emitter.emit(data=0)
    await handled.count(1)
    session = next(found for found in hub.sessions.values() if found.service == "exprsn-herald")
    await send_away(session)
    await emitter.emit(data=1)
    assert await handled.count(2) == [0, 1]
    assert [type(error) for error in errors] == [ConnectionClosedError]


async def test_events_that_are_gone_for_good_are_told(
    worker: IPCWorker, handled: Handled, start: StartWorker, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    errors: list[IPCError] = []
    worker.hook("error")(errors.append)
    await start(worker, hub)
    emitter = Member(hub, "timeline")
    await emitter.emit(data=0)
    await handled.count(1)

    async def trimmed(log: str, position: str) -> str:
        return "trimmed"

    monkeypatch.setattr(hub.eventlog, "gap_after", trimmed)
    session = next(found for found in hub.sessions.values() if found.service == "exprsn-herald")
    session.close(4500, "again")  # type: ignore[arg-type]  # the number will do
    await emitter.emit_numbers(range(1, 50))
    async with asyncio.timeout(GUARD_S):
        while len(errors) < 2:
            await emitter.is_well()
    assert "missed for good: broadcast (trimmed)" in str(errors[1])
    assert errors[1].details == {"reasons": {"broadcast": "trimmed"}}


# Starting and stopping


async def test_it_is_ready_once_it_is_subscribed(worker: IPCWorker, hub: Hub) -> None:
    with pytest.raises(UnavailableError, match=r"await start\(\) first"):
        await worker.ready()
    await worker.start(LocalTransport(hub, "herald"))
    readiness = [worker.is_ready]
    await worker.ready()
    readiness.append(worker.is_ready)
    with pytest.raises(RuntimeError, match="running already"):
        await worker.start(LocalTransport(hub, "herald"))
    await worker.stop()
    readiness.append(worker.is_ready)
    await worker.stop()
    assert readiness == [False, True, False]


async def test_it_may_be_started_again(worker: IPCWorker, handled: Handled, start: StartWorker, hub: Hub) -> None:
    for number in range(3):
        await start(worker, hub)
        await worker.emit("post:created", number)
        await handled.count(number + 1)
        await worker.stop()
    assert handled.data == [0, 1, 2]


async def test_a_script_has_it_ready_for_as_long_as_a_block(
    worker: IPCWorker, handled: Handled, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ipc.worker.transport_from_environment", lambda service, **_: LocalTransport(hub, service))

    async def script() -> None:
        async with worker as entered:
            assert entered is worker
            assert worker.is_ready
            await worker.emit("post:created", 1)
            await handled.count(1)
            raise ValueError("the script's own")

    async with asyncio.timeout(GUARD_S):
        with pytest.raises(ValueError, match="the script's own"):
            await script()
    assert not worker.is_ready
    with pytest.raises(UnavailableError, match="is not running"):
        await worker.emit("post:created", 2)


async def test_a_script_that_is_refused_does_nothing(worker: IPCWorker, monkeypatch: pytest.MonkeyPatch) -> None:
    transport = ScriptedTransport()
    transport.refusals = [ConnectionClosedError(4403, "not you")]
    monkeypatch.setattr("ipc.worker.transport_from_environment", lambda *_, **__: transport)
    async with asyncio.timeout(GUARD_S):
        with pytest.raises(ConnectionClosedError, match="not you"):
            async with worker:
                pytest.fail("it was let in")
    await worker.start(transport)
    await worker.stop()


async def test_a_script_that_is_cancelled_before_it_is_ready_leaves_nothing_running(
    worker: IPCWorker, monkeypatch: pytest.MonkeyPatch
) -> None:
    connecting = asyncio.Event()

    class Silent(ScriptedTransport):
        async def connect(self) -> None:
            connecting.set()
            await asyncio.Event().wait()

    monkeypatch.setattr("ipc.worker.transport_from_environment", lambda *_, **__: Silent())
    before = asyncio.all_tasks()
    entering = asyncio.create_task(worker.__aenter__())
    async with asyncio.timeout(GUARD_S):
        await connecting.wait()
        entering.cancel()
        with pytest.raises(asyncio.CancelledError):
            await entering
    assert asyncio.all_tasks() == before


async def test_a_bridge_that_refuses_it_for_good_ends_it(worker: IPCWorker, monkeypatch: pytest.MonkeyPatch) -> None:
    errors: list[IPCError] = []
    worker.hook("error")(errors.append)

    def refusing(service: str, **_: object) -> ScriptedTransport:
        transport = ScriptedTransport()
        transport.refusals = [ConnectionClosedError(4403, "not you")]
        return transport

    await worker.start(refusing("herald"))
    async with asyncio.timeout(GUARD_S):
        with pytest.raises(ConnectionClosedError, match="not you"):
            await worker.ready()
    await worker.stop()
    monkeypatch.setattr("ipc.worker.transport_from_environment", refusing)
    async with asyncio.timeout(GUARD_S):
        with pytest.raises(ConnectionClosedError, match="not you"):
            await worker.run()
    assert {type(error) for error in errors} == {ConnectionClosedError}
