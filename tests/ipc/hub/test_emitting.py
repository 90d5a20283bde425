"""Emitting at a hub for a service that has no session there: the rules and the logs are those of every emit."""

from dataclasses import replace

import pytest

from ipc.hub.emitting import Emitted, emit_as
from ipc.hub.hub import Hub
from ipc.protocol.codes import ErrorCode
from ipc.protocol.errors import IPCError, UnavailableError
from ipc.protocol.messages import Emit
from tests.ipc.members import Member

VAULT = "exprsn-vault"
ALL = frozenset({"*"})


async def test_what_is_emitted_is_safe_and_heard_in_order(hub: Hub) -> None:
    spark = Member(hub, "spark")
    await spark.subscribe("*")
    messages = [Emit(event="a:b", id=f"e{number}", target=["spark", "herald"]) for number in range(100)]
    outcomes = await emit_as(hub, VAULT, ALL, messages)
    await spark.hears(100)
    emitted = [outcome for outcome in outcomes if isinstance(outcome, Emitted)]
    assert [each.id for each in emitted] == [event["id"] for event in spark.peer.events]
    assert [each.positions["exprsn-spark"] for each in emitted] == [event["position"] for event in spark.peer.events]
    assert all(list(each.positions) == ["exprsn-spark", "exprsn-herald"] for each in emitted)
    assert {event["source"] for event in spark.peer.events} == {VAULT}
    assert await emit_as(hub, VAULT, ALL, messages[:1]) == [replace(emitted[0], is_repeat=True)]


async def test_each_has_an_outcome_of_its_own(hub: Hub) -> None:
    permissions = frozenset({"emit:a:*"})
    messages = [Emit(event=event) for event in ("a:b", "bad", "b:c", "service:online", "a:c")]
    outcomes = await emit_as(hub, VAULT, permissions | {"emit:service:*"}, messages)
    codes = [outcome.code if isinstance(outcome, IPCError) else None for outcome in outcomes]
    assert codes == [None, ErrorCode.INVALID_EVENT, ErrorCode.FORBIDDEN, ErrorCode.FORBIDDEN, None]
    assert await emit_as(hub, VAULT, ALL, []) == []


async def test_a_hub_that_stops_takes_nothing(hub: Hub) -> None:
    await hub.drain()
    with pytest.raises(UnavailableError) as refused:
        await emit_as(hub, VAULT, ALL, [Emit(event="a:b")])
    assert refused.value.code is ErrorCode.DRAINING
