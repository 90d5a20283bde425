"""What an answer of Valkey is worth: it is in the hands of the kernel before it is given, so kill -9 takes none back.

Valkey writes its append-only file before it answers (``beforeSleep`` in its ``server.c``). ``appendfsync`` says when
the kernel brings it to the disk; only ``everysec`` puts a write off while a sync is going on (``flushAppendOnlyFile``
in its ``aof.c``), so that one is not tested: it would hold on a fast disk, and not on a slow one.
"""

import asyncio
from typing import Any

import pytest
import redis.asyncio as redis

from exprsn.embedded import EmbeddedValkey
from ipc.hub.mesh import redis_stores
from ipc.protocol.errors import IPCError
from ipc.stores import keys
from ipc.stores.connection import connect
from ipc.stores.eventlog import NewEvent

LANES = 16
KILLS = 3
EACH = 200
DEADLINE_S = 60.0


@pytest.mark.parametrize("appendfsync", ["always", "no"])
async def test_nothing_that_was_answered_is_gone_after_a_kill(own_valkey: EmbeddedValkey, appendfsync: str) -> None:
    """From many connections at once, and killed as soon as an answer has come, several times."""
    answered: set[str] = set()
    enough = asyncio.Event()

    async def lane(number: int, target: int) -> None:
        client = connect(own_valkey.url)
        stores = redis_stores(client, log_maxlen=100_000, log_ttl_s=3_600)
        try:
            for count in range(10_000):
                frame = f'{{"lane":{number},"count":{count}'
                try:
                    appended = await stores.eventlog.append("exprsn-herald", [NewEvent("", "work:new", frame)])
                except IPCError:
                    return
                answered.update(appended.positions)
                if len(answered) >= target:
                    enough.set()
        finally:
            await client.aclose()

    for kill in range(1, KILLS + 1):
        enough.clear()
        async with redis.Redis.from_url(own_valkey.url) as client:
            await client.config_set("appendfsync", appendfsync)
        lanes = [asyncio.create_task(lane(number, kill * EACH)) for number in range(LANES)]
        async with asyncio.timeout(DEADLINE_S):
            await enough.wait()
            own_valkey.kill()
            await asyncio.gather(*lanes)
        own_valkey.start()
    async with redis.Redis.from_url(own_valkey.url) as client:
        entries: Any = await client.xrange(keys.log("exprsn-herald"))
    assert len(answered) >= KILLS * EACH
    assert answered <= {position.decode() for position, _ in entries}


async def test_without_the_append_only_file_it_is_gone(own_valkey: EmbeddedValkey) -> None:
    """So the test above can fail: it is the file that keeps what was answered."""
    async with redis.Redis.from_url(own_valkey.url) as client:
        await client.set("kept", "1")
        await client.config_set("appendonly", "no")
        await client.set("lost", "1")
    own_valkey.kill()
    own_valkey.start()
    async with redis.Redis.from_url(own_valkey.url) as client:
        assert (await client.get("kept"), await client.get("lost")) == (b"1", None)
