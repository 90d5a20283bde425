"""Looking into logs: several in one order, page by page, never more than was asked for."""

from collections.abc import Sequence

import pytest
from redis.asyncio import Redis

from ipc.jsonlex import JSONLexError
from ipc.protocol.errors import BadMessageError, UnknownServiceError
from ipc.stores import keys, log_pages
from ipc.stores.event_filter import EventFilter
from ipc.stores.log_pages import LogPage, LogPages, before, read_part
from ipc.stores.stream_scan import Range

LOGS = ("broadcast", "exprsn-herald", "exprsn-spark")
ALL = EventFilter()


def frame(event: str, source: str = "exprsn-timeline", data: str = "1") -> str:
    return f'{{"type":"event","id":"x","event":"{event}","source":"{source}","target":"broadcast","ts":1,"data":{data}'


async def put(redis: Redis, log: str, position: str, event: str = "post:created", **told: str) -> None:
    await redis.xadd(keys.log(log), {"e": event, "f": frame(event, **told), "p": "0-0"}, id=position)


@pytest.fixture
async def pages(redis_client: Redis) -> LogPages:
    """Thirty events in three logs by turns, the last three of them at one position."""
    for number in range(1, 28):
        await put(redis_client, LOGS[number % 3], f"{number}-0", f"n:{number}")
    for log in LOGS:
        await put(redis_client, log, "28-0", "n:28")
    return LogPages(redis_client)


def positions(page: LogPage) -> list[str]:
    return [found.entry.position for found in page.events]


async def read_all(pages: LogPages, logs: Sequence[str], wanted: EventFilter = ALL, *, count: int = 4) -> list[str]:
    seen: list[str] = []
    page = await pages.page(before(logs), wanted, count=count)
    seen += positions(page)
    while page.upto is not None:
        page = await pages.page(before(logs, page.upto), wanted, count=count)
        seen += positions(page)
    return seen


async def test_several_logs_are_one_list_newest_first(pages: LogPages) -> None:
    page = await pages.page(before(LOGS), ALL, count=5)
    assert positions(page) == ["28-0", "28-0", "28-0", "27-0", "26-0"]
    assert {found.log for found in page.events[:3]} == set(LOGS)
    assert page.upto == "26-0"


@pytest.mark.parametrize("count", [1, 2, 3, 4, 7, 30, 100])
@pytest.mark.parametrize(("read", "looked"), [(1, 1), (2, 3), (250, 2_000)])
async def test_pages_have_each_event_once(
    pages: LogPages, monkeypatch: pytest.MonkeyPatch, count: int, read: int, looked: int
) -> None:
    """However much one look has, and also where a log is not looked at as far as another."""
    monkeypatch.setattr(log_pages, "READ_COUNT", read)
    seen: list[str] = []
    page = await pages.page(before(LOGS), ALL, count=count, max_looked=looked)
    seen += positions(page)
    while page.upto is not None:
        page = await pages.page(before(LOGS, page.upto), ALL, count=count, max_looked=looked)
        seen += positions(page)
    assert seen == ["28-0", "28-0", *(f"{number}-0" for number in range(28, 0, -1))]


async def test_one_log_and_a_part_of_it(pages: LogPages) -> None:
    assert await read_all(pages, ["exprsn-spark"]) == ["28-0", *(f"{number}-0" for number in range(26, 0, -3))]
    part = {"broadcast": Range(first="(9-0", last="15-0", newest_first=True)}
    page = await pages.page(part, ALL, count=10)
    assert (positions(page), page.upto, page.looked) == (["15-0", "12-0"], None, 2)
    assert positions(await pages.page(before(["exprsn-pulse"]), ALL, count=10)) == []


async def test_filters(redis_client: Redis) -> None:
    await put(redis_client, "broadcast", "1-0", "post:created", data='{"n":1}')
    await put(redis_client, "broadcast", "2-0", "post:deleted", source="exprsn-spark", data='{"n":2}')
    await put(redis_client, "broadcast", "3-0", "user:updated", data='{"n":"three"}')
    await redis_client.xadd(keys.log("broadcast"), {"somebody": "else"}, id="4-0")
    pages = LogPages(redis_client)
    for asked, found, undecided in (
        ({}, ["3-0", "2-0", "1-0"], 0),
        ({"pattern": "post:*"}, ["2-0", "1-0"], 0),
        ({"source": "spark"}, ["2-0"], 0),
        ({"where": {"$gt": [{"$var": "data.n"}, 1]}}, ["2-0"], 1),
        ({"pattern": "post:*", "where": {"$eq": [{"$var": "source"}, "exprsn-timeline"]}}, ["1-0"], 0),
    ):
        page = await pages.page(before(["broadcast"]), EventFilter.of(**asked), count=10)
        assert (positions(page), page.undecided, page.looked) == (found, undecided, 4), asked


def test_a_filter_that_is_wrong_is_refused() -> None:
    with pytest.raises(BadMessageError, match="pattern"):
        EventFilter.of(pattern="::")
    with pytest.raises(UnknownServiceError):
        EventFilter.of(source="nobody")
    with pytest.raises(JSONLexError) as raised:
        EventFilter.of(where={"$and": [{"$no": 1}]})
    assert raised.value.pointer == "/$and/0/$no"


async def test_bytes_end_a_read_after_the_entry_that_was_too_much(redis_client: Redis) -> None:
    for number in range(1, 6):
        await put(redis_client, "broadcast", f"{number}-0", data=f'"{"x" * 1_000}"')
    part = await read_part(redis_client, keys.log("broadcast"), Range(), count=10, size=1_500)
    assert ([entry.position for entry in part.entries], part.is_whole) == (["1-0", "2-0"], False)
    part = await read_part(redis_client, keys.log("broadcast"), Range(), count=10, size=100_000)
    assert (len(part.entries), part.is_whole) == (5, True)
