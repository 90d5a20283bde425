"""Calls that come to nothing."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from ipc import IPCWorker
from tests.scene import Scene
from tests.troubles.told import first_error, refusal


class Maps:
    """A resource whose owner waits, or breaks."""

    def __init__(self) -> None:
        self.has_begun = asyncio.Event()
        self.goes_on = asyncio.Event()

    async def wait(self) -> None:
        self.has_begun.set()
        await self.goes_on.wait()

    async def break_down(self) -> None:
        raise KeyError("stock")


@asynccontextmanager
async def owned(scene: Scene, *, limit: int | None = None) -> AsyncIterator[tuple[IPCWorker, Maps]]:
    """A worker that serves a resource, and calls it too."""
    worker, maps = IPCWorker("svr"), Maps()
    worker.resource("maps", limit=limit)(maps)
    async with scene.worker(worker):
        yield worker, maps


async def nobody_serves(scene: Scene) -> str:
    async with scene.worker(IPCWorker("svr")) as worker:
        return await refusal(worker.read("stocks", key="1"))


async def too_late(scene: Scene) -> str:
    async with owned(scene) as (worker, _):
        return await refusal(worker.call("maps", "wait", timeout_s=0.3))


async def broken(scene: Scene, *, times: int = 1) -> str:
    async with owned(scene) as (worker, _):
        return [await refusal(worker.call("maps", "break_down")) for _ in range(times)][-1]


async def too_much_at_once(scene: Scene) -> str:
    async with owned(scene, limit=1) as (worker, maps):
        waiting = asyncio.create_task(worker.call("maps", "wait"))
        await maps.has_begun.wait()
        said = await refusal(worker.call("maps", "wait"))
        maps.goes_on.set()
        await waiting
        return said


async def served_by_another(scene: Scene) -> str:
    """Posts are Timeline's."""
    worker = IPCWorker("svr")
    worker.resource("posts")(Maps())
    return await first_error(scene, worker)


async def key_as_query(scene: Scene) -> str:
    async with scene.worker(IPCWorker("svr")) as worker:
        return await refusal(worker.read("posts", "6f1c5a52-5b0c-4b4e-9c69-6a9df2c3b6f1"))
