"""What keeps a worker, or curl, from connecting."""

import asyncio
import logging
import os
from pathlib import Path
from typing import Final
from unittest.mock import patch

from ipc import IPCWorker
from ipc.transports.tokens import token_source
from ipc.transports.websocket import WebSocketTransport
from tests.ports import free_port
from tests.scene import Scene
from tests.troubles.told import refusal

TIMEOUT_S: Final = 20.0


async def authority_unknown_to_curl(scene: Scene) -> str:
    return await asyncio.to_thread(scene.fail, "curl", f"{scene.url}/health")


async def environment_says_nothing(_scene: Scene) -> str:
    return await refusal(IPCWorker("pulse").start())


async def path_in_address(_scene: Scene) -> str:
    with patch.dict(os.environ, BRIDGE_URL="wss://localhost:3010/ipc"):
        return await refusal(IPCWorker("pulse").start())


async def no_bridge(scene: Scene) -> str:
    """Timeline, which gives no tokens."""
    url = f"wss://localhost:{scene.environment['TIMELINE_PORT']}"
    tokens = token_source("", url, "pulse", certs_dir=scene.certs_dir, ca_file=scene.ca_file)
    return await refusal(WebSocketTransport(url, "pulse", ca_file=scene.ca_file, tokens=tokens).connect())


async def without_tls(scene: Scene) -> str:
    return await refusal(WebSocketTransport(scene.socket_url.replace("wss:", "ws:"), "pulse").connect())


class Lines(logging.Handler):
    """The lines that a worker writes."""

    def __init__(self) -> None:
        super().__init__()
        self.queue: asyncio.Queue[str] = asyncio.Queue()

    def emit(self, record: logging.LogRecord) -> None:
        self.queue.put_nowait(record.getMessage())


async def not_connected(url: str, ca_file: Path | None) -> str:
    """Return what a worker writes that cannot connect."""
    lines, logger = Lines(), logging.getLogger("ipc.transports.link")
    logger.addHandler(lines)
    worker = IPCWorker("pulse")
    await worker.start(WebSocketTransport(url, "pulse", ca_file=ca_file))
    try:
        async with asyncio.timeout(TIMEOUT_S):
            return await lines.queue.get()
    finally:
        logger.removeHandler(lines)
        await worker.stop()


async def bridge_away(scene: Scene) -> str:
    return await not_connected(f"wss://localhost:{free_port()}", scene.ca_file)


async def authority_unknown(scene: Scene) -> str:
    return await not_connected(scene.socket_url, None)


async def service_unknown(_scene: Scene) -> str:
    return await refusal(asyncio.to_thread(IPCWorker, "timelime"))
