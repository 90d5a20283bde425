"""The live feed: who gets it, what it says, and when it ends."""

import asyncio
import json
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.http import StreamingHttpResponse
from django.test import AsyncClient

from bridge.console import feed
from ipc.django_app.runtime import Runtime
from tests.bridge.console.conftest import LogIn
from tests.ipc.durable import eventually

PATH = "/admin/console/feed"
STREAM = {"Accept": "text/event-stream"}


@pytest.fixture
async def client(log_in: LogIn) -> AsyncClient:
    return await log_in("ann", "view_mesh")


@pytest.fixture
def checked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(feed, "CHECKED_EVERY_S", 0.0)


async def events(client: AsyncClient, about: str = "overview") -> AsyncGenerator[Any, None]:
    """Yield what the feed says, until it ends."""
    answer: Any = await client.get(PATH, {"about": about}, headers=STREAM)
    assert isinstance(answer, StreamingHttpResponse)
    assert answer.headers["Content-Type"] == "text/event-stream"
    assert answer.headers["Cache-Control"] == "no-store"
    content: Any = answer.streaming_content
    async with asyncio.timeout(20), aclosing(content) as parts:
        assert await anext(parts) == b"retry: 2000\n\n"
        async for part in parts:
            assert part.startswith(b"data: ")
            assert part.endswith(b"\n\n")
            yield json.loads(part.removeprefix(b"data: "))


async def test_it_is_for_staff_with_the_permission_and_for_nobody_else(log_in: LogIn, runtime: Runtime) -> None:
    for client, status in (
        (AsyncClient(), 403),
        (await log_in("nobody", "view_mesh", is_staff=False), 403),
        (await log_in("gone", "view_mesh", is_active=False), 403),
        (await log_in("bob"), 403),
        (await log_in("cid", "view_audit"), 403),
        (await log_in("ann", "view_mesh"), 200),
        (await log_in("root", is_superuser=True), 200),
    ):
        for path in (PATH, "/admin/console/series"):
            assert (await client.get(path)).status_code == status
        if status != 200:
            assert (await client.get(PATH, headers=STREAM)).status_code == status


async def test_it_says_one_thing_a_second(client: AsyncClient, runtime: Runtime) -> None:
    seen = []
    async with aclosing(events(client)) as feed_of:
        async for said in feed_of:
            seen.append(said["atMs"])
            if len(seen) == 3:
                break
    assert seen == sorted(set(seen))


@pytest.mark.parametrize("about", list(feed.TOPICS))
async def test_who_asks_again_and_again_gets_the_same_once(client: AsyncClient, runtime: Runtime, about: str) -> None:
    answer = await client.get(PATH, {"about": about})
    assert answer.headers["Content-Type"] == "application/json"
    async with aclosing(events(client, about)) as feed_of:
        assert set(await anext(feed_of)) == set(answer.json())


async def test_it_ends_when_the_session_ends(client: AsyncClient, runtime: Runtime, checked_at_once: None) -> None:
    async with aclosing(events(client)) as feed_of:
        await anext(feed_of)
        await Session.objects.all().adelete()
        assert [said async for said in feed_of] == []


async def test_it_ends_when_the_permission_is_taken(
    client: AsyncClient, runtime: Runtime, checked_at_once: None
) -> None:
    async with aclosing(events(client)) as feed_of:
        await anext(feed_of)
        user = await User.objects.aget(username="ann")
        await user.user_permissions.aclear()
        assert [said async for said in feed_of] == []


async def test_it_ends_when_the_process_drains(client: AsyncClient, runtime: Runtime) -> None:
    async with aclosing(events(client)) as feed_of:
        await anext(feed_of)
        await runtime.drain()
        assert [said async for said in feed_of] == []


async def test_there_are_so_many_and_no_more(
    client: AsyncClient, runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever is one too many still gets JSON; a place is free again when somebody has left."""
    monkeypatch.setattr(feed, "MAX_FEEDS", 1)
    async with aclosing(events(client)) as feed_of:
        await anext(feed_of)
        refused = await client.get(PATH, headers=STREAM)
        assert (refused.status_code, refused.json()["error"]) == (503, "OVERLOADED")
        assert (await client.get(PATH)).status_code == 200

    async def has_room() -> bool:
        answer: Any = await client.get(PATH, headers=STREAM)
        return isinstance(answer, StreamingHttpResponse)

    await eventually(has_room)


async def test_what_there_is_not_is_not_found(client: AsyncClient, runtime: Runtime) -> None:
    answer = await client.get(PATH, {"about": "<script>"})
    assert (answer.status_code, answer.json()["error"]) == (404, "NOT_FOUND")
    answer = await client.get("/admin/console/series", {"span": "1y"})
    assert (answer.status_code, answer.json()["error"]) == (404, "NOT_FOUND")


async def test_without_a_mesh_it_says_so(client: AsyncClient) -> None:
    for path in (PATH, "/admin/console/series"):
        answer = await client.get(path)
        assert (answer.status_code, answer.json()["error"]) == (503, "UNAVAILABLE")


async def test_a_client_that_goes_away_leaves_its_place(client: AsyncClient, runtime: Runtime) -> None:
    hub = runtime.hub
    assert hub is not None

    async def listen() -> None:
        async with aclosing(events(client)) as feed_of:
            async for _ in feed_of:
                pass

    async def is_open() -> bool:
        return feed._OPEN.get(hub, 0) == 1

    listening = asyncio.create_task(listen())
    await eventually(is_open)
    listening.cancel()
    await asyncio.gather(listening, return_exceptions=True)
    assert feed._OPEN[hub] == 0
