"""The page of one event: its data as text, its way, its trace, and who would get it."""

from html import unescape

import pytest
from django.test import AsyncClient
from redis.asyncio import Redis

from bridge.console.event_rows import MAX_SHOWN
from ipc.hub.hub import Hub
from ipc.stores import keys
from tests.bridge.console.conftest import LogIn
from tests.bridge.console.mesh import EVIL, TRACE, Heard, emit

PATH = "/admin/console/explorer/event"


@pytest.fixture
async def client(log_in: LogIn) -> AsyncClient:
    return await log_in("ann", "view_event")


async def shown(client: AsyncClient, status: int = 200, **query: str) -> str:
    answer = await client.get(PATH, query)
    assert answer.status_code == status, answer.content
    return answer.content.decode()


async def test_it_is_for_who_may_see_events(log_in: LogIn, hub: Hub) -> None:
    event = await emit(hub)
    bob = await log_in("bob", "view_mesh")
    for path in (PATH, f"{PATH}.json"):
        assert (await bob.get(path, {"id": event.id})).status_code == 403
        assert (await AsyncClient().get(path)).status_code == 302


async def test_it_has_data_meta_trace_and_verdicts(client: AsyncClient, hub: Hub) -> None:
    first = await emit(hub, "post:created", {"n": [1, 2]}, meta=b'{"test":true}', traceparent=TRACE)
    await emit(hub, "post:indexed", target="herald", traceparent=TRACE)
    async with Heard().on(hub):
        page = unescape(await shown(client, id=first.id))
    for text in ('"n": [\n    1,', '"test": true', TRACE, "post:indexed", "herald/notify", "emitted from this console"):
        assert text in page, text


async def test_it_says_what_groups_have_done(client: AsyncClient, hub: Hub) -> None:
    async with Heard().on(hub) as herald:
        event = await emit(hub, "post:created")
        await herald.hears(1)
        while "acked" not in (page := await shown(client, id=event.id)):
            assert "delivered" in page


async def test_what_is_in_it_is_text(client: AsyncClient, hub: Hub) -> None:
    event = await emit(hub, data={EVIL: EVIL}, meta=f'{{"x":"{EVIL}"}}'.encode(), id="id<b>x")
    page = await shown(client, id=event.id)
    assert EVIL not in page
    assert "id<b>" not in page


async def test_large_data_are_cut_and_led_to(client: AsyncClient, hub: Hub) -> None:
    event = await emit(hub, data={"text": "x" * (2 * MAX_SHOWN), "end": "the end"})
    page = await shown(client, id=event.id)
    assert "are shown" in page
    assert "the end" not in page
    answer = await client.get(f"{PATH}.json", {"log": "broadcast", "position": event.position})
    assert answer["Content-Type"] == "application/json"
    assert "no-store" in answer["Cache-Control"]
    assert answer.json()["end"] == "the end"


@pytest.mark.parametrize(
    ("query", "status"),
    [({}, 400), ({"log": "nope", "position": "1-0"}, 404), ({"log": "broadcast", "position": "x"}, 400),
     ({"log": "broadcast"}, 400), ({"log": "broadcast", "position": "1-0"}, 404)],
)  # fmt: skip
async def test_data_that_are_not_there_are_not_found(
    client: AsyncClient, hub: Hub, query: dict[str, str], status: int
) -> None:
    answer = await client.get(f"{PATH}.json", query)
    assert (answer.status_code, answer.json()["success"]) == (status, False)


async def test_an_event_that_its_log_has_dropped_has_no_data(client: AsyncClient, hub: Hub, redis: Redis) -> None:
    event = await emit(hub)
    await redis.xtrim(keys.log("broadcast"), maxlen=0, approximate=False)
    assert "dropped from the log" in await shown(client, id=event.id, log="broadcast", position=event.position)


async def test_one_that_is_none_is_said_in_its_place(client: AsyncClient, hub: Hub) -> None:
    assert "Which event?" in await shown(client)
    assert "there is no event nothing" in await shown(client, 404, id="nothing")
    assert "has 1 to 64 characters" in await shown(client, 400, id="x" * 65)
    for source in ("timeline", "spark"):
        await emit(hub, id="same", by=f"exprsn-{source}")
    page = await shown(client, 409, id="same")
    assert "say which source is meant" in page
