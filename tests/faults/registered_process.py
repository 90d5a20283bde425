"""A herald with a hub of its own, whose entry in the registry holds for two seconds, for tests to kill."""

import asyncio
import os
from functools import partial

from ipc import IPCWorker
from ipc.hub import hub, mesh
from ipc.stores.registry import Registry
from ipc.transports.local import LocalTransport

TTL_S = 2.0


async def main() -> None:
    """Attach, say so, and stay until killed."""
    # A minute is long for a test.
    vars(hub)["HEARTBEAT_S"] = 0.3
    vars(mesh)["Registry"] = partial(Registry, ttl_s=TTL_S)
    joined = await mesh.Mesh(os.environ["REDIS_URL"]).start()
    worker = IPCWorker("herald")
    await worker.start(LocalTransport(joined.hub, "herald"))
    await worker.ready()
    print("ready", flush=True)  # noqa: T201 - what the test waits for
    await asyncio.Event().wait()


if __name__ == "__main__":
    asyncio.run(main())
