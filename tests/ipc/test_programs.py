"""Programs that callers send instead of values: what they see, what they may cost, and how they fail."""

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from ipc import CallContext, IPCWorker, ValidationFailedError
from ipc.jsonlex import JSONLexError
from ipc.programs import PROGRAM_LIMITS
from ipc.protocol.codes import ErrorCode
from ipc.protocol.errors import BadMessageError, IPCError
from ipc.testing import TestBus


def program(expression: Any) -> dict[str, Any]:
    return {"__jsonlex": True, "expr": expression}


def var(path: str) -> dict[str, Any]:
    return {"$var": path}


class Echo:
    """Returns what it was given."""

    jsonlex_context = {"rate": 3, "names": ["ada", "grace"]}

    async def create(self, data: Any, query: Any = None, key: Any = None) -> Any:
        return {"data": data, "query": query, "key": key}

    async def read(self, key: Any = None, query: Any = None) -> Any:
        return {"query": query, "key": key}


@pytest.fixture
async def bus() -> AsyncIterator[TestBus]:
    async with TestBus() as bus:
        yield bus


@pytest.fixture
async def herald(bus: TestBus) -> IPCWorker:
    """A service that calls, with an owner of ``echo`` beside it."""
    owner, caller = IPCWorker("timeline"), IPCWorker("herald")
    owner.resource("echo")(Echo)
    await bus.start(owner, caller)
    return caller


async def test_the_owner_evaluates_a_program_with_its_own_context(herald: IPCWorker) -> None:
    answer = await herald.create("echo", program({"$mul": [var("rate"), 14]}), use_jsonlex=True)
    assert answer["data"] == 42


async def test_data_and_query_may_both_be_programs(herald: IPCWorker) -> None:
    answer = await herald.call(
        "echo",
        "create",
        data=program(var("names.1")),
        query=program({"n": {"$length": var("names")}}),
        use_jsonlex=True,
    )
    assert (answer["data"], answer["query"]) == ("grace", {"n": 2})


async def test_a_program_sees_the_facts_of_the_call(herald: IPCWorker) -> None:
    answer = await herald.read("echo", program(var("call")), key="k1", use_jsonlex=True)
    facts = answer["query"]
    assert facts.pop("now_ms") > 1_700_000_000_000
    assert facts == {"source": "exprsn-herald", "resource": "echo", "op": "read", "key": "k1"}


async def test_what_is_no_program_stays_as_it_is(herald: IPCWorker) -> None:
    """The wrapper says what is one, at the top only."""
    for value in ({"$var": "rate"}, [program(var("rate"))], {"__jsonlex": False, "expr": 1}, "text"):
        assert (await herald.create("echo", value, use_jsonlex=True))["data"] == value


async def test_nothing_is_evaluated_that_was_not_asked_for(herald: IPCWorker) -> None:
    assert (await herald.create("echo", program(var("rate"))))["data"] == program(var("rate"))


async def test_a_program_that_gives_null_leaves_the_value_out(herald: IPCWorker) -> None:
    with pytest.raises(ValidationFailedError, match="needs data"):
        await herald.create("echo", program(var("missing")), use_jsonlex=True)


def nested_map(levels: int) -> Any:
    inner: Any = 1
    for _ in range(levels):
        inner = {"$map": {"array": [0] * 30, "expr": inner}}
    return inner


def doubling() -> Any:
    grow = {"$concat": [var("acc"), var("acc")]}
    return {"$reduce": {"array": [0] * 60, "initial": "a" * 1000, "expr": grow}}


BOMBS = {
    "nested maps": (nested_map(10), ErrorCode.JSONLEX_TOO_COSTLY),
    "a doubling text": (doubling(), ErrorCode.JSONLEX_TOO_COSTLY),
    "too many parts": ([0] * (PROGRAM_LIMITS.nodes + 1), ErrorCode.JSONLEX_TOO_LARGE),
    "a huge result": (
        {"$map": {"array": [0] * 300, "expr": "x" * 1_000}},
        ErrorCode.JSONLEX_RESULT_TOO_LARGE,
    ),
    "an unknown operator": ({"$shell": "ls"}, ErrorCode.JSONLEX_INVALID),
    "a wrong type": ({"$add": [1, "a"]}, ErrorCode.JSONLEX_TYPE),
    "a division by zero": ({"$div": [1, 0]}, ErrorCode.JSONLEX_RANGE),
}


@pytest.mark.parametrize(("expression", "code"), BOMBS.values(), ids=BOMBS)
async def test_a_program_that_fails_says_so_with_its_code_and_place(
    herald: IPCWorker, expression: Any, code: ErrorCode
) -> None:
    with pytest.raises(BadMessageError) as refused:
        await herald.read("echo", program(expression), use_jsonlex=True)
    assert refused.value.code is code
    assert refused.value.details is not None
    assert refused.value.details["in"] == "query"
    assert "pointer" in refused.value.details


async def test_a_mistake_of_a_caller_is_none_of_the_owner(herald: IPCWorker, bus: TestBus) -> None:
    """However often it happens, the breaker stays closed, and nothing is logged as a bug."""
    for _ in range(20):
        with pytest.raises(BadMessageError):
            await herald.create("echo", program(nested_map(10)), use_jsonlex=True)
    assert (await herald.create("echo", 1))["data"] == 1
    assert bus.failures == []


async def test_the_loop_has_a_turn_between_programs(herald: IPCWorker) -> None:
    """However many come at once: a ticker that runs each turn counts at least one turn for each of them."""
    turns = 0

    async def tick() -> None:
        nonlocal turns
        while True:
            turns += 1
            await asyncio.sleep(0)

    ticking = asyncio.create_task(tick())
    calls = [herald.create("echo", program({"$add": [var("rate"), n]}), use_jsonlex=True) for n in range(50)]
    answers = await asyncio.gather(*calls)
    ticking.cancel()
    assert [answer["data"] for answer in answers] == [n + 3 for n in range(50)]
    assert turns >= 50


class Personal:
    """Its context depends on who calls."""

    async def jsonlex_context(self, ctx: CallContext) -> dict[str, Any]:
        return {"hello": f"hello {ctx.source}"}

    async def read(self, query: Any) -> Any:
        return query


class Plain(Personal):
    def jsonlex_context(self, ctx: CallContext) -> dict[str, Any]:  # type: ignore[override]  # both kinds are allowed
        return {"hello": f"hello {ctx.op}"}


@pytest.mark.parametrize(("resource", "hello"), [(Personal, "hello exprsn-herald"), (Plain, "hello read")])
async def test_a_context_may_be_made_for_each_call(bus: TestBus, resource: type, hello: str) -> None:
    owner, caller = IPCWorker("timeline"), IPCWorker("herald")
    owner.resource("personal")(resource)
    await bus.start(owner, caller)
    assert await caller.read("personal", program(var("hello")), use_jsonlex=True) == hello
    with pytest.raises(BadMessageError) as refused:
        await caller.call("personal", "jsonlex_context")
    assert refused.value.code is ErrorCode.METHOD_NOT_ALLOWED


class Broken:
    def jsonlex_context(self, ctx: CallContext) -> dict[str, Any]:
        return {"wrong": object()}

    async def read(self, query: Any) -> Any:
        return query


async def test_a_context_that_is_no_json_is_an_error_and_no_crash(bus: TestBus) -> None:
    owner, caller = IPCWorker("timeline"), IPCWorker("herald")
    owner.resource("broken")(Broken)
    await bus.start(owner, caller)
    with pytest.raises(IPCError) as refused:
        await caller.read("broken", program(var("wrong")), use_jsonlex=True)
    assert refused.value.code is ErrorCode.JSONLEX_TYPE


@pytest.mark.parametrize("context", [{"call": 1}, 5, None])
def test_a_context_that_cannot_be_one_is_refused_at_once(context: Any) -> None:
    class Wrong:
        jsonlex_context = context

        async def read(self) -> None:
            return None

    with pytest.raises(TypeError, match="jsonlex_context"):
        IPCWorker("timeline").resource("wrong")(Wrong)


def test_the_error_of_a_program_is_one_of_jsonlex() -> None:
    assert issubclass(JSONLexError, BadMessageError)
