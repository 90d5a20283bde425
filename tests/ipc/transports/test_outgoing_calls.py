"""Calls over a connection that comes and goes: what is made again, and what is not."""

import asyncio

import pytest
from msgspec import Raw

from ipc.protocol.codes import ErrorCode
from ipc.protocol.errors import ConnectionClosedError, DeadlineError, OwnerLostError
from ipc.protocol.messages import Call, Cancel, ClientMessage, Error, ServerReply
from ipc.transports.outgoing_calls import OutgoingCalls

LOST = ConnectionClosedError(1006)


class Wire:
    """A connection in a test's hand."""

    def __init__(self) -> None:
        self.sent: asyncio.Queue[ClientMessage] = asyncio.Queue()
        self.is_open = True
        self.calls = OutgoingCalls(self.put, self.until_ready)

    def put(self, message: ClientMessage) -> bool:
        if self.is_open:
            self.sent.put_nowait(message)
        else:
            # What waits to be sent is tried once more over the next connection.
            self.is_open = True
            return False
        return True

    async def until_ready(self) -> None:
        """It is."""

    def begin(self, op: str, key: str | None = None, timeout_s: float = 20.0) -> "asyncio.Task[object]":
        call = Call(id="c", op=op, resource="posts", idempotency_key=key)
        return asyncio.ensure_future(self.calls.call(call, timeout_s=timeout_s))


async def test_a_call_that_was_never_sent_is_sent_over_the_next_connection() -> None:
    wire = Wire()
    wire.is_open = False
    call = wire.begin("create")
    await wire.sent.get()
    wire.calls.settle(ServerReply(id="c", data=Raw(b"1")))
    assert await call == Raw(b"1")


@pytest.mark.parametrize(("op", "key", "again"), [("read", None, True), ("create", "k", True), ("create", None, False)])
async def test_over_a_lost_connection_only_what_may_happen_twice_is_made_again(
    op: str, key: str | None, again: bool
) -> None:
    wire = Wire()
    call = wire.begin(op, key)
    await wire.sent.get()
    wire.calls.fail(LOST)
    if not again:
        with pytest.raises(OwnerLostError):
            await call
        return
    await wire.sent.get()
    wire.calls.settle(ServerReply(id="c"))
    await call


async def test_a_hub_that_stops_has_not_begun_so_anything_is_made_again() -> None:
    wire = Wire()
    call = wire.begin("create")
    await wire.sent.get()
    wire.calls.settle(Error(id="c", code=ErrorCode.DRAINING, message="elsewhere"))
    await wire.sent.get()
    wire.calls.settle(ServerReply(id="c"))
    await call


async def test_after_the_end_nothing_is_made_again() -> None:
    wire = Wire()
    call = wire.begin("read")
    await wire.sent.get()
    wire.calls.close(LOST)
    with pytest.raises(OwnerLostError):
        await call


async def test_a_deadline_takes_the_call_back_and_a_reply_after_it_is_for_nobody() -> None:
    wire = Wire()
    with pytest.raises(DeadlineError):
        await wire.begin("read", timeout_s=0.01)
    assert [type(await wire.sent.get()) for _ in range(2)] == [Call, Cancel]
    assert not wire.calls.settle(ServerReply(id="c"))
