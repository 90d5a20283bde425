"""What all feeds have in common: how many there are, what a browser comes back with, and when one ends."""

import asyncio
import gc
from collections.abc import Iterator
from contextlib import aclosing, suppress
from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.models import User
from django.contrib.sessions.models import Session
from django.test import AsyncClient

from bridge.console import stream
from bridge.console.stream import Said, Stream, open_now
from ipc.django_app.runtime import Runtime
from ipc.hub.hub import Hub
from ipc.protocol.errors import UnavailableError
from tests.bridge.console.conftest import LogIn
from tests.bridge.console.streams import EXPLORER, GUARD_S, OVERVIEW, SESSION, STREAM, events

FEEDS = (OVERVIEW, EXPLORER, SESSION)


@pytest.fixture
async def client(log_in: LogIn) -> AsyncClient:
    return await log_in("ann", "view_mesh", "view_event")


@pytest.fixture
def checked_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "CHECKED_EVERY_S", 0.0)


@pytest.fixture
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream, "EVERY_S", 0.001)


@pytest.mark.parametrize("path", FEEDS)
async def test_each_ends_when_the_session_ends(client: AsyncClient, hub: Hub, checked_at_once: None, path: str) -> None:
    async with aclosing(events(client, path)) as feed:
        await anext(feed)
        await Session.objects.all().adelete()
        assert [said async for said in feed] == []
    assert open_now(hub) == 0


@pytest.mark.parametrize("path", FEEDS)
async def test_each_ends_when_the_permission_is_taken(
    client: AsyncClient, hub: Hub, checked_at_once: None, path: str
) -> None:
    async with aclosing(events(client, path)) as feed:
        await anext(feed)
        user = await User.objects.aget(username="ann")
        await user.user_permissions.aclear()
        assert [said async for said in feed] == []
    assert (await client.get(path)).status_code == 403


async def test_it_ends_when_the_process_drains(client: AsyncClient, runtime: Runtime) -> None:
    async with aclosing(events(client)) as feed:
        await anext(feed)
        await runtime.drain()
        assert [said async for said in feed] == []


async def test_there_are_so_many_of_all_kinds_and_no_more(
    client: AsyncClient, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whoever is one too many still gets JSON; one counts from its answer on, before anybody has read of it."""
    monkeypatch.setattr(stream, "MAX_STREAMS", 2)
    unread = [await client.get(path, headers=STREAM) for path in (OVERVIEW, EXPLORER)]
    for path in FEEDS:
        refused = await client.get(path, headers=STREAM)
        assert (refused.status_code, refused.json()["error"]) == (503, "OVERLOADED")
        assert (await client.get(path)).status_code == 200
    # As Django does it when a browser has gone before the first word.
    await sync_to_async(unread[0].close)()
    async with aclosing(events(client, SESSION)) as feed:
        await anext(feed)
        assert open_now(hub) == 2


async def test_one_that_was_dropped_before_it_began_is_counted_no_longer(hub: Hub) -> None:
    """As where a request is cancelled between the view and its answer."""
    Stream(hub, _silent, _yes)
    gc.collect()
    assert open_now(hub) == 0


async def test_a_browser_that_goes_away_leaves_its_place(client: AsyncClient, hub: Hub) -> None:
    has_heard = asyncio.Event()

    async def listen() -> None:
        async with aclosing(events(client)) as feed:
            async for _ in feed:
                has_heard.set()

    listening = asyncio.create_task(listen())
    async with asyncio.timeout(GUARD_S):
        await has_heard.wait()
    assert open_now(hub) == 1
    listening.cancel()
    await asyncio.gather(listening, return_exceptions=True)
    assert open_now(hub) == 0


async def test_one_ends_though_what_it_waits_for_keeps_the_cancellation_to_itself(hub: Hub, fast: None) -> None:
    """As `asyncio.wait_for` of Python 3.11 does, with which commands go to Redis."""
    has_begun = asyncio.Event()

    async def tell() -> Said:
        if has_begun.is_set():
            raise AssertionError("it was asked again")
        has_begun.set()
        with suppress(asyncio.CancelledError):
            await asyncio.Event().wait()
        return Said("1")

    async def listen() -> list[str]:
        return [part async for part in _parts(Stream(hub, tell, _yes))]

    listening = asyncio.create_task(listen())
    async with asyncio.timeout(GUARD_S):
        await has_begun.wait()
        listening.cancel()
        assert await listening == ["retry: 2000\n\n"]
    assert open_now(hub) == 0


async def test_what_has_not_changed_is_not_said_again_until_it_was_quiet_for_long(
    hub: Hub, fast: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    said = iter(["1", "1", "2", "2", "2", "3"])

    async def tell() -> Said:
        return Said(next(said), "here")

    async with aclosing(_parts(Stream(hub, tell, _yes))) as parts:
        assert [await anext(parts) for _ in range(4)] == ["retry: 2000\n\n", *_told("1", "2", "3")]
    monkeypatch.setattr(stream, "QUIET_S", -1.0)
    async with aclosing(_parts(Stream(hub, _silent, _yes))) as parts:
        assert [await anext(parts) for _ in range(3)] == ["retry: 2000\n\n", "data: 0\n\n", "data: 0\n\n"]


async def test_what_cannot_be_read_is_said_and_does_not_end_it(hub: Hub, fast: None) -> None:
    outcomes: Iterator[Exception | Said] = iter([UnavailableError("Redis is away"), Said("1")])

    async def tell() -> Said:
        outcome = next(outcomes)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    async with aclosing(_parts(Stream(hub, tell, _yes))) as parts:
        said = [await anext(parts) for _ in range(3)]
    assert said[1:] == ['data: {"problem":"Redis is away"}\n\n', "data: 1\n\n"]


@pytest.mark.parametrize("path", FEEDS)
async def test_without_a_mesh_each_says_so(client: AsyncClient, path: str) -> None:
    answer = await client.get(path)
    assert (answer.status_code, answer.json()["error"]) == (503, "UNAVAILABLE")


async def _yes() -> bool:
    return True


async def _silent() -> Said:
    return Said("0")


def _parts(feed: Stream) -> Any:
    return aiter(feed)


def _told(*texts: str) -> list[str]:
    return [f"id: here\ndata: {text}\n\n" for text in texts]
