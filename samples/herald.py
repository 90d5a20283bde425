"""Herald keeps the notifications of each user, and tells Timeline when a post has been announced."""

import asyncio
import logging
import time
from collections import OrderedDict, deque
from typing import Any, Final

import msgspec

from ipc import EventContext, IPCWorker, logs

MAX_USERS: Final = 10_000
MAX_PER_USER: Final = 100
WORDING: Final = {"post:created": "wrote", "post:updated": "changed"}

ipc = IPCWorker("exprsn-herald")
log = logging.getLogger("herald")


class Sent(msgspec.Struct, rename="camel"):
    """Which post, by which event of it, and when, in Unix milliseconds."""

    post_id: str
    event: str
    handled_at: int


ipc.declare_event("notification:sent", schema=Sent, description="The readers of a post were notified.")


class Inbox:
    """The latest notifications about each author, in memory: as many users and notifications as the limits say."""

    def __init__(self, *, max_users: int = MAX_USERS, max_per_user: int = MAX_PER_USER) -> None:
        self._max_users = max_users
        self._max_per_user = max_per_user
        self._users: OrderedDict[str, deque[dict[str, str]]] = OrderedDict()

    def add(self, user_id: str, notification: dict[str, str]) -> None:
        """Keep a notification; the user unheard of for longest makes room."""
        self._users.setdefault(user_id, deque(maxlen=self._max_per_user)).append(notification)
        self._users.move_to_end(user_id)
        if len(self._users) > self._max_users:
            self._users.popitem(last=False)

    def forget(self, user_id: str, post_id: str) -> None:
        """Drop the notifications about a post that is gone."""
        kept = [each for each in self._users.get(user_id, ()) if each["postId"] != post_id]
        if kept:
            self._users[user_id] = deque(kept, maxlen=self._max_per_user)
        else:
            self._users.pop(user_id, None)

    def of(self, user_id: str) -> list[dict[str, str]]:
        """Return the notifications about a user's posts, the oldest first."""
        return list(self._users.get(user_id, ()))


inbox = Inbox()


def notification(event: str, post: dict[str, Any]) -> dict[str, str]:
    """Return what the readers of a post are told."""
    return {"postId": post["id"], "text": f"{post['userId']} {WORDING[event]}: {post['content'][:40]}"}


@ipc.on("post:created", "post:updated", "post:deleted")
async def notify(post: dict[str, Any], ctx: EventContext) -> None:
    """Announce a new or changed post; withdraw what was said about a deleted one."""
    if ctx.event == "post:deleted":
        inbox.forget(post["userId"], post["id"])
        log.info("post %s is deleted: its notifications are withdrawn", post["id"])
    elif post["visibility"] == "private":
        # It may have been public before.
        inbox.forget(post["userId"], post["id"])
        log.info("post %s is private: nobody is notified", post["id"])
    else:
        inbox.add(post["userId"], notification(ctx.event, post))
        log.info("post %s: notified, %s", post["id"], ctx.event)
    done = Sent(post_id=post["id"], event=ctx.event, handled_at=time.time_ns() // 1_000_000)
    await ipc.emit("notification:sent", done, target="timeline")


if __name__ == "__main__":
    logs.configure("herald")
    asyncio.run(ipc.run())
