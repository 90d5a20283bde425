"""A service attached to a hub, that says exactly what a test wants it to say."""

import json
from collections.abc import Iterable
from typing import Any

from ipc.hub.hub import Hub
from ipc.hub.session import Identity, Origin
from ipc.protocol.services import full_name
from tests.ipc.peers import Message, RecordingPeer


class Member:
    """One session; its peer has all that the hub sent to it, and answers heartbeats unless it is mute."""

    def __init__(
        self, hub: Hub, service: str = "herald", *, permissions: Iterable[str] = ("*",), is_mute: bool = False
    ) -> None:
        self.hub = hub
        self.peer = RecordingPeer()
        self.peer.on_ping = None if is_mute else self._pong
        self.session = hub.attach(
            self.peer,
            Identity(service=full_name(service), permissions=frozenset(permissions)),
            Origin(door="test", pid=4711, hostname="host"),
        )
        self._asked = 0

    async def _pong(self, ping: Message) -> None:
        await self.say({"type": "pong", "sent": ping.get("sent", 0)})

    async def say(self, *messages: Message) -> None:
        """Send messages in one frame."""
        await self.raw("\n".join(json.dumps(message) for message in messages))

    async def raw(self, frame: str | bytes) -> None:
        await self.hub.receive(self.session, frame)

    async def ask(self, **message: Any) -> Message:
        """Send a message with an id, and return its answer."""
        self._asked += 1
        # Ids are remembered per service, and other members may be of the same.
        request_id = message.setdefault("id", f"{self.session.id}/{self._asked}")
        before = len(self.peer.messages)
        await self.say(message)
        return await self.answer(request_id, after=before)

    async def answer(self, request_id: str | None, *, after: int = 0) -> Message:
        """Wait for the answer with an id."""

        def found() -> list[Message]:
            answers = (message for message in self.peer.messages[after:] if message["type"] in {"ok", "error", "pong"})
            return [message for message in answers if message.get("id") == request_id]

        await self.peer.until(lambda: bool(found()))
        return found()[0]

    async def subscribe(self, *events: str, **members: Any) -> Message:
        ok = await self.ask(type="subscribe", events=list(events), **members)
        assert ok["type"] == "ok", ok
        return ok

    async def emit(self, event: str = "post:created", data: Any = None, **members: Any) -> str:
        """Emit an event and return its position."""
        ok = await self.ask(type="emit", event=event, data=data, ack=True, **members)
        assert ok["type"] == "ok", ok
        return str(ok["position"])

    async def emit_numbers(self, numbers: Iterable[int], **members: Any) -> list[str]:
        return [await self.emit(data=number, **members) for number in numbers]

    @property
    def heard(self) -> list[Any]:
        """The data of all events so far."""
        return [event["data"] for event in self.peer.events]

    async def hears(self, count: int) -> list[Any]:
        """Wait until so many events have come, and return the data of all that have."""
        await self.peer.until(lambda: len(self.peer.events) >= count)
        return self.heard

    async def is_well(self) -> bool:
        """Tell whether the hub still answers; what it sent before that has then arrived."""
        answer = await self.ask(type="ping")
        return bool(answer["type"] == "pong")

    async def refused_with(self, **message: Any) -> str:
        """Return the code with which a request is refused, after which the session goes on."""
        answer = await self.ask(**message)
        assert answer["type"] == "error", answer
        assert await self.is_well()
        return str(answer["code"])
