"""A worker in a durable group, as a process of its own, that begins with everything and ends nothing.

Environment: BRIDGE_URL, IPC_CA_FILE. What it begins with it tells spark, as ``hang:begun``.
"""

import asyncio
from typing import Any

from ipc import EventContext, IPCWorker

GROUP = "notify"
CREDIT = 3
RETRY = {"ack_ms": 60_000, "backoff_ms": [100] * 5}

worker = IPCWorker("herald")


@worker.on("work:*", group=GROUP, credit=CREDIT, retry=RETRY)
async def handle(data: Any, ctx: EventContext) -> None:
    """Begin."""
    await worker.emit("hang:begun", data, target="spark")
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(worker.run())
