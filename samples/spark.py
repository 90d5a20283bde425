"""Spark knows who is online, and tells Timeline whom it has told of a post."""

import asyncio
import logging
import time
from collections import OrderedDict
from typing import Any, Final

import msgspec

from ipc import EventContext, IPCWorker, logs

MAX_ONLINE: Final = 10_000

ipc = IPCWorker("exprsn-spark")
log = logging.getLogger("spark")


class Told(msgspec.Struct, rename="camel"):
    """Which post, by which event of it, when, in Unix milliseconds, and who was told of it."""

    post_id: str
    event: str
    handled_at: int
    users: list[str]
    count: int


ipc.declare_event("users:notified", schema=Told, description="Users who are online were told of a post.")


class Online:
    """The users who are online, at most as many as the limit says: who logged in first is forgotten first."""

    def __init__(self, *, limit: int = MAX_ONLINE) -> None:
        self._limit = limit
        self._users: OrderedDict[str, None] = OrderedDict()

    def login(self, user_id: str) -> None:
        """A user is there."""
        self._users[user_id] = None
        self._users.move_to_end(user_id)
        if len(self._users) > self._limit:
            self._users.popitem(last=False)

    def logout(self, user_id: str) -> None:
        """A user has gone; one who was not there is no mistake."""
        self._users.pop(user_id, None)

    def users(self) -> list[str]:
        """Return who is there, in the order in which they came."""
        return list(self._users)


online = Online()


def audience(post: dict[str, Any], users: list[str]) -> list[str]:
    """Return who is told of a post: everybody but its author, nobody when it is private."""
    return [] if post["visibility"] == "private" else [user for user in users if user != post["userId"]]


@ipc.on("user:login")
async def arrive(user: dict[str, Any], ctx: EventContext) -> None:
    """Remember a user who logged in."""
    online.login(user["userId"])
    log.info("%s is online (%s)", user["userId"], ctx.source)


@ipc.on("user:logout")
async def leave(user: dict[str, Any], ctx: EventContext) -> None:
    """Forget a user who logged out."""
    online.logout(user["userId"])
    log.info("%s is offline (%s)", user["userId"], ctx.source)


@ipc.on("post:created", "post:updated", "post:deleted")
async def tell(post: dict[str, Any], ctx: EventContext) -> None:
    """Tell those online that a post has appeared, changed or gone."""
    told = audience(post, online.users())
    log.info("post %s: %s told to %d online", post["id"], ctx.event, len(told))
    done = Told(
        post_id=post["id"],
        event=ctx.event,
        handled_at=time.time_ns() // 1_000_000,
        users=told[:100],
        count=len(told),
    )
    await ipc.emit("users:notified", done, target="timeline")


if __name__ == "__main__":
    logs.configure("spark")
    asyncio.run(ipc.run())
