"""The call workload: one socket asks for an object and another that serves it answers, a window of calls in flight."""

import asyncio
import ssl
from typing import Final, Self

from bench.driver import Socket, connect
from bench.wires import PUBLISHER, SUBSCRIBERS, NativeWire, now_us, post_data
from bench.workloads import Load, Measured, TurnFlow, Workload, percentile_ms

RESOURCE: Final = "posts"
OPERATION: Final = "read"
KEY: Final = "0191f5c2-7c1e-7a53-9d64-2f1b7b6e4a10"
# The answer is as large as an event's data; it carries no time, which a call has in its id.
POST: Final = post_data(now_us()).replace(b"sentAt", b"madeAt")
_CALL: Final = b'{"type":"call"'
_REPLY: Final = b'{"type":"reply"'
_ID: Final = b'"id":"'


class CallerWire(NativeWire):
    """Calls; the replies are what counts."""

    def call(self, sent_at: int, number: int) -> bytes:
        """Return a ``call`` message whose id carries the time."""
        return b'{"type":"call","id":"%d-sentAt:%d","op":"%b","resource":"%b","key":"%b"}' % (
            number,
            sent_at,
            OPERATION.encode(),
            RESOURCE.encode(),
            KEY.encode(),
        )

    def count(self, payload: bytes) -> int:
        """Count the replies."""
        return payload.count(_REPLY)

    def has_more(self, payload: bytes, counted: int) -> bool:
        """Tell also whether one of the replies is an error, which is no success."""
        return super().has_more(payload, counted) or b'"error":{' in payload

    def reply(self, payload: bytes) -> bytes | None:
        """Refuse a reply that is an error.

        Raises:
            ConnectionRefusedError: it is.

        """
        if (at := payload.find(b'"error":{')) >= 0:
            raise ConnectionRefusedError(payload[at:][:200].decode(errors="replace"))
        return super().reply(payload)


class OwnerWire(NativeWire):
    """Serves the resource; the calls are what counts."""

    def count(self, payload: bytes) -> int:
        """Count the calls."""
        return payload.count(_CALL)

    def acknowledge(self, payload: bytes) -> bytes | None:
        """Return a ``reply`` with the post for each call of a frame, all in one frame."""
        ids = [_id_of(piece) for piece in payload.split(_CALL)[1:]]
        return b"\n".join([b'{"type":"reply","id":"%b","data":%b}' % (call_id, POST) for call_id in ids])

    def _subscribe(self) -> bytes:
        return b'{"type":"serve","id":"1","resources":[{"name":"%b","ops":["%b"]}]}' % (
            RESOURCE.encode(),
            OPERATION.encode(),
        )


def _id_of(call: bytes) -> bytes:
    start = call.index(_ID) + len(_ID)
    return call[start : call.index(b'"', start)]


class CallBench:
    """A socket that calls and a socket that serves; use as an async context manager."""

    def __init__(self, port: int, tls: ssl.SSLContext | None = None) -> None:
        self._port = port
        self._tls = tls

    async def __aenter__(self) -> Self:
        self.owner = await connect(OwnerWire(SUBSCRIBERS[0]), self._port, self._tls)
        self._wire = CallerWire(PUBLISHER, hears=False)
        try:
            self._caller: Socket = await connect(self._wire, self._port, self._tls)
        except BaseException:
            await self.owner.close()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await asyncio.gather(self._caller.close(), self.owner.close())

    async def run(
        self,
        workload: Workload,  # noqa: ARG002 - there is but one
        load: Load,
    ) -> Measured:
        """Give the server one load; a call without a reply is lost.

        Raises:
            OSError: the server refused something, a call failed, or a socket was closed.

        """
        flow = TurnFlow(load, send=self._call)
        for socket in (self.owner, self._caller):
            socket.reset(sample_every=load.sample_every)
            socket.on_failure = flow.on_failure
        self._caller.on_events = flow.on_events
        seconds = await flow.run()
        return Measured(
            sent=flow.sent,
            deliveries=self._caller.events,
            lost=max(0, flow.sent - self._caller.events),
            repeated=max(0, self._caller.events - flow.sent),
            seconds=seconds,
            p50_ms=percentile_ms(self._caller.latencies_us, 0.5),
            p99_ms=percentile_ms(self._caller.latencies_us, 0.99),
        )

    def _call(self, calls: int) -> None:
        sent_at = now_us()
        self._caller.send([self._wire.call(sent_at, number) for number in range(calls)])
