"""A transport whose other end is the test: it hears what a link says, answers when it wants, and breaks at will."""

import asyncio
import json
from collections.abc import Mapping
from typing import Any

from ipc.protocol.errors import ConnectionClosedError, IPCError
from ipc.protocol.messages import Event, ServerCall, Welcome
from ipc.transports.link import Link
from tests.ipc.peers import GUARD_S, Message

LOGS = ("broadcast", "exprsn-herald")


class ScriptedTransport:
    """Connects at once unless there are `refusals`; each connection begins with a welcome."""

    def __init__(self) -> None:
        self.refusals: list[IPCError] = []
        self.first_frames: list[str] = []
        self.connections = 0
        self.connected = asyncio.Event()
        self.said: asyncio.Queue[Message] = asyncio.Queue()
        self._frames: asyncio.Queue[str | ConnectionClosedError] = asyncio.Queue()
        self._closed: ConnectionClosedError | None = ConnectionClosedError(1006, "not connected")

    # What the link sees

    async def connect(self) -> None:
        self.connections += 1
        if self.refusals:
            raise self.refusals.pop(0)
        self._frames = asyncio.Queue()
        self._closed = None
        self.say_raw(self.first_frames.pop(0) if self.first_frames else welcome(self.connections))
        self.connected.set()

    async def send(self, frame: str) -> None:
        if self._closed is not None:
            raise self._closed
        for line in frame.split("\n"):
            self.said.put_nowait(json.loads(line))

    async def receive(self) -> str:
        item = await self._frames.get()
        if isinstance(item, ConnectionClosedError):
            raise item
        return item

    async def close(self) -> None:
        self.lose(1000, "left")

    async def aclose(self) -> None:
        await self.close()

    # What the test does

    def say(self, *messages: Message) -> None:
        self.say_raw("\n".join(json.dumps(message) for message in messages))

    def say_raw(self, frame: str) -> None:
        self._frames.put_nowait(frame)

    def lose(self, code: int = 1006, reason: str = "the connection was lost") -> None:
        """Break the connection, after what was said."""
        if self._closed is None:
            self._closed = ConnectionClosedError(code, reason)
            self._frames.put_nowait(self._closed)

    async def hears(self, kind: str) -> Message:
        """Return the next message that the link sends, which has to be of a type."""
        async with asyncio.timeout(GUARD_S):
            message = await self.said.get()
        assert message["type"] == kind, message
        return message

    async def subscribes(self, positions: Mapping[str, str] | None = None, **members: Any) -> Message:
        """Accept a subscription, and return it."""
        subscribe = await self.hears("subscribe")
        since = subscribe.get("since") or {}
        begins = {log: since.get(log, "0-0") for log in LOGS}
        self.say({"type": "ok", "id": subscribe["id"], "positions": begins | dict(positions or {}), **members})
        return subscribe

    async def unsubscribes(self) -> None:
        self.say({"type": "ok", "id": (await self.hears("unsubscribe"))["id"]})


def welcome(number: int) -> str:
    return json.dumps(
        {
            "type": "welcome",
            "session": f"s{number}",
            "instance": "exprsn-herald:01X",
            "service": "exprsn-herald",
            "limits": {},
            "heartbeat_ms": 25_000,
        }
    )


def event(number: int, *, log: str = "broadcast") -> Message:
    return {
        "type": "event",
        "id": f"e{number}",
        "event": "post:created",
        "source": "exprsn-timeline",
        "target": log,
        "ts": 1,
        "data": number,
        "log": log,
        "position": f"{number}-0",
    }


class RecordingListener:
    """Keeps what a link tells; it refuses events while it is `full`."""

    def __init__(self) -> None:
        self.sessions: list[str] = []
        self.numbers: list[int] = []
        self.reasons: list[dict[str, str]] = []
        self.failures: list[IPCError] = []
        self.is_full = False
        self._changed = asyncio.Event()

    def connected(self, message: Welcome) -> None:
        self.sessions.append(message.session)
        self._changed.set()

    def not_recovered(self, reasons: dict[str, str]) -> None:
        self.reasons.append(reasons)
        self._changed.set()

    def received(self, message: Event) -> bool:
        if not self.is_full:
            self.numbers.append(json.loads(bytes(message.data)))
        self._changed.set()
        return not self.is_full

    def delivered(self, message: Event, session: str) -> None:
        raise AssertionError("no group was asked for")

    def called(self, call: ServerCall, session: str) -> None:
        raise AssertionError("nothing is served")

    def cancelled(self, call_id: str, session: str) -> None:
        raise AssertionError("nothing is served")

    def operation_cancelled(self, operation: str) -> None:
        raise AssertionError("there is no operation")

    def disconnected(self, session: str) -> None:
        self._changed.set()

    def failed(self, error: IPCError) -> None:
        self.failures.append(error)
        self._changed.set()

    async def until_numbers(self, count: int) -> list[int]:
        async with asyncio.timeout(GUARD_S):
            while len(self.numbers) < count:
                self._changed.clear()
                await self._changed.wait()
        return self.numbers

    async def until_failures(self, count: int) -> list[IPCError]:
        async with asyncio.timeout(GUARD_S):
            while len(self.failures) < count:
                self._changed.clear()
                await self._changed.wait()
        return self.failures


async def up(link: Link) -> None:
    async with asyncio.timeout(GUARD_S):
        await link.wait_until_up()
