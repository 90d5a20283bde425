"""A worker in two durable groups, as a process of its own that can be killed: it writes down what it has handled.

Environment: BRIDGE_URL, IPC_CA_FILE, HANDLED_FILE. A line is the group's name and the event's id, written before the
event is acknowledged, so that what the file lacks was not handled.
"""

import asyncio
import os
from typing import Any

from ipc import EventContext, IPCWorker

SERVICE = "exprsn-herald"
GROUPS = ("notify", "audit")
CREDIT = 32
RETRY = {"ack_ms": 3_000, "backoff_ms": [100] * 10}
WORK_S = 0.01


def main() -> None:
    """Run until stopped."""
    worker = IPCWorker(SERVICE)
    handled = os.open(os.environ["HANDLED_FILE"], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    for group in GROUPS:

        @worker.on("durable:*", group=group, credit=CREDIT, retry=RETRY)
        async def handle(data: Any, ctx: EventContext, group: str = group) -> None:
            # Long enough for a kill to find the handler in the middle of its work.
            await asyncio.sleep(WORK_S)
            os.write(handled, f"{group} {ctx.id}\n".encode())

    asyncio.run(worker.run())


if __name__ == "__main__":
    main()
