"""`IPCWorker` on real hubs: what it registers, and how it starts and stops."""

import asyncio
from typing import Any

import pytest

from ipc import (
    BadMessageError,
    ConfigurationError,
    ConnectionClosedError,
    EventContext,
    IPCError,
    IPCWorker,
    UnavailableError,
    UnknownServiceError,
)
from ipc.hub.hub import Hub
from ipc.transports.local import LocalTransport
from tests.ipc.conftest import StartWorker
from tests.ipc.handled import Handled
from tests.ipc.peers import GUARD_S
from tests.ipc.transports.scripted import ScriptedTransport

# Registering


@pytest.mark.parametrize("service", ["herald", "exprsn-herald"])
def test_a_worker_has_the_full_name_of_its_service(service: str) -> None:
    assert IPCWorker(service).service == "exprsn-herald"


def test_a_service_that_does_not_exist_is_refused() -> None:
    with pytest.raises(UnknownServiceError, match=r"'nobody'; known are ca, .*, svr$"):
        IPCWorker("nobody")


def test_a_service_that_is_nearly_one_is_refused_with_the_name_that_may_be_meant() -> None:
    """Where it is written: what the interpreter shows last of a program that ends so is what to do."""
    with pytest.raises(UnknownServiceError, match=r"'tymeline'; known are ca, .*; did you mean 'timeline'\?$"):
        IPCWorker("tymeline")


def test_a_wrong_pattern_is_refused_where_it_is_written(worker: IPCWorker) -> None:
    with pytest.raises(BadMessageError, match="'post'"):
        worker.on("post:created", "post")
    with pytest.raises(TypeError, match="at least one pattern"):
        worker.on()


@pytest.mark.parametrize("group", ["a b", "", "x" * 65])
def test_the_wrong_name_of_a_group_is_refused_where_it_is_written(worker: IPCWorker, group: str) -> None:
    """Also when it is the first group of its worker."""
    with pytest.raises(BadMessageError, match="is not the name of a group"):
        worker.on("post:*", group=group)


def test_a_group_has_one_handler(worker: IPCWorker) -> None:
    async def handler(data: Any, ctx: EventContext) -> None: ...

    worker.on("post:*", group="notify")(handler)
    with pytest.raises(ValueError, match="'notify' has a handler already"):
        worker.on("user:*", group="notify")


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


# Starting and stopping


async def test_without_an_address_it_says_what_to_set(worker: IPCWorker, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("BRIDGE_URL", "REDIS_URL"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(ConfigurationError, match="set BRIDGE_URL"):
        await worker.start()
    with pytest.raises(SystemExit, match=r"^exprsn-[a-z]+: set BRIDGE_URL"):
        await worker.run()


async def test_it_is_ready_once_it_is_subscribed(worker: IPCWorker, hub: Hub) -> None:
    with pytest.raises(UnavailableError, match=r"await start\(\) or run\(\) before ready\(\)"):
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


async def test_a_bridge_that_refuses_it_for_good_ends_it(
    worker: IPCWorker, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """Whoever has it in a program of their own gets the error; as a program it ends with a sentence, said once."""
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
    said = "the connection was closed with 4403 not you"
    assert caplog.messages == [f"{worker.service} has stopped: FORBIDDEN: {said}"]
    caplog.clear()
    monkeypatch.setattr("ipc.worker.transport_from_environment", refusing)
    async with asyncio.timeout(GUARD_S):
        with pytest.raises(SystemExit) as ended:
            await worker.run()
    assert ended.value.code == f"{worker.service}: {said}"
    assert isinstance(ended.value.__cause__, ConnectionClosedError)
    assert caplog.messages == []
    assert {type(error) for error in errors} == {ConnectionClosedError}
