"""The groups: all of them, one with what is pending, and replays into it, for who may do that."""

import asyncio
import json
from html import unescape
from typing import Any

import pytest
from django.test import AsyncClient
from redis.asyncio import Redis

from ipc.hub import group_task
from ipc.hub.hub import Hub
from ipc.protocol.delivery_status import Note
from ipc.stores.audit import Audit
from ipc.stores.audit_filter import AuditFilter
from ipc.stores.groups import Groups
from ipc.stores.ledger import Ledger
from tests.bridge.console.conftest import LogIn
from tests.bridge.console.mesh import EVIL, GUARD_S, HERALD, NOTIFY, Heard, bury, emit, make_group

PATH = "/admin/console/groups"
GROUP = f"{PATH}/herald/{NOTIFY}"
NAME = f"{HERALD}/{NOTIFY}"
JSON = {"Accept": "application/json"}


@pytest.fixture
async def client(log_in: LogIn) -> AsyncClient:
    return await log_in("ann", "view_mesh", "view_event")


@pytest.fixture
async def operator(log_in: LogIn) -> AsyncClient:
    return await log_in("olga", "view_mesh", "replay_log")


async def test_they_are_for_who_may_see_the_mesh(log_in: LogIn, hub: Hub, redis: Redis) -> None:
    await make_group(redis)
    bob = await log_in("bob", "view_event")
    for path in (PATH, GROUP):
        assert (await bob.get(path)).status_code == 403
        assert (await AsyncClient().get(path)).status_code == 302


async def test_a_list_with_figures_and_what_each_wants(client: AsyncClient, hub: Hub, redis: Redis) -> None:
    assert "There are no durable groups" in (await client.get(PATH)).content.decode()
    await make_group(redis)
    await Ledger(redis).define(NAME, ["post:*"], 6, where='{"$eq":[1,1]}')
    await emit(hub)
    await emit(hub)
    await Groups(redis).exchange(NAME, "hub-1", acks={}, logs=["broadcast"], count=1)
    await bury(redis)
    answer = await client.get(PATH)
    (row,) = answer.context["rows"]
    assert (row.short, row.state.pending, row.state.lag, row.state.dead) == ("herald", 1, 1, 1)
    page = answer.content.decode()
    for text in ("herald/notify", "post:*", "where", f"dead-letters?service={HERALD}&amp;group={NOTIFY}"):
        assert text in page, text


async def test_one_shows_what_is_pending_with_notes_as_text(client: AsyncClient, hub: Hub, redis: Redis) -> None:
    await make_group(redis)
    event = await emit(hub, "post:created")
    await Groups(redis).exchange(NAME, "hub-1", acks={}, logs=["broadcast"], count=1)
    note = Note(hub="hub-1", attempt=1, max_attempts=6, instance=EVIL, since_ms=1, next_ms=2, error=EVIL)
    await Ledger(redis).note(NAME, {f"broadcast {event.position}": note})
    answer = await client.get(GROUP)
    page = answer.content.decode()
    assert answer.context["log"] == "broadcast"
    assert EVIL not in page
    assert unescape(page).count(EVIL) == 2
    assert f"id={event.id}" in page


async def test_errors_of_handlers_are_for_who_may_see_events(log_in: LogIn, hub: Hub, redis: Redis) -> None:
    """An operator of whom nobody wants that they read data sees that something fails, and not of whom."""
    await make_group(redis)
    event = await emit(hub)
    await Groups(redis).exchange(NAME, "hub-1", acks={}, logs=["broadcast"], count=1)
    said = "ValueError: no address for ada@example.org"
    note = Note(hub="hub-1", attempt=1, max_attempts=6, instance="i-1", since_ms=1, next_ms=2, error=said)
    await Ledger(redis).note(NAME, {f"broadcast {event.position}": note})
    for name, permissions, may in (("ann", ("view_mesh", "view_event"), True), ("bob", ("view_mesh",), False)):
        page = (await (await log_in(name, *permissions)).get(GROUP)).content.decode()
        assert "i-1" in page
        assert ("ada@example.org" in page) is may


async def test_pending_comes_in_pages(client: AsyncClient, hub: Hub, redis: Redis) -> None:
    await make_group(redis)
    for _ in range(30):
        await emit(hub)
    await Groups(redis).exchange(NAME, "hub-1", acks={}, logs=["broadcast"], count=30)
    first = await client.get(GROUP)
    assert len(first.context["pending"]) == 25
    second = await client.get(GROUP, {"log": "broadcast", "after": first.context["older"]})
    assert (len(second.context["pending"]), second.context["older"]) == (5, "")
    assert (await client.get(GROUP, {"after": "x"})).status_code == 400
    assert (await client.get(GROUP, {"log": "nope"})).context["log"] == "broadcast"


@pytest.mark.parametrize(
    ("path", "status"), [("herald/none", 404), ("nobody/notify", 404), ("herald/a%20b", 400), ("herald/%3Cb%3E", 400)]
)
async def test_a_group_that_is_none(client: AsyncClient, hub: Hub, path: str, status: int) -> None:
    assert (await client.get(f"{PATH}/{path}")).status_code == status


# Replays


async def replayed(client: AsyncClient, **said: Any) -> dict[str, Any]:
    """Ask for a replay and for each of its steps, as the page does."""
    form = {"log": "broadcast", "first": "1h", "pattern": "*", "most": "100", **said}
    answer = await client.post(f"{GROUP}/replay", form, headers=JSON)
    assert answer.status_code == 200, answer.content
    replay: dict[str, Any] = answer.json()["data"]
    while replay["state"] == "running":
        step = await client.post(f"{GROUP}/replay/step", {"id": replay["id"]}, headers=JSON)
        replay = step.json()["data"]
    return replay


async def test_a_member_gets_the_span_again_marked(
    operator: AsyncClient, hub: Hub, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(group_task, "TEND_S", 0.05)
    async with Heard().on(hub) as herald:
        for number in range(3):
            await emit(hub, data={"n": number})
        await emit(hub, "user:updated")
        await herald.hears(3)
        replay = await replayed(operator)
        events = await herald.hears(6)
    assert (replay["state"], replay["moved"], replay["share"]) == ("done", 3, 1.0)
    assert [(data["n"], ctx.replay) for data, ctx in events[3:]] == [(n, replay["id"]) for n in range(3)]
    assert [ctx.replay for _, ctx in events[:3]] == [None] * 3
    assert {ctx.log for _, ctx in events[3:]} == {NAME}
    trail = (await Audit(redis).read(AuditFilter(action="replay."))).entries
    assert [(entry.action, entry.subject) for entry in trail] == [("replay.done", NAME), ("replay.begin", NAME)]
    assert (trail[0].details["moved"], trail[1].details["pattern"]) == (3, "*")
    page = (await operator.get(GROUP)).content.decode()
    assert replay["id"] in page


@pytest.mark.parametrize(("again", "heard"), [({}, 1), ({"again": "on"}, 2)])
async def test_a_group_that_handles_events_once_is_spared_unless_that_was_asked_for(
    operator: AsyncClient, hub: Hub, monkeypatch: pytest.MonkeyPatch, again: dict[str, str], heard: int
) -> None:
    """And a replay that is repeated by its hub is handled once, too."""
    monkeypatch.setattr(group_task, "TEND_S", 0.05)
    async with Heard(once=True).on(hub) as herald:
        event = await emit(hub)
        await herald.hears(1)
        async with asyncio.timeout(GUARD_S):
            while (await hub.ledger.status(event.id)).groups[0].state != "acked":
                pass
            assert (await replayed(operator, **again))["moved"] == 1
            while hub.counters.deliveries_spared + len(herald.events) < 2:
                await hub.ledger.status(event.id)
    assert len(herald.events) == heard
    assert hub.counters.deliveries_spared == 2 - heard


async def test_a_replay_is_cancelled_where_it_is(operator: AsyncClient, hub: Hub, redis: Redis) -> None:
    await make_group(redis)
    await emit(hub)
    form = {"log": "broadcast", "first": "1h", "pattern": "*", "most": "100"}
    begun = (await operator.post(f"{GROUP}/replay", form, headers=JSON)).json()["data"]
    second = await operator.post(f"{GROUP}/replay", form, headers=JSON)
    assert (second.status_code, second.json()["error"]) == (409, "CONFLICT")
    assert "Go on" in (await operator.get(GROUP)).content.decode()
    answer = await operator.post(f"{GROUP}/replay/cancel", {"id": begun["id"]}, headers=JSON)
    assert answer.json()["data"]["state"] == "cancelled"
    again = await operator.post(f"{GROUP}/replay/step", {"id": begun["id"]}, headers=JSON)
    assert (again.json()["data"]["state"], again.json()["data"]["moved"]) == ("cancelled", 0)
    (entry,) = (await Audit(redis).read(AuditFilter(action="replay.cancel"))).entries
    assert entry.details == {"id": begun["id"], "moved": 0}


@pytest.mark.parametrize(
    "said",
    [{"log": "exprsn-spark"}, {"first": ""}, {"first": "soon"}, {"most": "0"}, {"most": "x"}, {"pattern": "::"},
     {"first": "1h", "last": "2h"}],
)  # fmt: skip
async def test_a_span_that_makes_no_sense_is_refused(
    operator: AsyncClient, hub: Hub, redis: Redis, said: dict[str, str]
) -> None:
    await make_group(redis)
    form = {"log": "broadcast", "first": "1h", "pattern": "*", "most": "100", **said}
    answer = await operator.post(f"{GROUP}/replay", form, headers=JSON)
    assert (answer.status_code, json.loads(answer.content)["error"]) == (400, "INVALID_MESSAGE")


async def test_nobody_else_replays(client: AsyncClient, hub: Hub, redis: Redis) -> None:
    await make_group(redis)
    for path in ("replay", "replay/step", "replay/cancel"):
        assert (await client.post(f"{GROUP}/{path}", {}, headers=JSON)).status_code == 403
    assert (await Audit(redis).read(AuditFilter(action="replay."))).entries == []
