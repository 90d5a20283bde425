"""What a worker serves: what its methods get, how they fail, how long they may take, and what they may begin."""

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from ipc import CallContext, IPCWorker
from ipc.protocol.codes import ErrorCode
from ipc.protocol.errors import (
    BadMessageError,
    ConflictError,
    DeadlineError,
    IPCError,
    NoOwnerError,
    NotFoundError,
    UnavailableError,
    ValidationFailedError,
)
from ipc.resources import seconds_left, served_resource
from ipc.testing import TestBus
from tests.ipc.peers import GUARD_S
from tests.markdown import fences

ROOT = Path(__file__).parents[2]


@pytest.fixture
async def bus() -> AsyncIterator[TestBus]:
    async with TestBus() as bus:
        yield bus


@pytest.fixture
async def caller(bus: TestBus) -> IPCWorker:
    caller = IPCWorker("spark")
    await bus.start(caller)
    return caller


async def serving(bus: TestBus, handler: object, name: str = "posts") -> IPCWorker:
    owner = IPCWorker("timeline")
    owner.resource(name)(handler)
    await bus.start(owner)
    return owner


async def refused(call: Any) -> IPCError:
    with pytest.raises(IPCError) as caught:
        async with asyncio.timeout(GUARD_S):
            await call
    return caught.value


async def test_a_method_takes_what_it_names(bus: TestBus, caller: IPCWorker) -> None:
    class Posts:
        async def read(self, key: Any = None, query: Any = None) -> Any:
            return [key, query]

        async def update(self, key: Any, data: Any, ctx: CallContext) -> Any:
            return [key, data, ctx.source, ctx.op, ctx.idempotency_key, ctx.meta, 0 < ctx.seconds_left <= 10]

        async def delete(self) -> None:
            return None

    await serving(bus, Posts)
    assert await caller.read("posts", {"a": 1}) == [None, {"a": 1}]
    made = await caller.update("posts", 7, {"b": 2}, idempotency_key="k", meta={"m": 1})
    assert made == [7, {"b": 2}, "exprsn-spark", "update", "k", {"m": 1}, True]
    assert await caller.delete("posts", "x") is None


async def test_what_a_method_raises_is_what_the_caller_gets(bus: TestBus, caller: IPCWorker) -> None:
    class Posts:
        async def create(self, data: Any) -> Any:
            raise {
                "conflict": ConflictError("no"),
                "gone": NotFoundError("no"),
                "wrong": ValidationFailedError("no", details={"text": ["empty"]}),
                "bug": ZeroDivisionError("secret"),
                "own time": TimeoutError("secret"),
            }[data]

    owner = await serving(bus, Posts)
    failures: list[Exception] = []
    owner.hook("handler_error")(lambda error, _ctx: failures.append(error))
    codes = {data: await refused(caller.create("posts", data)) for data in ("conflict", "gone", "wrong", "bug")}
    assert [type(error) for error in codes.values()] == [ConflictError, NotFoundError, ValidationFailedError, IPCError]
    assert codes["wrong"].details == {"text": ["empty"]}
    assert "secret" not in codes["bug"].message
    assert (await refused(caller.create("posts", "own time"))).code is ErrorCode.INTERNAL
    assert [type(error) for error in failures] == [ZeroDivisionError, TimeoutError]
    assert (await refused(caller.call("posts", "create"))).code is ErrorCode.VALIDATION_FAILED


async def test_a_keyed_call_that_is_made_again_is_not_carried_out_again(bus: TestBus, caller: IPCWorker) -> None:
    class Posts:
        def __init__(self) -> None:
            self.made = 0

        async def create(self, data: Any) -> Any:
            self.made += 1
            return [data, self.made]

    await serving(bus, Posts)
    made = [await caller.create("posts", "a", idempotency_key="k") for _ in range(2)]
    assert made == [["a", 1], ["a", 1]]
    assert await caller.create("posts", "a") == ["a", 2]
    assert isinstance(await refused(caller.create("posts", "b", idempotency_key="k")), ConflictError)


async def test_an_error_of_a_nested_call_does_not_say_that_the_outer_one_has_not_begun(
    bus: TestBus, caller: IPCWorker
) -> None:
    class Posts:
        async def create(self, data: Any) -> Any:
            await owner.create("nobodys", data)

    owner = await serving(bus, Posts)
    error = await refused(caller.create("posts", 1))
    assert not isinstance(error, NoOwnerError)
    assert (error.code, "NO_OWNER" in error.message) == (ErrorCode.UNAVAILABLE, True)


async def test_the_time_of_the_caller_is_that_of_tasks_and_threads_and_ends_with_the_call(
    bus: TestBus, caller: IPCWorker
) -> None:
    left: list[float | None] = []
    go_on = asyncio.Event()
    after: list[asyncio.Task[None]] = []

    class Posts:
        async def read(self) -> None:
            left.append(seconds_left())
            left.append(await asyncio.to_thread(seconds_left))
            async with asyncio.TaskGroup() as group:
                group.create_task(self._note())
            after.append(asyncio.create_task(self._go_on()))

        async def _note(self) -> None:
            left.append(seconds_left())

        async def _go_on(self) -> None:
            await go_on.wait()
            left.append(seconds_left())

    await serving(bus, Posts)
    await caller.call("posts", "read", timeout_s=5)
    go_on.set()
    await asyncio.gather(*after)
    assert [each is not None and 0 < each <= 5 for each in left] == [True, True, True, False]
    assert left[-1] is None
    assert seconds_left() is None


async def test_a_nested_call_takes_no_longer_than_the_outer_has_left(bus: TestBus, caller: IPCWorker) -> None:
    class Users:
        async def read(self, ctx: CallContext) -> float:
            return ctx.seconds_left

    class Posts:
        async def read(self) -> Any:
            return await owner.read("users", timeout_s=50)

    owner = IPCWorker("timeline")
    owner.resource("users")(Users)
    owner.resource("posts")(Posts)
    await bus.start(owner)
    assert 0 < await caller.read("posts", timeout_s=3) <= 3


async def test_a_deadline_cancels_the_method_and_so_does_a_caller_that_gives_up(
    bus: TestBus, caller: IPCWorker
) -> None:
    ended: asyncio.Queue[str] = asyncio.Queue()
    begun = asyncio.Event()

    class Posts:
        async def read(self) -> None:
            begun.set()
            try:
                await asyncio.Event().wait()
            finally:
                ended.put_nowait("ended")

    await serving(bus, Posts)
    assert isinstance(await refused(caller.read("posts", timeout_s=0.05)), DeadlineError)
    async with asyncio.timeout(GUARD_S):
        await ended.get()
        begun.clear()
        call = asyncio.create_task(caller.read("posts"))
        await begun.wait()
        call.cancel()
        await ended.get()


async def test_a_worker_that_stops_finishes_what_it_has_begun(bus: TestBus, caller: IPCWorker) -> None:
    begun, go_on = asyncio.Event(), asyncio.Event()

    class Posts:
        async def create(self, data: Any) -> Any:
            begun.set()
            await go_on.wait()
            return data

    owner = await serving(bus, Posts)
    call = asyncio.create_task(caller.create("posts", "made"))
    await begun.wait()
    stopping = asyncio.create_task(bus.stop(owner))
    assert isinstance(await refused(_until_nobody(caller)), NoOwnerError)
    go_on.set()
    assert await call == "made"
    await stopping


async def _until_nobody(caller: IPCWorker) -> None:
    while True:
        try:
            await caller.call("posts", "create", data=0, timeout_s=0.05)
        except DeadlineError:
            continue


async def test_a_caller_that_stops_learns_it_at_once(bus: TestBus, caller: IPCWorker) -> None:
    """Also for a read, which is made again only while there may be another connection."""
    begun = asyncio.Event()

    class Posts:
        async def read(self) -> None:
            begun.set()
            await asyncio.Event().wait()

    await serving(bus, Posts)
    call = asyncio.create_task(caller.read("posts", timeout_s=60))
    await begun.wait()
    await bus.stop(caller)
    assert isinstance(await refused(call), UnavailableError)


@pytest.mark.parametrize(
    ("handler", "wrong"),
    [
        (type("Empty", (), {}), "no public async"),
        (type("Sync", (), {"read": lambda _self: None}), "no public async"),
        (type("Missing", (), {"ops": ["read"]}), "no async method read"),
    ],
)
def test_what_cannot_be_called_is_said_at_once(handler: type, wrong: str) -> None:
    with pytest.raises(TypeError, match=wrong):
        served_resource("posts", handler())


def test_a_method_that_takes_something_else_and_a_wrong_name_are_refused() -> None:
    class Posts:
        async def read(self, body: Any) -> None: ...

    with pytest.raises(TypeError, match="takes body"):
        served_resource("posts", Posts())
    with pytest.raises(BadMessageError):
        served_resource("no name", Posts())


async def test_the_guide_does_what_it_says(bus: TestBus) -> None:
    owner, caller = [
        fence.text for fence in fences(ROOT / "docs/howto/serve-and-call.md") if fence.language == "python"
    ][:2]
    names: dict[str, Any] = {}
    exec(owner + caller, names)  # noqa: S102 - it is our own guide
    spark = IPCWorker("spark")
    await bus.start(names["ipc"], spark)
    made = await spark.create("albums", {"title": "Summer"})
    assert await spark.read("albums", key=made["id"]) == {"title": "Summer", "by": "exprsn-spark", "published": False}
    outcomes = [await names["publish_once"](spark, key) for key in (made["id"], made["id"], "99")]
    assert outcomes == ["published", "was published", "no such album"]
