"""Channel layers whose messages travel when a test says so: lost, late, twice and in another order."""

import asyncio
import itertools
from collections import defaultdict
from typing import Any

Message = dict[str, Any]


class Exchange:
    """What connects the layers of a test.

    `held` has the pushes that were sent and not delivered while `holds` was true, and the greetings that were while
    `holds_greetings` was.
    """

    def __init__(self) -> None:
        self.holds = False
        self.holds_greetings = False
        self.held: list[tuple[str, Message]] = []
        self.has_held = asyncio.Event()
        self.groups: defaultdict[str, dict[str, None]] = defaultdict(dict)
        self.channels: dict[str, asyncio.Queue[Message]] = {}
        self.names = itertools.count()

    def layer(self) -> "ExchangeLayer":
        return ExchangeLayer(self)

    def send(self, channel: str, message: Message) -> None:
        if self.holds_greetings if message["type"] == "ipc.hello" else self.holds:
            self.held.append((channel, message))
            self.has_held.set()
        else:
            self.deliver(channel, message)

    def deliver(self, channel: str, message: Message) -> None:
        copied = {name: list(value) if isinstance(value, list) else value for name, value in message.items()}
        self.channels[channel].put_nowait(copied)

    def deliver_held(self) -> None:
        held, self.held = self.held, []
        for channel, message in held:
            self.deliver(channel, message)


class ExchangeLayer:
    """The end of one hub."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    async def new_channel(self) -> str:
        name = f"channel-{next(self._exchange.names)}"
        self._exchange.channels[name] = asyncio.Queue()
        return name

    async def receive(self, channel: str) -> Message:
        return await self._exchange.channels[channel].get()

    async def send(self, channel: str, message: Message) -> None:
        if channel in self._exchange.channels:
            self._exchange.send(channel, message)

    async def group_add(self, group: str, channel: str) -> None:
        self._exchange.groups[group][channel] = None

    async def group_send(self, group: str, message: Message) -> None:
        for channel in self._exchange.groups[group]:
            self._exchange.send(channel, message)
