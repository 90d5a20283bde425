"""A stranger at the native door that does not read what it is refused with."""

import asyncio
from typing import Any

import pytest

from bridge.doors import websocket
from bridge.doors.websocket import NativeConsumer

DEADLINE_S = 20.0


@pytest.mark.parametrize("taken", ["websocket.accept", "websocket.send"], ids=["not the error", "not the close"])
async def test_one_that_takes_nothing_keeps_nobody_waiting(monkeypatch: pytest.MonkeyPatch, taken: str) -> None:
    """Neither the error nor the close code; the server drops it when the application has ended."""
    monkeypatch.setattr(websocket, "CLOSE_TIMEOUT_S", 0.01)
    tried: list[str] = []

    async def receive() -> dict[str, Any]:
        return {"type": "websocket.connect"}

    async def send(message: dict[str, Any]) -> None:
        tried.append(message["type"])
        if message["type"] not in ("websocket.accept", taken):
            await asyncio.get_running_loop().create_future()

    scope = {"headers": [], "url_route": {"kwargs": {"service": "nobody"}}}
    async with asyncio.timeout(DEADLINE_S):
        await asyncio.create_task(NativeConsumer()(scope, receive, send))
    assert tried == ["websocket.accept", "websocket.send", "websocket.close"]
