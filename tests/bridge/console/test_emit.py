"""Trying an event: who would get it, and emitting it as the bridge, marked and written down."""

import json
from html import unescape

import pytest
from django.test import AsyncClient
from redis.asyncio import Redis

from ipc.hub.hub import Hub
from ipc.stores import keys
from ipc.stores.audit import Audit
from ipc.stores.audit_filter import AuditFilter
from tests.bridge.console.conftest import LogIn
from tests.bridge.console.mesh import EVIL, Heard

PATH = "/admin/console/explorer/emit"


@pytest.fixture
async def client(log_in: LogIn) -> AsyncClient:
    return await log_in("olga", "view_event", "emit_event")


async def test_it_is_for_operators(log_in: LogIn, hub: Hub, redis: Redis) -> None:
    viewer = await log_in("v", "view_event", "view_mesh")
    assert (await viewer.get(PATH)).status_code == 403
    assert (await viewer.post(PATH, {"event": "a:b", "emit": ""})).status_code == 403
    assert await redis.xlen(keys.log("broadcast")) == 0


async def test_explaining_emits_nothing(client: AsyncClient, hub: Hub, redis: Redis) -> None:
    async with Heard().on(hub):
        before = await redis.xlen(keys.log("broadcast"))
        answer = await client.post(PATH, {"event": "post:created", "payload": '{"a": 1}', "explain": ""})
        assert await redis.xlen(keys.log("broadcast")) == before
    page = unescape(answer.content.decode())
    assert "herald/notify" in page
    assert "gets it" in page
    assert answer.context["emitted"] is None


async def test_it_is_emitted_marked_and_written_down(client: AsyncClient, hub: Hub, redis: Redis) -> None:
    async with Heard().on(hub) as herald:
        answer = await client.post(
            PATH, {"event": "post:created", "target": "herald, spark", "payload": '{"a": 1}', "emit": ""}
        )
        ((data, ctx),) = await herald.hears(1)
    assert (data, ctx.meta, ctx.source) == ({"a": 1}, {"test": True}, "exprsn-bridge")
    assert answer.context["emitted"].id == ctx.id
    (entry,) = (await Audit(redis).read(AuditFilter(action="event.test"))).entries
    assert entry.subject == "post:created"
    assert entry.by.startswith("operator ")
    assert entry.details == {"id": ctx.id, "target": ["herald", "spark"]}
    assert json.dumps({"a": 1}) not in str(entry)


@pytest.mark.parametrize(
    ("said", "wrong"),
    [
        ({"event": "nope"}, "event"),
        ({"event": EVIL}, "event"),
        ({"event": "a:b", "payload": "{"}, "is not JSON"),
        ({"event": "a:b", "payload": "[" * 70 + "]" * 70}, "nested at most 64"),
        ({"event": "a:b", "payload": json.dumps("x" * 300_000)}, "data has at most"),
        ({"event": "a:b", "target": "nobody"}, "unknown target"),
        ({"event": "a:b", "target": ",".join(["herald"] * 40)}, "1 to 32"),
        ({"event": "service:online"}, "only the mesh itself"),
        ({}, "This field is required"),
    ],
)
async def test_what_is_wrong_is_said_and_nothing_is_emitted(
    client: AsyncClient, hub: Hub, redis: Redis, said: dict[str, str], wrong: str
) -> None:
    answer = await client.post(PATH, {**said, "emit": ""})
    assert 400 <= answer.status_code < 500
    page = answer.content.decode()
    assert wrong in unescape(page)
    assert EVIL not in page
    assert await redis.xlen(keys.log("broadcast")) == 0


async def test_a_page_of_another_site_cannot_post(log_in: LogIn, hub: Hub) -> None:
    olga = await log_in("olga", "emit_event")
    strict = AsyncClient(enforce_csrf_checks=True)
    strict.cookies = olga.cookies
    assert (await strict.post(PATH, {"event": "a:b", "emit": ""})).status_code == 403
