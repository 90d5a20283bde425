"""A service at a hub that calls and is called, and says exactly what a test wants it to say."""

from typing import Any

from tests.ipc.members import Member
from tests.ipc.peers import Message


class Party(Member):
    """A caller, an owner, or both."""

    async def serve(self, *names: str, ops: tuple[str, ...] = ("create", "read"), **members: Any) -> Message:
        """Say what it serves, and return the answer."""
        limit = members.pop("limit", None)
        resources = [{"name": name, "ops": list(ops)} | ({"limit": limit} if limit else {}) for name in names]
        return await self.ask(type="serve", resources=resources, **members)

    async def call(self, call_id: str, op: str = "read", resource: str = "posts", **members: Any) -> None:
        """Make a call; `reply` waits for what becomes of it."""
        await self.say({"type": "call", "id": call_id, "op": op, "resource": resource, **members})

    async def reply(self, call_id: str) -> Message:
        """Wait for the reply to a call, or the error that refused it."""

        def found() -> list[Message]:
            return [m for m in self.peer.messages if m["type"] in {"reply", "error"} and m.get("id") == call_id]

        await self.peer.until(lambda: bool(found()))
        return found()[0]

    def replies(self, call_id: str) -> list[Message]:
        """Return all replies to a call; there should be one."""
        return [m for m in self.peer.messages if m["type"] == "reply" and m["id"] == call_id]

    async def code(self, call_id: str) -> str:
        """Wait for the reply to a call, and return the code of its error, an empty one if it has none."""
        reply = await self.reply(call_id)
        return str(reply.get("error", reply).get("code", ""))

    @property
    def calls(self) -> list[Message]:
        """The calls that it was given."""
        return [message for message in self.peer.messages if message["type"] == "call"]

    @property
    def cancelled(self) -> list[str]:
        """The ids of those that were taken back."""
        return [message["id"] for message in self.peer.messages if message["type"] == "cancel"]

    async def given(self, count: int = 1) -> Message:
        """Wait until it was given so many calls, and return the last of those."""
        await self.peer.until(lambda: len(self.calls) >= count)
        return self.calls[count - 1]

    async def answer_call(self, call: Message, **members: Any) -> None:
        """Reply to a call that it was given."""
        await self.say({"type": "reply", "id": call["id"], **(members or {"data": "done"})})

    async def leaves(self) -> None:
        """Its connection is gone."""
        await self.hub.detach(self.session)
