"""Prefetch keeps the latest posts of each user ready in Redis, and tells Timeline when they have changed.

Events only tell it that a post is another one now. It reads the post from Timeline, so that its cache never has what
Timeline would not show to it, nor an older version because two events came late.
"""

import asyncio
import json
import logging
import os
import time
from datetime import datetime
from functools import lru_cache
from typing import Any, Final, cast

import msgspec
from redis.asyncio import Redis

from ipc import EventContext, IPCWorker, logs
from ipc.protocol.errors import IPCError, NotFoundError

MAX_POSTS: Final = 100
TTL_S: Final = 86_400
TIMEOUT_S: Final = 5.0

IDS: Final = {"id": {"$var": "data.id"}, "userId": {"$var": "data.userId"}}
"""All that the hub sends of a post."""

ipc = IPCWorker("exprsn-prefetch")
log = logging.getLogger("prefetch")


class CacheUpdated(msgspec.Struct, rename="camel"):
    """Which post, by which event of it, and when, in Unix milliseconds."""

    post_id: str
    event: str
    handled_at: int


ipc.declare_event("cache:updated", schema=CacheUpdated, description="The cache of a post's author is up to date.")


class TimelineCache:
    """For each user a sorted set of post ids, by time of creation, and a hash of the posts themselves."""

    def __init__(self, redis: Redis, *, max_posts: int = MAX_POSTS) -> None:
        self._redis = redis
        self._max_posts = max_posts

    async def put(self, post: dict[str, Any]) -> None:
        """Add or replace a post; the oldest ones beyond the limit go, and all of them a day after the last change."""
        order, posts = keys(post["userId"])
        async with self._redis.pipeline(transaction=True) as pipe:
            pipe.zadd(order, {post["id"]: datetime.fromisoformat(post["createdAt"]).timestamp()})
            pipe.hset(posts, post["id"], json.dumps(post))
            pipe.expire(order, TTL_S)
            pipe.expire(posts, TTL_S)
            pipe.zrange(order, 0, -self._max_posts - 1)
            too_many = (await pipe.execute())[-1]
        if too_many:
            await self.remove(post["userId"], *too_many)

    async def remove(self, user_id: str, *post_ids: str | bytes) -> None:
        """Take posts out."""
        order, posts = keys(user_id)
        async with self._redis.pipeline(transaction=True) as pipe:
            pipe.zrem(order, *post_ids)
            pipe.hdel(posts, *post_ids)
            await pipe.execute()

    async def latest(self, user_id: str) -> list[dict[str, Any]]:
        """Return a user's posts, the newest first."""
        order, posts = keys(user_id)
        ids = cast("list[bytes]", await self._redis.zrange(order, 0, -1, desc=True))
        found = await self._redis.hmget(posts, ids) if ids else []
        return [json.loads(post) for post in found if post is not None]

    async def aclose(self) -> None:
        """Close the connections to Redis."""
        await self._redis.aclose()


def keys(user_id: str) -> tuple[str, str]:
    """Return the names of a user's two keys; the braces keep them together in a cluster (Redis Cluster, hash tags)."""
    return f"prefetch:{{{user_id}}}:order", f"prefetch:{{{user_id}}}:posts"


@lru_cache(maxsize=1)
def cache() -> TimelineCache:
    """Return the cache in the Redis of PREFETCH_REDIS_URL, connected when it is first used."""
    return TimelineCache(Redis.from_url(os.environ["PREFETCH_REDIS_URL"], socket_timeout=TIMEOUT_S))


@ipc.on("post:created", "post:updated", "post:deleted", select=IDS)
async def refresh(post: dict[str, Any], ctx: EventContext) -> None:
    """Cache a new or changed post that others may see; take out one that is deleted or has become private."""
    try:
        await cache().put(await ipc.read("posts", key=post["id"]))
    except IPCError as error:
        # Better not to have a post than to show what it was before.
        await cache().remove(post["userId"], post["id"])
        if not isinstance(error, NotFoundError):
            raise
    log.info("post %s: cache of %s follows %s", post["id"], post["userId"], ctx.event)
    done = CacheUpdated(post_id=post["id"], event=ctx.event, handled_at=time.time_ns() // 1_000_000)
    await ipc.emit("cache:updated", done, target="timeline")


async def main() -> None:
    """Run until SIGTERM or Ctrl-C."""
    try:
        await ipc.run()
    finally:
        await cache().aclose()


if __name__ == "__main__":
    logs.configure("prefetch")
    asyncio.run(main())
