"""A publisher in a process of its own: it emits numbers one after the other, and says the position of each.

Arguments: its name, the event, how many. Environment: BRIDGE_URL, IPC_CA_FILE.
"""

import asyncio
import sys

from ipc import IPCWorker


async def main(name: str, event: str, count: int) -> None:
    """Emit, print the positions, and leave."""
    worker = IPCWorker("timeline")
    await worker.start()
    for number in range(count):
        position = await worker.emit(event, [name, number], target="herald")
        print(position, flush=True)  # noqa: T201 - its answer
    await worker.stop()


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1], sys.argv[2], int(sys.argv[3])))
