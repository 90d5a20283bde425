"""A relay as a process of its own, that appends what it sends to a file; run by the tests that kill it.

Usage: ``python -m tests.ipc.django_app.relay_process FILE LEASE_S SECONDS_PER_SEND``, with the database in
``DATABASE_URL``.
"""

import asyncio
import os
import sys
from typing import Any

import django


async def main(path: str, lease_s: float, seconds_per_send: float) -> None:
    from ipc.django_app.relay import Relay

    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)

    async def emit(event: str, data: Any, **rest: Any) -> str:
        os.write(descriptor, f"{rest['id']} {data[0]} {data[1]}\n".encode())
        await asyncio.sleep(seconds_per_send)
        return "1-0"

    await Relay(emit, batch=4, lease_s=lease_s, poll_s=0.02, send_timeout_s=60).run()


if __name__ == "__main__":
    os.environ["DJANGO_SETTINGS_MODULE"] = "exprsn.settings"
    django.setup()
    asyncio.run(main(sys.argv[1], float(sys.argv[2]), float(sys.argv[3])))
