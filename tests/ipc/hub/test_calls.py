"""Calls at one hub and over two: each gets one answer, whatever owners, callers and the way between them do."""

import asyncio
import json
from typing import Any

import pytest

from ipc.hub.hub import Hub
from ipc.protocol.limits import Limits
from ipc.protocol.messages import Call
from tests.ipc.conftest import MakeHub, MakeMesh
from tests.ipc.exchange import Exchange
from tests.ipc.parties import Party
from tests.ipc.peers import GUARD_S

Hubs = tuple[Hub, Hub]
LIMITS = Limits(drain_ms=1)


@pytest.fixture(params=["one hub", "two hubs", "two hubs on the channel layer"])
async def hubs(request: pytest.FixtureRequest, make_hub: MakeHub, make_mesh: MakeMesh) -> Hubs:
    """The hub of the caller and that of the owner."""
    if "layer" in request.param:
        return (await make_mesh(limits=LIMITS)).hub, (await make_mesh(limits=LIMITS)).hub
    first = await make_hub()
    return first, (first if request.param == "one hub" else await make_hub())


@pytest.fixture
async def caller(hubs: Hubs) -> Party:
    return Party(hubs[0], "spark")


@pytest.fixture
async def owner(hubs: Hubs) -> Party:
    owner = Party(hubs[1], "timeline")
    assert (await owner.serve("posts"))["type"] == "ok"
    return owner


async def test_a_call_has_all_that_the_caller_said_and_the_reply_comes_back(caller: Party, owner: Party) -> None:
    data = {"text": 'a\n"b"\u2028é😀', "n": [1, 2.5, None, True]}
    await caller.call("c", "create", key="7", data=data, query=None, idempotency_key="k", jsonlex=True, meta={"a": 1})
    given = await owner.given()
    deadline_ms = given.pop("deadline_ms")
    assert 0 < deadline_ms <= 10_000
    assert given == {
        "type": "call",
        "id": given["id"],
        "op": "create",
        "resource": "posts",
        "key": "7",
        "data": data,
        "query": None,
        "source": "exprsn-spark",
        "idempotency_key": "k",
        "jsonlex": True,
        "meta": {"a": 1},
    }
    await owner.answer_call(given, data=data)
    assert await caller.reply("c") == {"type": "reply", "id": "c", "data": data}


async def test_an_error_of_the_owner_comes_back_as_it_is(caller: Party, owner: Party) -> None:
    await caller.call("c")
    error = {"code": "OUT_OF_STOCK", "message": "none left", "retryable": True, "details": {"n": [10**30]}}
    await owner.answer_call(await owner.given(), error=error)
    assert (await caller.reply("c"))["error"] == error


@pytest.mark.parametrize("code", ["NO_OWNER", "OWNER_LOST", "DRAINING", "CIRCUIT_OPEN", "CANCELLED"])
async def test_an_owner_cannot_say_that_the_call_has_not_begun(caller: Party, owner: Party, code: str) -> None:
    """It speaks of a call of its own; who believed it would make the call again."""
    await caller.call("c", "create")
    await owner.answer_call(await owner.given(), error={"code": code, "message": "x" * 4_000})
    error = (await caller.reply("c"))["error"]
    assert (error["code"], len(error["message"]) <= 1_000, code in error["message"]) == ("UNAVAILABLE", True, True)


async def test_nobody_serves_it(hubs: Hubs, caller: Party) -> None:
    await caller.call("c")
    assert await caller.code("c") == "NO_OWNER"
    await caller.call("d", target="timeline:" + "x" * 100_000)
    assert await caller.code("d") == "NO_OWNER"


async def test_an_operation_that_is_not_offered(caller: Party, owner: Party) -> None:
    await caller.call("c", "publish")
    assert await caller.code("c") == "METHOD_NOT_ALLOWED"


async def test_a_deadline_ends_the_call_and_the_owner_is_told(caller: Party, owner: Party) -> None:
    await caller.call("c", timeout_ms=50)
    given = await owner.given()
    assert await caller.code("c") == "TIMEOUT"
    await owner.peer.until(lambda: owner.cancelled == [given["id"]])
    await owner.answer_call(given)
    late = await owner.reply(given["id"])
    assert late["code"] == "UNKNOWN_CALL"
    assert len(caller.replies("c")) == 1


async def test_a_cancelled_call_is_answered_and_the_owner_is_told(caller: Party, owner: Party) -> None:
    await caller.call("c")
    given = await owner.given()
    await caller.say({"type": "cancel", "id": "c"})
    assert await caller.code("c") == "CANCELLED"
    await owner.peer.until(lambda: owner.cancelled == [given["id"]])
    answer = await caller.ask(type="cancel", id="c")
    assert answer["code"] == "UNKNOWN_CALL"


async def test_an_owner_that_goes_away_loses_the_call_and_a_read_finds_another(hubs: Hubs, caller: Party) -> None:
    one, other = Party(hubs[1], "timeline"), Party(hubs[1], "timeline")
    await one.serve("posts")
    await caller.call("create", "create")
    await caller.call("read")
    await one.given(2)
    await other.serve("posts")
    await one.leaves()
    assert await caller.code("create") == "OWNER_LOST"
    await other.answer_call(await other.given(), data="of the other")
    assert (await caller.reply("read"))["data"] == "of the other"


async def test_with_no_other_owner_a_read_is_lost_too(caller: Party, owner: Party) -> None:
    await caller.call("c")
    await owner.given()
    await owner.leaves()
    assert await caller.code("c") == "OWNER_LOST"
    assert (await caller.reply("c"))["error"]["message"].count("may have been carried out") == 1


async def test_a_caller_that_goes_away_takes_its_calls_back(caller: Party, owner: Party) -> None:
    await caller.call("c")
    given = await owner.given()
    await caller.leaves()
    await owner.peer.until(lambda: owner.cancelled == [given["id"]])


async def test_the_limit_of_a_resource_is_the_owners_whoever_calls(hubs: Hubs) -> None:
    """Each hub counts what it has given itself; the owner's hub counts all."""
    owner, callers = Party(hubs[1], "timeline"), [Party(hub, "spark") for hub in hubs]
    await owner.serve("posts", limit=2)
    await callers[0].call("a")
    await owner.given()
    await callers[1].call("b")
    await owner.given(2)
    for caller in callers:
        await caller.call("c")
        assert (await caller.reply("c"))["error"]["code"] == "OVERLOADED"
    await owner.answer_call(owner.calls[0])
    await callers[0].reply("a")
    await callers[0].call("d")
    await owner.given(3)


async def test_after_it_has_said_so_an_owner_is_given_nothing_more(caller: Party, owner: Party) -> None:
    """What it was given before stays its own to answer."""
    await caller.call("a")
    given = await owner.given()
    assert (await owner.serve())["type"] == "ok"
    await caller.call("b")
    assert await caller.code("b") == "NO_OWNER"
    await owner.answer_call(given)
    assert await caller.code("a") == ""
    assert len(owner.calls) == 1


async def test_an_owner_that_always_fails_is_left_alone_for_a_while(caller: Party, owner: Party) -> None:
    for number in range(1, 6):
        await caller.call(f"c{number}")
        await owner.answer_call(await owner.given(number), error={"code": "INTERNAL", "message": "a bug"})
        assert await caller.code(f"c{number}") == "INTERNAL"
    await caller.call("last")
    error = (await caller.reply("last"))["error"]
    assert (error["code"], 0 < error["retry_after_ms"] <= 5_001) == ("CIRCUIT_OPEN", True)


async def test_callers_in_a_hurry_do_not_open_the_breaker(caller: Party, owner: Party) -> None:
    for number in range(8):
        await caller.call(f"c{number}", timeout_ms=1)
        assert await caller.code(f"c{number}") == "TIMEOUT"
    await caller.call("calm")
    # How many of the hurried ones come so far at all depends on the machine.
    await owner.peer.until(lambda: any(call["deadline_ms"] > 1_000 for call in owner.calls))


async def test_awaited_calls_are_answered_and_taken_back(hubs: Hubs, owner: Party) -> None:
    """Those of services without a session, such as over HTTP."""
    calling = hubs[0].calling
    asking = asyncio.create_task(calling.ask("exprsn-spark", frozenset({"*"}), Call(op="read", resource="posts")))
    await owner.answer_call(await owner.given(), data=[1])
    assert (await asking).data == "[1]"
    asking = asyncio.create_task(calling.ask("exprsn-spark", frozenset({"*"}), Call(op="read", resource="posts")))
    given = await owner.given(2)
    asking.cancel()
    await owner.peer.until(lambda: owner.cancelled == [given["id"]])


# Draining


async def test_a_drain_waits_for_calls_and_lets_owners_ask_what_they_need_for_an_answer(hubs: Hubs) -> None:
    """Also when it is the owner's hub alone that drains; what is new is refused there, and goes elsewhere."""
    caller, owner, asked = Party(hubs[0], "spark"), Party(hubs[1], "timeline"), Party(hubs[0], "herald")
    hubs[1].limits = Limits(drain_ms=20_000)
    await owner.serve("posts")
    await asked.serve("users")
    await caller.call("c", "create")
    given = await owner.given()
    draining = asyncio.create_task(hubs[1].drain())
    await owner.peer.until(lambda: owner.peer.messages[-1]["type"] == "notice")
    if hubs[0] is not hubs[1]:
        await owner.call("nested", "read", "users")
        await asked.answer_call(await asked.given(), data="ann")
        assert (await owner.reply("nested"))["data"] == "ann"
    assert not draining.done()
    await owner.answer_call(given, data="made")
    assert (await caller.reply("c"))["data"] == "made"
    async with asyncio.timeout(GUARD_S):
        await draining


async def test_what_had_begun_when_a_hub_stops_is_never_called_not_begun(make_hub: MakeHub) -> None:
    """``DRAINING`` would have the caller make it again."""
    hubs = await make_hub(), await make_hub(limits=Limits(drain_ms=50))
    caller, owner = Party(hubs[0], "spark"), Party(hubs[1], "timeline")
    await owner.serve("posts")
    await caller.call("c", "create")
    await owner.given()
    await hubs[1].stop()
    assert await caller.code("c") == "OWNER_LOST"


# What travels between hubs


@pytest.fixture
async def pair(make_hub: MakeHub) -> tuple[Party, Party]:
    """A caller, and an owner at another hub, that have spoken before."""
    caller, owner = Party(await make_hub(), "spark"), Party(await make_hub(), "timeline")
    await owner.serve("posts")
    await caller.call("first")
    await owner.answer_call(await owner.given())
    await caller.reply("first")
    return caller, owner


async def test_a_call_that_is_lost_on_the_way_is_noticed_long_before_its_deadline(
    pair: tuple[Party, Party], exchange: Exchange
) -> None:
    caller, owner = pair
    exchange.holds = True
    await caller.call("read", timeout_ms=60_000)
    await caller.call("create", "create", timeout_ms=60_000)
    await _held(exchange)
    exchange.held.clear()
    exchange.holds = False
    assert await caller.code("create") == "OWNER_LOST"
    assert await caller.code("read") == "OWNER_LOST"
    assert len(owner.calls) == 1


async def test_a_reply_that_is_lost_on_the_way_is_noticed_too(pair: tuple[Party, Party], exchange: Exchange) -> None:
    caller, owner = pair
    await caller.call("c", "create", timeout_ms=60_000)
    given = await owner.given(2)
    exchange.holds = True
    await owner.answer_call(given)
    await _held(exchange)
    exchange.held.clear()
    exchange.holds = False
    assert await caller.code("c") == "OWNER_LOST"


async def test_a_hub_that_does_not_answer_is_left_out_and_found_again(
    pair: tuple[Party, Party], exchange: Exchange
) -> None:
    """As one that stood still and goes on: it must not begin then with what was lost."""
    caller, owner = pair
    exchange.holds = True
    await caller.call("c", "create", timeout_ms=60_000)
    assert await caller.code("c") == "OWNER_LOST"
    await caller.call("d")
    assert await caller.code("d") == "NO_OWNER"
    exchange.holds = False
    exchange.deliver_held()
    await owner.given(2)
    await owner.peer.until(lambda: owner.cancelled == [owner.calls[1]["id"]])
    await caller.call("e")
    await owner.answer_call(await owner.given(3))
    assert await caller.code("e") == ""


async def test_items_that_are_not_understood_harm_nobody(pair: tuple[Party, Party], exchange: Exchange) -> None:
    """As another version may send them."""
    caller, owner = pair
    (address,) = {channel for channel in exchange.channels if channel == caller.hub.calling._address()}
    await caller.call("c")
    given = await owner.given(2)
    items: list[Any] = [
        ["reply", "c2.1", None, json.dumps({"code": "X", "message": "y" * 5_000})],
        ["reply", "c2.1", None, "{"],
        ["reply", 7, None, None],
        ["call"],
        ["call", 1, 2, 3, 4, 5, 6],
        ["cancel", "nothing"],
        ["cancel", []],
        ["probe", 7],
        ["here", None],
        ["unheard of"],
        "text",
        None,
        {},
    ]
    exchange.send(address, {"type": "ipc.calls", "hub": "h9", "address": "nowhere", "items": items})
    exchange.send(address, {"type": "ipc.calls"})
    await owner.answer_call(given, data="well")
    assert (await caller.reply("c"))["data"] == "well"
    assert caller.hub.counters.pushes_unknown >= 10


async def _held(exchange: Exchange) -> None:
    async with asyncio.timeout(GUARD_S):
        await exchange.has_held.wait()


async def test_a_reply_that_is_no_message_ends_the_call_at_once(caller: Party, owner: Party) -> None:
    """Not only at the deadline; its owner is told what was wrong."""
    await caller.call("c", timeout_ms=60_000)
    given = await owner.given()
    await owner.answer_call(given, error={"code": "X" * 65, "message": "too long a code"})
    assert await caller.code("c") == "INTERNAL"
    assert (await owner.reply(given["id"]))["code"] == "INVALID_MESSAGE"


@pytest.mark.parametrize(
    ("data", "code"),
    [("[" * 100 + "]" * 100, "INVALID_DATA"), (f'"{"x" * 262_144}"', "DATA_TOO_LARGE")],
    ids=["deep", "large"],
)
async def test_a_reply_of_data_that_no_reader_takes_ends_it_too(
    caller: Party, owner: Party, data: str, code: str
) -> None:
    """Both are told why, and the owner gets calls as before: it is well, only this answer does not fit."""
    for number in range(1, 7):
        await caller.call(f"c{number}", timeout_ms=60_000)
        given = await owner.given(number)
        await owner.raw(f'{{"type":"reply","id":"{given["id"]}","data":{data}}}')
        error = (await caller.reply(f"c{number}"))["error"]
        assert (error["code"], error["retryable"]) == (code, False)
        assert error["message"].startswith(f"the reply of {owner.session.instance} was refused: ")
        assert (await owner.reply(given["id"]))["code"] == code


async def test_a_reply_to_a_call_of_another_is_refused(hubs: Hubs, caller: Party, owner: Party) -> None:
    await caller.call("c")
    given = await owner.given()
    stranger = Party(hubs[1], "timeline")
    await stranger.answer_call(given, data="forged")
    assert (await stranger.reply(given["id"]))["code"] == "UNKNOWN_CALL"
    await owner.answer_call(given, data="real")
    assert (await caller.reply("c"))["data"] == "real"


async def test_a_session_has_a_bounded_number_of_calls_each_with_an_id_of_its_own(make_hub: MakeHub) -> None:
    hub = await make_hub(limits=Limits(drain_ms=1, calls_per_session=3))
    caller, owner = Party(hub, "spark"), Party(hub, "timeline")
    await owner.serve("posts")
    for number in range(4):
        await caller.call(f"c{number}")
    assert (await caller.reply("c3"))["code"] == "OVERLOADED"
    await owner.given(3)
    await caller.call("c0")
    assert (await caller.reply("c0"))["type"] == "error"
    for number in range(3):
        await caller.say({"type": "cancel", "id": f"c{number}"})
    await caller.call("c3", "create")
    await owner.given(4)
