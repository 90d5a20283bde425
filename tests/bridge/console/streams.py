"""The feeds of the console as a browser hears them."""

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any, Final

from django.http import StreamingHttpResponse
from django.test import AsyncClient

OVERVIEW: Final = "/admin/console/feed"
EXPLORER: Final = "/admin/console/explorer/feed"
SESSION: Final = "/admin/console/services/herald/01/feed"
STREAM: Final = {"Accept": "text/event-stream"}
GUARD_S: Final = 20


async def events(
    client: AsyncClient, path: str = OVERVIEW, query: dict[str, str] | None = None, **headers: str
) -> AsyncGenerator[Any, None]:
    """Yield what a feed says, with the id of the event as ``id`` where it has one, until it ends."""
    answer: Any = await client.get(path, query, headers={**STREAM, **headers})
    assert isinstance(answer, StreamingHttpResponse), answer.content
    assert answer.headers["Content-Type"] == "text/event-stream"
    assert answer.headers["Cache-Control"] == "no-store"
    content: Any = answer.streaming_content
    async with asyncio.timeout(GUARD_S), aclosing(content) as parts:
        assert await anext(parts) == b"retry: 2000\n\n"
        async for part in parts:
            *before, data = part.decode().removesuffix("\n\n").split("\n")
            assert data.startswith("data: ")
            said = json.loads(data.removeprefix("data: "))
            yield {**said, "id": before[0].removeprefix("id: ")} if before else said
