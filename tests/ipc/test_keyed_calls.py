"""A call with an idempotency key that comes to one instance again is answered as before, within the limits of that."""

import asyncio
import itertools
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from msgspec import UNSET, Raw, UnsetType

from ipc.keyed_calls import REMEMBER_S, KeyedCalls
from ipc.protocol.errors import ConflictError, UnavailableError
from ipc.protocol.messages import ServerCall

Work = Callable[[], Awaitable[Raw | UnsetType]]


@pytest.fixture
def work() -> Work:
    """Returns how often it was done."""
    count = itertools.count(1)

    async def done() -> Raw:
        return Raw(str(next(count)).encode())

    return done


def call(idempotency_key: str | None = "k", **members: Any) -> ServerCall:
    asked = {"op": "create", "resource": "posts", "source": "exprsn-spark", "data": Raw(b"1"), **members}
    return ServerCall(id="c1", deadline_ms=1000, idempotency_key=idempotency_key, **asked)


async def answers(keyed: KeyedCalls, work: Work, *calls: ServerCall) -> list[int | None]:
    got = [await keyed.once(each, work) for each in calls]
    return [None if isinstance(each, UnsetType) else int(bytes(each)) for each in got]


async def test_only_a_repeat_is_answered_as_before(work: Work) -> None:
    """Another source, resource or operation may use the same key; without one, and for reads, all is done anew."""
    keyed = KeyedCalls()
    others = [call(source="exprsn-herald"), call(resource="users"), call(op="publish"), call("other")]
    assert await answers(keyed, work, call(), call(), *others, call()) == [1, 1, 2, 3, 4, 5, 1]
    assert await answers(keyed, work, call(None), call(None), call(op="read"), call(op="read")) == [6, 7, 8, 9]


@pytest.mark.parametrize(
    "members",
    [
        {"data": Raw(b"2")},
        {"data": UNSET},
        {"query": Raw(b"1")},
        {"data": UNSET, "query": Raw(b"1")},
        {"key": 1},
        {"jsonlex": True},
        {"meta": {"user": "bob"}},
    ],
)
async def test_another_call_does_not_get_the_answer_of_the_first(work: Work, members: dict[str, Any]) -> None:
    keyed = KeyedCalls()
    await keyed.once(call(), work)
    with pytest.raises(ConflictError, match="'k'"):
        await keyed.once(call(**members), work)
    assert await answers(keyed, work, call(), call("next")) == [1, 2]


async def test_a_call_that_failed_or_was_taken_back_is_tried_again(work: Work) -> None:
    keyed = KeyedCalls()

    async def fail() -> Raw:
        raise UnavailableError("the database is away")

    async def hang() -> Raw:
        await asyncio.Event().wait()
        raise AssertionError

    with pytest.raises(UnavailableError):
        await keyed.once(call(), fail)
    hanging = asyncio.create_task(keyed.once(call(), hang))
    await asyncio.sleep(0)
    again = asyncio.create_task(keyed.once(call(), work))
    await asyncio.sleep(0)
    hanging.cancel()
    assert bytes(await again) == b"1"  # type: ignore[arg-type]  # it is Raw


async def test_a_repeat_waits_for_what_is_being_carried_out(work: Work) -> None:
    """A caller that has lost its connection may ask again before its first call is done."""
    keyed = KeyedCalls()
    go_on = asyncio.Event()

    async def slow() -> Raw | UnsetType:
        await go_on.wait()
        return await work()

    waiting = [asyncio.create_task(keyed.once(call(), slow)) for _ in range(3)]
    assert await answers(keyed, work, call("other")) == [1]
    go_on.set()
    assert [bytes(each) for each in await asyncio.gather(*waiting)] == [b"2"] * 3  # type: ignore[arg-type]  # as above
    assert not keyed._locks


async def test_nothing_is_remembered_for_ever(work: Work) -> None:
    now = 0.0
    keyed = KeyedCalls(max_answers=2, clock=lambda: now)
    calls = [call(name) for name in "abccba"]
    assert await answers(keyed, work, *calls) == [1, 2, 3, 3, 2, 4]
    now = REMEMBER_S
    assert await answers(keyed, work, call("a"), call("a")) == [5, 5]
    assert len(keyed._answered) == 1


async def test_large_answers_are_not_kept_beyond_the_bytes_there_are(work: Work) -> None:
    """Nor is one that is larger than all of them; an answer without data takes none."""
    keyed = KeyedCalls(max_bytes=10)
    done: list[int] = []

    def of(size: int | None) -> Work:
        async def answer() -> Raw | UnsetType:
            done.append(size or 0)
            return UNSET if size is None else Raw(b"1" * size)

        return answer

    for name, size in (("a", 5), ("none", None), ("b", 5), ("a", 5), ("none", None), ("c", 1), ("a", 5)):
        await keyed.once(call(name), of(size))
    assert done == [5, 0, 5, 1, 5]
    for _ in range(2):
        await keyed.once(call("large"), of(11))
    assert done[5:] == [11, 11]
    assert keyed._bytes == 0
