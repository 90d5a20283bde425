"""The durable workload on JetStream through its official client for Python, nats-py."""

import json
from contextlib import AsyncExitStack
from typing import Any, Final, Self

import nats
from nats.aio.client import Client
from nats.aio.msg import Msg
from nats.errors import Error

from bench.durable import CREDIT, MEMBERS
from bench.nats import GROUP, STREAM, SUBJECT, connect_nats, make_stream, unacknowledged
from bench.tasks import Tally
from bench.wires import now_us, post_data
from bench.workloads import Load, Measured, Workload

POST: Final[dict[str, Any]] = json.loads(post_data(0))


class NatsLibraryDurable:
    """A connection that publishes, and two that share what a consumer pushes; use as an async context manager."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._url = f"nats://127.0.0.1:{port}"
        self._stack = AsyncExitStack()
        self.tally = Tally()

    async def __aenter__(self) -> Self:
        async with self._stack:
            self._manager = await connect_nats(self._port, "bench.manager")
            self._stack.push_async_callback(self._manager.close)
            await make_stream(self._manager, deliver_to="bench.members", max_unacknowledged=MEMBERS * CREDIT)
            for number in range(MEMBERS):
                await self._join(number)
            self._stream = (await self._connect()).jetstream()
            self._stack = self._stack.pop_all()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def run(
        self,
        workload: Workload,  # noqa: ARG002 - there is but one
        load: Load,
    ) -> Measured:
        """Keep a window full of messages under way; one that JetStream does not know as acknowledged is lost.

        Raises:
            OSError: a message was not stored.

        """
        return await self.tally.measure(load, self._emit, lambda: unacknowledged(self._manager), Error)

    async def _connect(self) -> Client:
        client = await nats.connect(self._url)
        self._stack.push_async_callback(client.close)
        return client

    async def _join(self, number: int) -> None:
        stream = (await self._connect()).jetstream()

        async def handle(message: Msg) -> None:
            self.tally.take(number, json.loads(message.data))
            await message.ack()

        found = await stream.consumer_info(STREAM, GROUP)
        await stream.subscribe_bind(STREAM, found.config, GROUP, cb=handle, manual_ack=True)

    async def _emit(self, number: int) -> None:
        sent_at = now_us()
        data = json.dumps({**POST, "sentAt": sent_at}, separators=(",", ":")).encode()
        await self._stream.publish(SUBJECT, data, headers={"Nats-Msg-Id": f"{sent_at}-{number}"})
