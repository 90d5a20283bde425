"""The feed of the explorer: what is new, once or as events, and only to who may see it."""

import json
from contextlib import aclosing
from typing import Any

import pytest
from django.http import StreamingHttpResponse
from django.test import AsyncClient

from bridge.console import tail as module
from bridge.console.tail import Tail
from ipc.hub.hub import Hub
from ipc.stores.event_filter import EventFilter
from ipc.stores.event_search import LOGS
from tests.bridge.console.conftest import LogIn
from tests.bridge.console.mesh import emit

PATH = "/admin/console/explorer/feed"
EVENTS = {"Accept": "text/event-stream"}


@pytest.fixture
async def client(log_in: LogIn) -> AsyncClient:
    return await log_in("ann", "view_event")


async def rows(client: AsyncClient, **query: str) -> list[str]:
    answer = await client.get(PATH, query)
    assert answer.status_code == 200, answer.content
    return [row["event"] for row in answer.json()["rows"]]


async def test_it_is_for_staff_who_may_see_events(log_in: LogIn, hub: Hub) -> None:
    for client, status in (
        (AsyncClient(), 403),
        (await log_in("bob", "view_mesh"), 403),
        (await log_in("nobody", "view_event", is_staff=False), 403),
        (await log_in("ann", "view_event"), 200),
    ):
        assert (await client.get(PATH)).status_code == status


async def test_asked_once_it_says_what_came_after_a_position(client: AsyncClient, hub: Hub) -> None:
    """It may repeat what is a second older: the page knows what it has."""
    await emit(hub, "a:one", target="herald")
    two = await emit(hub, "a:two")
    assert await rows(client, after="1-0") == ["a:two", "a:one"]
    ms = int(two.position.partition("-")[0])
    assert await rows(client, after=f"{ms + module.OVERLAP_MS + 60_000}-0") == []
    assert await rows(client, after="1-0", pattern="*:one") == ["a:one"]
    assert await rows(client, after="1-0", log="broadcast") == ["a:two"]


async def test_each_look_has_what_is_new_and_says_if_that_was_too_much(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    await emit(hub, "a:before")
    tail = Tail(LOGS, EventFilter(), "1-0")
    assert [row["event"] for row in (await tail.next())["rows"]] == ["a:before"]
    assert await tail.next() == {"rows": [], "skipped": False}
    await emit(hub, "a:one")
    await emit(hub, "a:two", target="herald")
    found = await tail.next()
    assert [row["event"] for row in found["rows"]] == ["a:two", "a:one"]
    monkeypatch.setattr(module, "COUNT", 3)
    for number in range(5):
        await emit(hub, f"a:n{number}")
    found = await tail.next()
    assert ([row["event"] for row in found["rows"]], found["skipped"]) == (["a:n4", "a:n3", "a:n2"], True)
    assert await tail.next() == {"rows": [], "skipped": False}


async def test_as_events_it_goes_on_from_where_the_browser_was(
    client: AsyncClient, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "EVERY_S", 0.0)
    emitted = await emit(hub, "a:one", {"n": 1})
    answer: Any = await client.get(PATH, headers={**EVENTS, "Last-Event-ID": "1-0"})
    assert isinstance(answer, StreamingHttpResponse)
    assert (answer["Content-Type"], answer["Cache-Control"]) == ("text/event-stream", "no-store")
    parts = aiter(answer)
    assert await anext(parts) == b"retry: 2000\n\n"
    place, data, *_ = (await anext(parts)).decode().splitlines()
    assert place == f"id: {emitted.position}"
    assert [row["event"] for row in json.loads(data.removeprefix("data: "))["rows"]] == ["a:one"]
    await emit(hub, "a:two")
    assert "a:two" in (await anext(parts)).decode()


async def test_a_feed_that_is_left_counts_no_longer(log_in: LogIn, hub: Hub) -> None:
    client = await log_in("ann", "view_event")
    await emit(hub)
    events = module._events(hub, Tail(LOGS, EventFilter(), "1-0"), client.session.session_key)
    async with aclosing(events):
        await anext(events)
        assert module._OPEN[hub] == 1
    assert module._OPEN[hub] == 0


async def test_a_feed_ends_when_somebody_may_look_no_longer(
    log_in: LogIn, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "EVERY_S", 0.0)
    monkeypatch.setattr(module, "CHECKED_EVERY_S", 0.0)
    events = module._events(hub, Tail(LOGS, EventFilter(), "1-0"), "no session")
    assert [part async for part in events] == ["retry: 2000\n\n"]


@pytest.mark.parametrize(
    ("query", "status"),
    [({"where": "{"}, 400), ({"after": "x"}, 400), ({"log": "nope"}, 400), ({"pattern": "::"}, 400)],
)
async def test_a_question_that_makes_no_sense_is_refused(
    client: AsyncClient, hub: Hub, query: dict[str, str], status: int
) -> None:
    assert (await client.get(PATH, query)).status_code == status


async def test_there_are_no_more_of_them_than_a_process_bears(
    client: AsyncClient, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "MAX_FEEDS", 0)
    answer = await client.get(PATH, headers=EVENTS)
    assert (answer.status_code, answer.json()["error"]) == (503, "OVERLOADED")
    assert (await client.get(PATH)).status_code == 200
