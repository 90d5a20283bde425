"""The application of that project: says what it knows, and can be made to be busy."""

import asyncio
import json
import os
from typing import Any

from django.conf import settings

SERVICE = settings.EXPRSN_SERVICE  # as a URLconf would: when it is loaded


async def application(scope: dict[str, Any], receive: Any, send: Any) -> None:
    """Answer HTTP with JSON, and a WebSocket with the length of each message."""
    if scope["type"] == "websocket":
        await _websocket(receive, send)
        return
    if scope["path"] == "/busy":
        print("busy", flush=True)  # noqa: T201 - the test reads it
        await asyncio.sleep(0.5)
    told = {"service": SERVICE, "scheme": scope["scheme"], "path": scope["path"], "pid": os.getpid()}
    told["redirects"] = settings.SECURE_SSL_REDIRECT
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": json.dumps(told).encode()})


async def _websocket(receive: Any, send: Any) -> None:
    await receive()
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] == "websocket.receive":
        await send({"type": "websocket.send", "text": str(len(message["text"]))})
