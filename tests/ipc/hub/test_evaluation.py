"""Expressions that sessions send to be evaluated."""

import asyncio
from typing import Any

import pytest

from ipc import ForbiddenError, IPCWorker
from ipc.hub.evaluation import EVALUATION_LIMITS
from ipc.hub.hub import Hub
from ipc.jsonlex import JSONLexError, evaluate
from ipc.protocol.errors import BadMessageError
from tests.ipc.conftest import StartWorker
from tests.ipc.members import Member

PERSON = {"firstName": "John", "lastName": "Doe", "age": 25}
EXPRESSION = {
    "__jsonlex": True,
    "expr": {
        "fullName": {"$concat": [{"$var": "firstName"}, " ", {"$var": "lastName"}]},
        "isAdult": {"$gte": [{"$var": "age"}, 18]},
    },
}


def bomb(around: int) -> dict[str, Any]:
    """Return an expression that would take years."""
    expr: Any = True
    for _ in range(around):
        expr = {"$every": {"array": [0] * 30, "condition": expr}}
    return {"__jsonlex": True, "expr": expr}


async def test_the_result_and_the_cost_come_back(hub: Hub) -> None:
    ok = await Member(hub).ask(type="jsonlex", expression=EXPRESSION, context=PERSON)
    assert (ok["type"], ok["result"], ok["cost"]) == (
        "ok",
        {"fullName": "John Doe", "isAdult": True},
        evaluate(EXPRESSION, PERSON, EVALUATION_LIMITS).cost,
    )


@pytest.mark.parametrize("value", [None, 0, "text", {"$var": "age"}, {"__jsonlex": False, "expr": {"$var": "age"}}])
async def test_what_is_no_expression_is_its_own_result(hub: Hub, value: Any) -> None:
    ok = await Member(hub).ask(type="jsonlex", expression=value, context=PERSON)
    assert (ok["result"], ok["cost"]) == (value, 0)


async def test_it_takes_its_permission(hub: Hub) -> None:
    assert (await Member(hub, permissions=["jsonlex"]).ask(type="jsonlex", expression=1))["type"] == "ok"
    error = await Member(hub, permissions=["emit:*", "call:*.*"]).ask(type="jsonlex", expression=1)
    assert (error["code"], error["details"]) == ("FORBIDDEN", {"needed": "jsonlex"})


@pytest.mark.parametrize(
    ("message", "code"),
    [
        ({"expression": {"__jsonlex": True, "expr": {"$nope": 1}}}, "JSONLEX_INVALID"),
        ({"expression": {"__jsonlex": True, "expr": {"$gt": [1, "1"]}}}, "JSONLEX_TYPE"),
        ({"expression": {"__jsonlex": True, "expr": [0] * 3_000}}, "JSONLEX_TOO_LARGE"),
        ({"expression": bomb(12)}, "JSONLEX_TOO_COSTLY"),
        ({"context": 1}, "INVALID_MESSAGE"),
    ],
)
async def test_what_is_wrong_is_said(hub: Hub, message: dict[str, Any], code: str) -> None:
    error = await Member(hub).ask(type="jsonlex", **message)
    assert (error["type"], error["code"]) == ("error", code)


async def test_others_have_their_turn_between_costly_expressions(hub: Hub) -> None:
    """A frame full of the worst: each of them is followed by whatever else waits."""
    hostile, other = Member(hub), Member(hub)
    await other.subscribe("post:*")
    turns: list[int] = []
    frame = [{"type": "jsonlex", "id": f"j{number}", "expression": bomb(12)} for number in range(40)]

    async def count_turns() -> None:
        while True:
            turns.append(len(hostile.peer.messages))
            await asyncio.sleep(0)

    counting = asyncio.create_task(count_turns())
    hub.loop_time.behind_limit_s = 0.0
    await hostile.say(*frame)
    await hostile.answer("j39")
    counting.cancel()
    assert len(turns) >= len(frame)


async def test_a_worker_asks_for_it(hub: Hub, start: StartWorker) -> None:
    worker = IPCWorker("herald")
    await start(worker, hub)
    assert await worker.jsonlex(EXPRESSION, PERSON) == {"fullName": "John Doe", "isAdult": True}
    assert await worker.jsonlex("plain") == "plain"
    assert await worker.jsonlex({"__jsonlex": True, "expr": {"$var": "nothing"}}) is None
    with pytest.raises(BadMessageError) as error:
        await worker.jsonlex({"__jsonlex": True, "expr": {"$nope": 1}})
    assert (error.value.code, error.value.details) == ("JSONLEX_INVALID", {"pointer": "/expr/$nope"})
    with pytest.raises(BadMessageError):
        await worker.jsonlex(object())
    assert not isinstance(error.value, JSONLexError | ForbiddenError)
