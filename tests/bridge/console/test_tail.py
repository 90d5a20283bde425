"""The feed of the explorer: what is new, once or as events, from where the browser was, and only to who may see it."""

from contextlib import aclosing

import pytest
from django.test import AsyncClient
from redis.asyncio import Redis

from bridge.console import stream
from bridge.console import tail as module
from bridge.console.tail import Tail, begin_of
from ipc.hub.hub import Hub
from ipc.stores.event_filter import EventFilter
from ipc.stores.event_search import LOGS
from tests.bridge.console.conftest import LogIn
from tests.bridge.console.mesh import emit
from tests.bridge.console.streams import EXPLORER, events

PAGE = "/admin/console/explorer"


@pytest.fixture
async def client(log_in: LogIn) -> AsyncClient:
    return await log_in("ann", "view_event")


class Browser:
    """A page that asks again and again, as `follow` of live.js does: each time with the place that it was given."""

    def __init__(self, client: AsyncClient, **query: str) -> None:
        self.client = client
        self.query = query
        self.has_skipped = False

    async def asks(self) -> list[str]:
        answer = await self.client.get(EXPLORER, self.query)
        assert answer.status_code == 200, answer.content
        found = answer.json()
        self.query["place"] = found["place"]
        self.has_skipped = found["skipped"]
        return [row["event"] for row in found["rows"]]


async def rows(client: AsyncClient, **query: str) -> list[str]:
    return await Browser(client, **query).asks()


async def test_it_is_for_staff_who_may_see_events(log_in: LogIn, hub: Hub) -> None:
    for client, status in (
        (AsyncClient(), 403),
        (await log_in("bob", "view_mesh"), 403),
        (await log_in("nobody", "view_event", is_staff=False), 403),
        (await log_in("ann", "view_event"), 200),
    ):
        assert (await client.get(EXPLORER)).status_code == status


async def test_asked_once_it_says_what_came_after_a_position(client: AsyncClient, hub: Hub) -> None:
    """It may repeat what is a second older: the page knows what it has."""
    await emit(hub, "a:one", target="herald")
    two = await emit(hub, "a:two")
    assert await rows(client, after="1-0") == ["a:two", "a:one"]
    ms = int(two.position.partition("-")[0])
    assert await rows(client, after=f"{ms + module.OVERLAP_MS + 60_000}-0") == []
    assert await rows(client, after="1-0", pattern="*:one") == ["a:one"]
    assert await rows(client, after="1-0", log="broadcast") == ["a:two"]


@pytest.mark.parametrize("query", [{}, {"pattern": "a:*"}, {"log": "broadcast"}])
async def test_who_asks_again_and_again_and_began_with_nothing_gets_each_event_once(
    client: AsyncClient, hub: Hub, query: dict[str, str]
) -> None:
    browser = Browser(client, **query)
    assert await browser.asks() == []
    for name in ("a:one", "a:two", "a:three"):
        await emit(hub, name)
        assert await browser.asks() == [name]
    assert await browser.asks() == []


async def test_who_asks_again_and_again_is_not_told_that_some_were_left_out_when_none_were(
    client: AsyncClient, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "COUNT", 3)
    await emit(hub, "a:before")
    browser = Browser(client, after="1-0")
    assert await browser.asks() == ["a:before"]
    for _ in range(3):
        for number in range(2):
            await emit(hub, f"a:n{number}")
        assert (await browser.asks(), browser.has_skipped) == (["a:n1", "a:n0"], False)
    for number in range(4):
        await emit(hub, f"a:n{number}")
    assert (await browser.asks(), browser.has_skipped) == (["a:n3", "a:n2", "a:n1"], True)


async def test_the_feed_of_a_page_has_what_came_while_the_page_was_on_its_way(client: AsyncClient, hub: Hub) -> None:
    """Also of a page that has nothing to show, so no event to begin after."""
    page = await client.get(PAGE, {"pattern": "a:*"})
    assert page.context["rows"] == []
    await emit(hub, "a:one")
    answer = await client.get(page.context["feed"])
    assert [row["event"] for row in answer.json()["rows"]] == ["a:one"]


async def test_each_look_has_what_is_new_and_says_if_that_was_too_much(
    hub: Hub, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    await emit(hub, "a:before")
    tail = Tail(redis, begin_of("1-0", LOGS), EventFilter())
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
    """Each event has the place as its id, that of a page with nothing, too; a browser comes back with it."""
    monkeypatch.setattr(stream, "EVERY_S", 0.01)
    async with aclosing(events(client, EXPLORER)) as feed:
        begun = await anext(feed)
        assert (begun["rows"], begun["id"]) == ([], begun["place"])
    await emit(hub, "a:one", {"n": 1})
    async with aclosing(events(client, EXPLORER, **{"Last-Event-ID": begun["id"]})) as feed:
        said = await anext(feed)
        assert [row["event"] for row in said["rows"]] == ["a:one"]
        await emit(hub, "a:two")
        said = await anext(feed)
        while not said["rows"]:
            said = await anext(feed)
        assert [row["event"] for row in said["rows"]] == ["a:two"]
    assert await rows(client, place=said["id"]) == []


@pytest.mark.parametrize(
    "query",
    [
        {"where": "{"},
        {"after": "x"},
        {"log": "nope"},
        {"pattern": "::"},
        {"place": "x"},
        {"place": "1-0"},
        {"place": "1-0,1-0", "log": "broadcast"},
        {"place": ",".join(["1-0"] * (len(LOGS) - 1))},
        {"place": ",".join(["1-0"] * (len(LOGS) - 1) + ["-1-0"])},
        {"place": "1-0," * 10_000},
        {"place": "9" * 2_000, "log": "broadcast"},
    ],
)
async def test_a_question_that_makes_no_sense_is_refused(client: AsyncClient, hub: Hub, query: dict[str, str]) -> None:
    answer = await client.get(EXPLORER, query)
    assert answer.status_code == 400
    assert len(answer.content) < 500
