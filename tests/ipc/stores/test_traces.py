"""The events of a trace: in all logs, around one of them, and only those that say it of themselves."""

import pytest
from redis.asyncio import Redis

from ipc.stores import keys, traces
from ipc.stores.traces import find_trace, trace_id

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
AT_MS = 1_795_445_319_213


def frame(event_id: str, rest: str = "") -> str:
    return f'{{"type":"event","id":"{event_id}","event":"a:b","source":"exprsn-spark","target":"broadcast","ts":1{rest}'


def traced(event_id: str, trace: str = TRACE) -> str:
    return frame(event_id, f',"data":1,"traceparent":"00-{trace}-00f067aa0ba902b7-01"')


async def put(redis: Redis, log: str, ms: int, text: str) -> None:
    await redis.xadd(keys.log(log), {"e": "a:b", "f": text}, id=f"{ms}-0")


async def test_events_of_all_logs_are_found_in_order(redis_client: Redis) -> None:
    await put(redis_client, "broadcast", AT_MS, traced("two"))
    await put(redis_client, "exprsn-herald", AT_MS - 5, traced("one"))
    await put(redis_client, "exprsn-herald", AT_MS + 5, traced("three"))
    await put(redis_client, "broadcast", AT_MS + 1, traced("other", "0" * 32))
    await put(redis_client, "broadcast", AT_MS + 2, frame("speaks", f',"data":"00-{TRACE}-1-2"'))
    await put(redis_client, "exprsn-spark", AT_MS - traces.AROUND_MS - 1, traced("long ago"))
    found = await find_trace(redis_client, TRACE, around_ms=AT_MS)
    assert [(each.log, each.head.id) for each in found.events] == [
        ("exprsn-herald", "one"), ("broadcast", "two"), ("exprsn-herald", "three"),
    ]  # fmt: skip
    assert (found.looked, found.is_whole) == (5, True)


async def test_a_look_that_was_cut_short_says_so(redis_client: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    for number in range(5):
        await put(redis_client, "broadcast", AT_MS + number, traced(str(number)))
    monkeypatch.setattr(traces, "MAX_FOUND", 3)
    found = await find_trace(redis_client, TRACE, around_ms=AT_MS)
    assert ([each.head.id for each in found.events], found.is_whole) == (["0", "1", "2"], False)


@pytest.mark.parametrize("parent", ["", "null", '"x"', '"00-abc-def"', '"a-b-c-d-e"'])
def test_what_is_no_trace_context_is_part_of_none(parent: str) -> None:
    assert trace_id(frame("x", f',"traceparent":{parent}' if parent else "")) == ""
