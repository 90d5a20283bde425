"""The samples in a real mesh, with a Timeline that says what the test tells it to and hears what they report."""

import asyncio
import json
import uuid
from collections.abc import AsyncIterator
from typing import Any

import pytest

from ipc import EventContext, IPCWorker
from ipc.protocol.errors import NotFoundError
from ipc.transports.local import MeshTransport
from samples import prefetch

DEADLINE_S = 20


class Posts:
    """The posts that the test has told of, as Timeline shows them to other services."""

    def __init__(self) -> None:
        self.stored: dict[str, dict[str, Any]] = {}

    async def read(self, key: str) -> dict[str, Any]:
        post = self.stored.get(key)
        if post is None or post["visibility"] != "public":
            raise NotFoundError(f"there is no post {key}")
        return post


class Timeline:
    """Emits post events, waits for the report on each, and serves the posts."""

    def __init__(self) -> None:
        self.worker = IPCWorker("exprsn-timeline")
        self.posts = Posts()
        self.worker.resource("posts")(self.posts)
        self._reports: asyncio.Queue[tuple[str, dict[str, Any]]] = asyncio.Queue()
        self.worker.on("notification:*", "moderation:*", "cache:*", "users:*")(self._hear)

    async def _hear(self, data: dict[str, Any], ctx: EventContext) -> None:
        await self._reports.put((ctx.event, data))

    async def tell(self, event: str, post: dict[str, Any]) -> tuple[str, dict[str, Any]]:
        """Emit an event of a post and return the report on it: its name and its data."""
        self.posts.stored[post["id"]] = post
        if event == "post:deleted":
            del self.posts.stored[post["id"]]
        await self.worker.emit(event, post)
        async with asyncio.timeout(DEADLINE_S):
            name, data = await self._reports.get()
        assert (data["postId"], data["event"]) == (post["id"], event)
        assert isinstance(data["handledAt"], int)
        return name, data


class Overheard(MeshTransport):
    """Keeps what the hub sends."""

    frames: list[str]

    async def receive(self) -> str:
        frame = await super().receive()
        self.frames.append(frame)
        return frame


class Mesh:
    """Attaches workers to one Redis, and takes them off again."""

    def __init__(self, redis_url: str) -> None:
        self.timeline = Timeline()
        self._redis_url = redis_url
        self._workers: list[IPCWorker] = []
        self._frames: list[str] = []

    async def attach(self, worker: IPCWorker) -> None:
        """Start a worker and wait until it hears."""
        self._workers.append(worker)
        transport = Overheard(self._redis_url, worker.service)
        transport.frames = self._frames = []
        await worker.start(transport)
        async with asyncio.timeout(DEADLINE_S):
            await worker.ready()

    def sent(self) -> list[Any]:
        """Return the data of each event that the last worker was sent."""
        messages = [json.loads(line) for frame in self._frames for line in frame.splitlines()]
        return [message["data"] for message in messages if message["type"] == "event"]

    async def close(self) -> None:
        """Stop the workers."""
        for worker in self._workers:
            await worker.stop()


@pytest.fixture
async def mesh(redis_url: str, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Mesh]:
    """A mesh with nobody in it but Timeline."""
    monkeypatch.setenv("PREFETCH_REDIS_URL", redis_url)
    prefetch.cache.cache_clear()
    mesh = Mesh(redis_url)
    await mesh.attach(mesh.timeline.worker)
    yield mesh
    await mesh.close()
    await prefetch.cache().aclose()


@pytest.fixture
def post() -> dict[str, Any]:
    """A post as its event carries it."""
    return {
        "id": str(uuid.uuid4()),
        "userId": "ada",
        "content": "Good morning",
        "visibility": "public",
        "createdAt": "2026-11-23T07:00:00.000Z",
        "updatedAt": "2026-11-23T07:00:00.000Z",
    }


def deleted(post: dict[str, Any]) -> dict[str, Any]:
    """Return what the event of its deletion carries."""
    kept = {name: post[name] for name in ("id", "userId", "visibility")}
    return {**kept, "deletedAt": "2026-11-23T08:00:00.000Z"}
