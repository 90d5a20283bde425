"""The event explorer: who sees events, which ones, in pages, and what comes while it is open."""

from html import unescape
from typing import Any

import pytest
from django.test import AsyncClient
from redis.asyncio import Redis

from bridge.console.explorer import COUNT
from ipc.hub.hub import Hub
from ipc.stores import keys
from tests.bridge.console.conftest import LogIn
from tests.bridge.console.mesh import EVIL, emit

PATH = "/admin/console/explorer"


@pytest.fixture
async def client(log_in: LogIn) -> AsyncClient:
    return await log_in("ann", "view_event")


async def events(client: AsyncClient, **query: str) -> list[str]:
    answer = await client.get(PATH, query)
    assert answer.status_code == 200, answer.content
    return [row["event"] for row in answer.context["rows"]]


async def test_it_is_for_staff_who_may_see_events(log_in: LogIn, hub: Hub) -> None:
    for client, status in (
        (AsyncClient(), 302),
        (await log_in("bob", "view_mesh"), 403),
        (await log_in("nobody", "view_event", is_staff=False), 302),
        (await log_in("ann", "view_event"), 200),
    ):
        assert (await client.get(PATH)).status_code == status


async def test_events_of_all_logs_newest_first_with_what_they_hold(client: AsyncClient, hub: Hub) -> None:
    await emit(hub, "a:one", {"n": 1})
    await emit(hub, "a:two", {"n": "x" * 500}, target="herald")
    await emit(hub, "a:three", target=["spark", "herald"])
    answer = await client.get(PATH)
    shown = [(row["event"], row["log"], row["source"], row["target"]) for row in answer.context["rows"]]
    assert sorted(shown[:2]) == [
        ("a:three", "exprsn-herald", "timeline", "spark, herald"),
        ("a:three", "exprsn-spark", "timeline", "spark, herald"),
    ]
    assert shown[2:] == [("a:two", "exprsn-herald", "timeline", "exprsn-herald".removeprefix("exprsn-")),
                         ("a:one", "broadcast", "timeline", "broadcast")]  # fmt: skip
    assert '{"n":1}' in unescape(answer.content.decode())
    assert "x" * 300 not in answer.content.decode()


async def test_what_events_hold_is_text(client: AsyncClient, hub: Hub) -> None:
    await emit(hub, "a:b", {EVIL: EVIL}, meta=b'{"test":true}')
    page = (await client.get(PATH)).content.decode()
    assert EVIL not in page
    assert "&lt;script&gt;" in page


async def test_filters_choose(client: AsyncClient, hub: Hub) -> None:
    await emit(hub, "post:created", {"n": 1})
    await emit(hub, "post:deleted", {"n": 9}, target="herald")
    await emit(hub, "user:updated", {"n": "?"})
    assert await events(client, pattern="post:*") == ["post:deleted", "post:created"]
    assert await events(client, log="exprsn-herald") == ["post:deleted"]
    assert await events(client, source="exprsn-spark") == []
    answer = await client.get(PATH, {"where": '{"$gt": [{"$var": "data.n"}, 5]}'})
    assert [row["event"] for row in answer.context["rows"]] == ["post:deleted"]
    assert "on 1 the condition could not be evaluated" in answer.content.decode()
    assert "feed?where=" in answer.context["feed"]


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ({"where": '{"$and": [{"$nope": 1}]}'}, "/$and/0/$nope"),
        ({"where": "{"}, "is not JSON"),
        ({"where": "5"}, "a condition is an operator"),
        ({"where": "x" * 9_000}, "at most 8192 characters"),
        ({"where": "[" * 100 + "]" * 100}, "nested at most 64"),
        ({"pattern": "::"}, "pattern"),
        ({"pattern": "a:\u0430"}, "pattern"),
        ({"log": "everything"}, "Select a valid choice"),
        ({"source": EVIL}, "Select a valid choice"),
    ],
)
async def test_a_mistake_is_said_beside_its_field(
    client: AsyncClient, hub: Hub, query: dict[str, str], said: str
) -> None:
    answer = await client.get(PATH, query)
    page = unescape(answer.content.decode())
    assert answer.status_code == 200
    assert said in page
    assert "rows" not in answer.context


async def test_pages_lead_to_older_ones(client: AsyncClient, hub: Hub) -> None:
    for number in range(COUNT + 2):
        await emit(hub, f"a:n{number}")
    first = await client.get(PATH)
    assert len(first.context["rows"]) == COUNT
    older = first.context["older"]
    assert f"before={older}" in first.content.decode()
    second = await client.get(PATH, {"before": older})
    assert [row["event"] for row in second.context["rows"]] == ["a:n1", "a:n0"]
    assert (second.context["older"], second.context["feed"]) == (None, "")


@pytest.mark.parametrize("before", ["x", "\x00", "1-0 +", "9" * 40])
async def test_a_place_that_is_none_is_refused(client: AsyncClient, hub: Hub, before: str) -> None:
    answer = await client.get(PATH, {"before": before})
    assert answer.status_code == 400
    assert "is not a position" in answer.content.decode()


async def test_what_somebody_else_put_into_a_log_is_passed_over(client: AsyncClient, hub: Hub, redis: Redis) -> None:
    await redis.xadd(keys.log("broadcast"), {"what": "this"})
    await emit(hub, "a:b")
    assert await events(client) == ["a:b"]


async def test_who_may_emit_is_led_there_and_an_empty_page_says_what_to_do(log_in: LogIn, hub: Hub) -> None:
    viewer, operator = await log_in("v", "view_event"), await log_in("o", "view_event", "emit_event")
    for client, leads in ((viewer, False), (operator, True)):
        page = (await client.get(PATH)).content.decode()
        assert "There are no events of this kind" in page
        assert ("explorer/emit" in page) is leads


async def test_without_a_mesh_it_says_so(client: AsyncClient) -> None:
    answer: Any = await client.get(PATH)
    assert answer.status_code == 503
    assert "has joined no mesh" in answer.content.decode()
