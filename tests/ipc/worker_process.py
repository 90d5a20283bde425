"""A worker in a process of its own: each job waits for a line on standard input, and is reported when it is done."""

import asyncio
import sys
from typing import Any

from ipc import EventContext, IPCWorker
from ipc.protocol.messages import Welcome

ipc = IPCWorker("herald")


@ipc.hook("ready")
async def ready(_: Welcome) -> None:
    await ipc.emit("worker:ready", target="spark")


@ipc.on("job:*")
async def work(data: Any, ctx: EventContext) -> None:
    await ipc.emit("work:begun", data, target="spark")
    await asyncio.to_thread(sys.stdin.readline)
    await ipc.emit("work:done", data, target="spark")


if __name__ == "__main__":
    asyncio.run(ipc.run())
