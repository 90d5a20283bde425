"""An owner of the resource ``posts`` as a process of its own, that can be killed.

Environment: BRIDGE_URL, IPC_CA_FILE. ``hold``, and ``read`` with a query, say ``call:held`` and then take long;
``wait`` says it too, and waits for ``call:release``; ``read`` without a query, and ``add``, answer soon.
"""

import asyncio
import os
from typing import Any

from ipc import EventContext, IPCWorker

ipc = IPCWorker("timeline")
LONG_S = 50.0
released = asyncio.Event()


@ipc.on("call:release")
async def release(_data: Any, _ctx: EventContext) -> None:
    released.set()


@ipc.resource("posts")
class Posts:
    async def read(self, query: Any = None) -> int:
        if query:
            await self.hold()
        return os.getpid()

    async def add(self, data: int) -> int:
        await asyncio.sleep(0.02)
        return data + 1

    async def wait(self) -> int:
        await ipc.emit("call:held", os.getpid(), target="spark")
        await released.wait()
        return os.getpid()

    async def hold(self) -> None:
        await ipc.emit("call:held", os.getpid(), target="spark")
        await asyncio.sleep(LONG_S)


if __name__ == "__main__":
    asyncio.run(ipc.run())
