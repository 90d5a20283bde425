"""Declared events: who may declare what, and that what does not fit is counted and never held up."""

import json
import logging
from typing import Any

import pytest

from ipc.hub import drift as module
from ipc.hub.hub import Hub
from ipc.protocol.declarations import MAX_EVENTS
from ipc.protocol.errors import UnavailableError
from ipc.protocol.messages import Emit
from tests.clock import pass_a_millisecond
from tests.ipc.conftest import MakeHub
from tests.ipc.members import Member

POST: dict[str, Any] = {"type": "object", "properties": {"id": {"type": "string"}}, "required": ["id"]}


@pytest.fixture(autouse=True)
def every_event(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each event is looked at, and only when the test says so."""
    monkeypatch.setattr(module, "SAMPLE_S", 0.0)
    monkeypatch.setattr("ipc.hub.hub.LOOK_S", 3_600.0)


def post(**members: Any) -> dict[str, Any]:
    return {"event": "post:created", "schema": POST, **members}


async def declared(member: Member, *events: dict[str, Any]) -> dict[str, Any]:
    return await member.ask(type="declare", events=list(events))


async def drifts(hub: Hub, service: str = "herald") -> dict[str, tuple[int, int]]:
    (found,) = (await hub.services(service)).services
    return {each.event: (each.drift.checked, each.drift.drifted) for each in found.declares}


async def test_what_does_not_fit_is_counted_with_where_and_why(hub: Hub) -> None:
    member, other = Member(hub), Member(hub, "spark")
    await other.subscribe("post:*")
    assert (await declared(member, post()))["type"] == "ok"
    for data in ({"id": "1"}, {"id": "2"}, {"id": 3}, {}):
        await member.emit("post:created", data)
    await member.emit("post:deleted", 7)
    assert await drifts(hub) == {"post:created": (4, 2)}
    (found,) = (await hub.services("herald")).services
    drift = found.declares[0].drift
    assert (drift.last_pointer, "required" in drift.last_error) == ("", True)
    assert drift.last_ms is not None
    assert len(await other.hears(5)) == 5


async def test_what_others_emit_under_the_name_is_theirs(hub: Hub) -> None:
    await declared(Member(hub), post())
    other = Member(hub, "spark")
    await other.emit("post:created", 7)
    assert await drifts(hub) == {"post:created": (0, 0)}


async def test_events_over_http_are_looked_at_as_well(hub: Hub) -> None:
    from msgspec import Raw

    from ipc.hub.emitting import emit_as

    await declared(Member(hub), post())
    await emit_as(hub, "exprsn-herald", frozenset({"*"}), [Emit(event="post:created", data=Raw(b"[]"))])
    assert await drifts(hub) == {"post:created": (1, 1)}


async def test_only_a_few_are_looked_at(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "SAMPLE_S", 3_600.0)
    member = Member(hub)
    await declared(member, post())
    await member.emit_numbers(range(20))
    assert await drifts(hub) == {"post:created": (1, 1)}


async def test_large_data_and_a_queue_that_is_full_are_passed_over(hub: Hub) -> None:
    member = Member(hub)
    await declared(member, post())
    await member.emit("post:created", "x" * (module.MAX_SAMPLE_BYTES + 1))
    await member.emit_numbers(range(module.MAX_WAITING + 10))
    assert await drifts(hub) == {"post:created": (module.MAX_WAITING, module.MAX_WAITING)}


async def test_a_schema_that_takes_long_is_not_looked_at_any_more(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    member = Member(hub)
    await declared(member, post())
    monkeypatch.setattr(module, "TOO_COSTLY_S", -1.0)
    await member.emit("post:created", 1)
    assert await drifts(hub) == {"post:created": (1, 1)}
    await member.emit("post:created", 1)
    assert await drifts(hub) == {"post:created": (1, 1)}


async def test_a_service_with_such_a_schema_rests_whatever_it_declares_next(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Or it would hold up all others, with one schema after the other."""
    member, other = Member(hub), Member(hub, "spark")
    await declared(member, post())
    await declared(other, post())
    monkeypatch.setattr(module, "TOO_COSTLY_S", -1.0)
    await member.emit("post:created", 1)
    assert await drifts(hub) == {"post:created": (1, 1)}
    monkeypatch.undo()
    monkeypatch.setattr(module, "SAMPLE_S", 0.0)
    await declared(member, post(schema={"type": "object"}), post(event="post:updated"))
    for event in ("post:created", "post:updated"):
        await member.emit(event, 1)
    assert await drifts(hub) == {"post:created": (0, 0), "post:updated": (0, 0)}
    await other.emit("post:created", 1)
    assert await drifts(hub, "spark") == {"post:created": (1, 1)}


async def test_data_that_may_take_long_is_passed_over(hub: Hub) -> None:
    """By its length and what its schema costs at worst: nobody waits to find out."""
    member = Member(hub)
    await declared(member, post(schema={"type": "string", "pattern": "^[a-z]{1,255}$"}))
    await member.emit("post:created", "a" * 2_000)
    assert await drifts(hub) == {"post:created": (0, 0)}
    await member.emit("post:created", "a" * 300)
    assert await drifts(hub) == {"post:created": (1, 1)}


async def test_what_waits_is_bounded_by_what_a_service_may_declare(hub: Hub) -> None:
    """Of more, those said longest ago are not watched any more, as they are not kept."""
    member = Member(hub)
    for number in range(3):
        await declared(member, *(post(event=f"post:n{number}-{each}") for each in range(MAX_EVENTS - 1)))
        pass_a_millisecond()
    await declared(member, post())
    assert len(await drifts(hub)) == MAX_EVENTS
    for event in ("post:n0-0", "post:n2-62", "post:created"):
        await member.emit(event, 7)
    found = await drifts(hub)
    assert (found["post:n2-62"], found["post:created"]) == ((1, 1), (1, 1))
    assert sum(checked for checked, _ in found.values()) == 2
    assert "post:n0-0" not in found


async def test_what_a_service_declared_is_forgotten_with_its_last_session(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And so it is not kept any longer either."""
    kept: list[str] = []

    async def keep(services: list[str]) -> None:
        kept.extend(services)

    monkeypatch.setattr(hub.drift._store, "keep", keep)
    one, two = Member(hub), Member(hub)
    await declared(one, post())
    await declared(two, post())
    await hub.detach(one.session)
    await hub.drift.keep()
    assert kept == ["exprsn-herald"]
    await hub.detach(two.session)
    await hub.drift.keep()
    assert kept == ["exprsn-herald"]


async def test_a_schema_that_contains_itself_is_kept_and_not_checked(hub: Hub) -> None:
    member = Member(hub)
    tree = {"properties": {"left": {"$ref": "#"}, "right": {"$ref": "#"}}, "type": "object"}
    assert (await declared(member, post(schema=tree, examples=[7])))["type"] == "ok"
    await member.emit("post:created", 7)
    (found,) = (await hub.services("herald")).services
    assert (found.declares[0].is_checked, found.declares[0].drift.checked) == (False, 0)


async def test_figures_survive_the_same_schema_and_not_another_one(make_hub: MakeHub) -> None:
    hub, other = await make_hub(), await make_hub()
    member = Member(hub)
    await declared(member, post())
    await member.emit("post:created", 1)
    await drifts(hub)
    await declared(Member(other), post(description="the same, in other words"))
    assert await drifts(other) == {"post:created": (1, 1)}
    await declared(Member(other), post(schema={}))
    assert await drifts(other) == {"post:created": (0, 0)}


async def test_a_warning_is_said_once_a_minute(hub: Hub, caplog: pytest.LogCaptureFixture) -> None:
    member = Member(hub)
    await declared(member, post())
    with caplog.at_level(logging.WARNING, "ipc.hub.drift"):
        await member.emit_numbers(range(5))
        await hub.drift.look()
    assert [record.getMessage() for record in caplog.records] == [
        "post:created of exprsn-herald does not fit its schema at '': the value is not of type \"object\""
    ]


async def test_what_redis_does_not_take_is_written_later(hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    member = Member(hub)
    await declared(member, post())
    await member.emit("post:created", 1)

    async def away(*_: object) -> None:
        raise UnavailableError("cut")

    monkeypatch.setattr(hub.drift._store, "add_drift", away)
    await hub.drift.look()
    monkeypatch.undo()
    assert await drifts(hub) == {"post:created": (1, 1)}


@pytest.mark.parametrize(
    ("event", "code"),
    [
        (post(event="post"), "INVALID_EVENT"),
        (post(event="service:online"), "FORBIDDEN"),
        (post(event="operation:done"), "FORBIDDEN"),
        (post(event="user:created"), "FORBIDDEN"),
        (post(schema={"type": "nonsense"}), "INVALID_DATA"),
        (post(schema={"$ref": "http://127.0.0.1:9/x"}), "INVALID_DATA"),
        (post(schema={"pattern": "(?=a)b"}), "INVALID_DATA"),
        (post(schema={"title": "x" * 20_000}), "DATA_TOO_LARGE"),
        (post(examples=[{"id": 7}]), "INVALID_DATA"),
        (post(examples=[{"id": "7"}] * 6), "INVALID_MESSAGE"),
        (post(description="x" * 1_001), "INVALID_MESSAGE"),
    ],
)
async def test_a_wrong_declaration_is_refused_with_all_beside_it(hub: Hub, event: dict[str, Any], code: str) -> None:
    permissions = {"emit:post:*", "emit:service:*", "emit:operation:*"}
    member = Member(hub, permissions=permissions)
    assert (await declared(member, post(event="post:fine"), event))["code"] == code
    assert (await declared(member, post(), post()))["code"] == "INVALID_MESSAGE"
    assert await drifts(hub) == {}


async def test_the_catalogue_has_it(hub: Hub) -> None:
    member = Member(hub)
    await declared(member, post(description="A post.", examples=[{"id": "7"}]))
    await member.emit("post:created", {})
    document = await hub.catalogue.asyncapi(bridge="localhost:3010", version="1")
    message = document["components"]["messages"]["post.created.of-herald"]
    assert (message["summary"], message["x-drift"]["drifted"]) == ("A post.", 1)
    assert json.loads(json.dumps(document)) == document
