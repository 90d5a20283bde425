"""Long operations as a service writes them: on a bus in memory, on hubs with the real Valkey, and cancelled in time."""

import asyncio
import contextlib
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import pytest

from ipc import BadMessageError, CancelledByOperator, EventContext, IPCWorker, Operation
from ipc import operations as module
from ipc.hub.hub import Hub
from ipc.hub.mesh import Mesh
from ipc.protocol.errors import ConflictError, ForbiddenError, NotFoundError, UnknownServiceError
from ipc.testing import TestBus
from ipc.transports.local import LocalTransport
from tests.ipc.conftest import MakeHub, StartWorker
from tests.ipc.durable import eventually
from tests.ipc.members import Member
from tests.ipc.peers import GUARD_S

Join = Callable[[IPCWorker], Awaitable[None]]


@pytest.fixture(params=["bus", "hub"])
async def join(request: pytest.FixtureRequest) -> AsyncIterator[Join]:
    """Let workers join the bus of tests, or a hub on the real Valkey."""
    async with AsyncExitStack() as stack:
        if request.param == "bus":
            bus = await stack.enter_async_context(TestBus())
            yield bus.start
            return
        mesh = await Mesh(request.getfixturevalue("redis_url"), announces=False).start()
        stack.push_async_callback(mesh.stop)

        async def join_hub(worker: IPCWorker) -> None:
            await worker.start(LocalTransport(mesh.hub, worker.service))
            stack.push_async_callback(worker.stop)
            await worker.ready()

        yield join_hub


class Told:
    """A pulse that keeps what it is told of operations."""

    def __init__(self) -> None:
        self.worker = IPCWorker("pulse")
        self.events: asyncio.Queue[tuple[str, dict[str, Any]]] = asyncio.Queue()
        self.worker.on("operation:*")(self._take)

    async def _take(self, data: Any, ctx: EventContext) -> None:
        assert ctx.source == "exprsn-herald"
        self.events.put_nowait((ctx.event, data))

    async def next(self) -> tuple[str, dict[str, Any]]:
        async with asyncio.timeout(GUARD_S):
            return await self.events.get()

    async def ending(self) -> tuple[str, dict[str, Any]]:
        """Return the first event that is no progress."""
        while (event := await self.next())[0] == "operation:progress":
            pass
        return event


@pytest.fixture
async def told(join: Join) -> Told:
    told = Told()
    await join(told.worker)
    return told


@pytest.fixture
async def herald(join: Join) -> IPCWorker:
    worker = IPCWorker("herald")
    await join(worker)
    return worker


async def forever(operation: Operation, begun: "asyncio.Future[str]") -> None:
    begun.set_result(operation.id)
    await asyncio.Event().wait()


async def cancelled_by(herald: IPCWorker, how: Callable[[str], Awaitable[object]]) -> Operation:
    """Return an operation that somebody has cancelled while it waited for something."""
    begun: asyncio.Future[str] = asyncio.get_running_loop().create_future()
    operation = herald.operation("import", target="pulse")

    async def block() -> None:
        async with operation:
            await forever(operation, begun)

    task = asyncio.create_task(block())
    async with asyncio.timeout(GUARD_S):
        await how(await begun)
        with pytest.raises(CancelledByOperator):
            await task
    return operation


async def test_an_operation_tells_its_target_how_far_it_is_and_that_it_is_done(herald: IPCWorker, told: Told) -> None:
    async with herald.operation("import", target="pulse", total=200) as operation:
        await operation.progress(50, "page 1")
        assert operation.percent == 25.0
        event, data = await told.next()
        assert (event, data["operation"], data["percent"], data["text"]) == (
            "operation:progress",
            operation.id,
            25.0,
            "page 1",
        )
    event, data = await told.ending()
    assert (event, data["status"], data["percent"], data["done"]) == ("operation:done", "done", 100.0, 200)
    (found,) = await herald.operations()
    assert (found.id, found.name, found.target, found.status) == (operation.id, "import", "exprsn-pulse", "done")
    assert found.begun_ms <= found.updated_ms


async def test_what_the_block_raises_is_why_it_failed(herald: IPCWorker, told: Told) -> None:
    with pytest.raises(ValueError, match="no such page"):
        async with herald.operation("import", target="pulse"):
            raise ValueError("no such page")
    event, data = await told.ending()
    assert (event, data["error"]) == ("operation:failed", "ValueError: no such page")
    (found,) = await herald.operations()
    assert (found.status, found.error) == ("failed", "ValueError: no such page")


async def test_an_error_of_any_length_and_letters_is_told(herald: IPCWorker) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the one below
        async with herald.operation("import"):
            raise ValueError("\ud800" + "x" * 10_000)
    (found,) = await herald.operations()
    assert found.error is not None
    assert (found.status, len(found.error)) == ("failed", 1_000)


async def test_a_block_that_waits_is_cancelled(herald: IPCWorker, told: Told) -> None:
    operation = await cancelled_by(herald, herald.cancel_operation)
    assert operation.cancelled
    event, data = await told.ending()
    assert (event, data["status"]) == ("operation:cancelled", "cancelled")
    (found,) = await herald.operations()
    assert (found.status, found.error) == ("cancelled", f"cancelled by {found.instance}")


async def test_to_cancel_it_twice_is_no_more_than_once(herald: IPCWorker, told: Told) -> None:
    operation = await cancelled_by(herald, herald.cancel_operation)
    assert (await herald.cancel_operation(operation.id)).status == "cancelled"
    assert (await told.ending())[0] == "operation:cancelled"
    async with herald.operation("next", target="pulse"):
        pass
    # No second one came before it.
    assert (await told.ending())[0] == "operation:done"


async def test_the_task_goes_on_after_the_block_that_was_cancelled(herald: IPCWorker) -> None:
    """The interruption is used up, as that of `asyncio.timeout` is."""

    async def block() -> None:
        async with herald.operation("import") as operation:
            await herald.cancel_operation(operation.id)
            await asyncio.sleep(GUARD_S)

    with pytest.raises(CancelledByOperator):
        await block()
    await asyncio.sleep(0)
    task = asyncio.current_task()
    assert task is not None
    assert task.cancelling() == 0


async def test_a_block_that_ends_before_its_interruption_comes_is_cancelled_all_the_same(herald: IPCWorker) -> None:
    with pytest.raises(CancelledByOperator):
        async with herald.operation("import") as operation:
            operation.cancel()
    await asyncio.sleep(0)


async def test_who_swallows_the_interruption_is_stopped_by_the_next_progress(herald: IPCWorker) -> None:
    async def block() -> None:
        async with herald.operation("import") as operation:
            await herald.cancel_operation(operation.id)
            with contextlib.suppress(asyncio.CancelledError):
                await asyncio.sleep(GUARD_S)
            assert operation.cancelled
            await operation.progress(1)

    with pytest.raises(CancelledByOperator):
        await block()


async def test_a_block_that_fails_for_itself_says_so_even_if_it_is_cancelled(herald: IPCWorker) -> None:
    async def block() -> None:
        async with herald.operation("import") as operation:
            operation.cancel()
            raise ValueError("mine")

    with pytest.raises(ValueError, match="mine"):
        await block()
    await asyncio.sleep(0)


async def test_who_cancels_the_task_itself_gets_its_own_cancellation(herald: IPCWorker) -> None:
    begun: asyncio.Future[str] = asyncio.get_running_loop().create_future()

    async def block() -> None:
        async with herald.operation("import") as operation:
            await forever(operation, begun)

    task = asyncio.create_task(block())
    await begun
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    (found,) = await herald.operations()
    assert (found.status, found.error) == ("failed", "the service has stopped it")


async def test_progress_a_thousand_times_a_second_is_a_few_messages(
    herald: IPCWorker, told: Told, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the target is told is less, and the last of it is true."""
    sent: list[Any] = []
    asked = module.asked

    async def counted(*args: Any, **options: Any) -> Any:
        sent.append(args)
        return await asked(*args, **options)

    monkeypatch.setattr(module, "asked", counted)
    async with herald.operation("import", target="pulse", total=1_000) as operation:
        for number in range(1, 1_001):
            await operation.progress(number, str(number))
        while (await told.next())[1]["text"] != "1000":
            pass
    assert len(sent) <= 5
    assert (await told.ending())[0] == "operation:done"


@pytest.mark.parametrize("done", [-1, 101, float("nan"), float("inf")])
async def test_what_cannot_be_done_is_refused(herald: IPCWorker, done: float) -> None:
    with pytest.raises(BadMessageError, match="between 0 and that"):
        async with herald.operation("import") as operation:
            await operation.progress(done)
    assert (await herald.operations())[0].status == "failed"


async def test_huge_text_is_refused(herald: IPCWorker) -> None:
    with pytest.raises(BadMessageError, match="at most 500 characters"):
        async with herald.operation("import") as operation:
            await operation.progress(1, "x" * 501)


@pytest.mark.parametrize("name", ["", " a", "x" * 65, "a\nb", "<b>"])
def test_a_name_that_is_none_is_refused_before_anything_is_sent(name: str) -> None:
    with pytest.raises(BadMessageError, match="no name of an operation"):
        IPCWorker("herald").operation(name)


def test_a_target_or_total_that_is_none_is_refused_before_anything_is_sent() -> None:
    with pytest.raises(UnknownServiceError):
        IPCWorker("herald").operation("import", target="nobody")
    for total in (0, -1, float("nan"), float("inf")):
        with pytest.raises(BadMessageError, match="more than 0"):
            IPCWorker("herald").operation("import", total=total)


async def test_an_operation_that_is_none_or_has_ended_cannot_be_cancelled(herald: IPCWorker) -> None:
    with pytest.raises(NotFoundError, match="there is no operation"):
        await herald.cancel_operation("01J0000000000000000000000")
    async with herald.operation("import") as operation:
        pass
    with pytest.raises(ConflictError, match="done already"):
        await herald.cancel_operation(operation.id)


async def test_an_operation_goes_on_over_another_connection(
    hub: Hub, start: StartWorker, make_hub: MakeHub, caplog: pytest.LogCaptureFixture
) -> None:
    """A hub that has never heard of it takes it over, and can cancel it there."""
    herald = IPCWorker("herald")
    await start(herald, hub)
    other = await make_hub()
    caplog.set_level(logging.CRITICAL)

    async def block() -> None:
        async with herald.operation("import") as operation:
            link = herald._link
            assert link is not None
            link._transport._hub = other  # type: ignore[attr-defined]  # as if the address led elsewhere now
            link.restart()

            async def is_known_there() -> bool:
                return other.operations._open.get(operation.id) is not None

            await eventually(is_known_there)
            await operation.progress(30, "still here")
            await other.operations.write()
            await hub.operations.cancel(operation.id, by="operator ada")
            await asyncio.sleep(GUARD_S)

    with pytest.raises(CancelledByOperator):
        await block()
    (found,) = await other.operations.list("herald")
    assert (found.status, found.error) == ("cancelled", "cancelled by operator ada")


async def test_others_may_neither_see_nor_cancel_it(hub: Hub) -> None:
    """Without the permission for everything; the worker of a process inside the trust zone has that."""
    owner, other = Member(hub), Member(hub, "spark", permissions={"state", "emit:*"})
    begun = await owner.ask(type="operation", op="begin", name="import")
    operation = begun["operations"][0]["id"]
    for message in ({"op": "progress", "done": 1}, {"op": "end"}, {"op": "cancel"}):
        refused = await other.ask(type="operation", operation=operation, **message)
        assert refused["code"] == ForbiddenError.default_code
    assert (await other.ask(type="operation", op="list", service="herald"))["code"] == "FORBIDDEN"
    assert (await other.ask(type="operation", op="list"))["operations"] == []
    assert (await owner.ask(type="operation", op="list"))["operations"][0]["status"] == "running"
