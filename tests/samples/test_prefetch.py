"""Prefetch: a cache in a real Redis that follows the posts and never grows beyond its limits."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest
from redis.asyncio import Redis

from ipc import EventContext
from samples import prefetch
from samples.prefetch import TTL_S, TimelineCache, keys
from tests.samples.conftest import DEADLINE_S, Mesh, deleted


@pytest.fixture
async def redis(redis_url: str) -> AsyncIterator[Redis]:
    async with Redis.from_url(redis_url) as client:
        yield client


async def test_the_cache_follows_the_life_of_a_post(mesh: Mesh, redis: Redis, post: dict[str, Any]) -> None:
    await mesh.attach(prefetch.ipc)
    cache = TimelineCache(redis)
    assert (await mesh.timeline.tell("post:created", post))[0] == "cache:updated"
    assert await cache.latest("ada") == [post]
    changed = {**post, "content": "Good evening"}
    await mesh.timeline.tell("post:updated", changed)
    assert await cache.latest("ada") == [changed]
    await mesh.timeline.tell("post:deleted", deleted(post))
    assert await cache.latest("ada") == []
    assert await redis.exists(*keys("ada")) == 0


async def test_a_post_that_becomes_private_leaves_the_cache(mesh: Mesh, redis: Redis, post: dict[str, Any]) -> None:
    await mesh.attach(prefetch.ipc)
    await mesh.timeline.tell("post:created", post)
    await mesh.timeline.tell("post:updated", {**post, "visibility": "private"})
    assert await TimelineCache(redis).latest("ada") == []


async def test_it_is_sent_nothing_but_ids(mesh: Mesh, post: dict[str, Any]) -> None:
    await mesh.attach(prefetch.ipc)
    await mesh.timeline.tell("post:created", post)
    assert mesh.sent() == [{"id": post["id"], "userId": "ada"}]


async def test_a_post_that_cannot_be_read_leaves_the_cache(mesh: Mesh, redis: Redis, post: dict[str, Any]) -> None:
    """What it was before must not be shown on, and nobody is told that it is there."""
    failed = asyncio.Event()

    def note(_error: Exception, _ctx: EventContext) -> None:
        failed.set()

    prefetch.ipc.hook("handler_error")(note)
    await mesh.attach(prefetch.ipc)
    await mesh.timeline.tell("post:created", post)
    mesh.timeline.posts.stored[post["id"]] = {}
    await mesh.timeline.worker.emit("post:updated", post)
    async with asyncio.timeout(DEADLINE_S):
        await failed.wait()
    prefetch.ipc.unhook("handler_error", note)
    assert await TimelineCache(redis).latest("ada") == []


async def test_the_newest_posts_stay_and_come_first(redis: Redis, redis_url: str, post: dict[str, Any]) -> None:
    cache = TimelineCache(redis, max_posts=2)
    for hour in (9, 7, 8):
        await cache.put({**post, "id": str(hour), "createdAt": f"2026-11-23T0{hour}:00:00.000Z"})
    assert [each["id"] for each in await cache.latest("ada")] == ["9", "8"]
    assert await redis.hlen(keys("ada")[1]) == 2


async def test_users_are_kept_apart_and_expire(redis: Redis, post: dict[str, Any]) -> None:
    cache = TimelineCache(redis)
    await cache.put(post)
    await cache.put({**post, "id": "other", "userId": "grace"})
    assert [each["id"] for each in await cache.latest("grace")] == ["other"]
    for key in keys("ada"):
        assert 0 < await redis.ttl(key) <= TTL_S
