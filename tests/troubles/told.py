"""What whoever is at fault is told: by an exception, by an answer, or by a hook."""

import asyncio
from collections.abc import Awaitable
from typing import Any, Final

from django.core.exceptions import ImproperlyConfigured

from exprsn.supervision.preparation import PreparationError
from ipc import IPCError, IPCWorker
from tests.scene import Scene

TIMEOUT_S: Final = 20.0


async def refusal(work: Awaitable[object]) -> str:
    """Return the error that something ends with."""
    try:
        await work
    except (IPCError, PreparationError, ImproperlyConfigured) as error:
        return str(error)
    raise AssertionError("nothing went wrong")


async def said_of(answer: Awaitable[Any]) -> str:
    said = await answer
    return f"{said['error']}: {said['message']}"


async def first_error(scene: Scene, worker: IPCWorker, **options: Any) -> str:
    """Return what the hook of a worker is told first."""
    errors: asyncio.Queue[str] = asyncio.Queue()
    worker.hook("error")(lambda error: errors.put_nowait(str(error)))
    await worker.start(scene.transport(worker.service), **options)
    try:
        async with asyncio.timeout(TIMEOUT_S):
            return await errors.get()
    finally:
        await worker.stop()
