"""The keeper of a mesh: what it says, and that it says it once."""

import logging

import pytest
from redis.asyncio import Redis

from exprsn.embedded import EmbeddedValkey
from ipc.hub.keeper import Keeper
from ipc.protocol.errors import UnavailableError
from ipc.stores import keys
from ipc.stores.connection import connect
from ipc.stores.eventlog import EventLog, NewEvent
from ipc.stores.groups import Groups


async def test_a_loss_is_logged_once_with_what_to_do(redis_client: Redis, caplog: pytest.LogCaptureFixture) -> None:
    await Groups(redis_client).create("exprsn-herald", "exprsn-herald/notify", after="0-0")
    await EventLog(redis_client).append("exprsn-herald", [NewEvent("", "post:created", "{")] * 5)
    await Keeper(redis_client).look()
    await redis_client.xtrim(keys.log("exprsn-herald"), maxlen=2, approximate=False)
    for keeper in (Keeper(redis_client), Keeper(redis_client)):
        await keeper.look()
    (record,) = caplog.records
    assert record.levelno == logging.ERROR
    assert record.getMessage().startswith("the group exprsn-herald/notify lost 3 events of exprsn-herald: they were")


async def test_settings_are_warned_of_once_and_as_long_as_they_are_wrong(
    own_valkey: EmbeddedValkey, caplog: pytest.LogCaptureFixture
) -> None:
    client = connect(own_valkey.url)
    try:
        await client.config_set("maxmemory-policy", "volatile-lru")
        keeper = Keeper(client)
        await keeper.look()
        await keeper.look()
        assert [record.getMessage() for record in caplog.records] == keeper.warnings
        assert len(keeper.warnings) == 1
        await client.config_set("maxmemory-policy", "noeviction")
        await keeper.look()
        assert keeper.warnings == []
    finally:
        await client.aclose()


async def test_a_redis_that_is_away_is_no_end(own_valkey: EmbeddedValkey) -> None:
    """A round fails, and the next one that can do its work does it."""
    client = connect(own_valkey.url)
    try:
        own_valkey.stop()
        keeper = Keeper(client)
        with pytest.raises(UnavailableError):
            await keeper.look()
        own_valkey.start()
        await keeper.look()
        assert keeper.warnings == []
    finally:
        await client.aclose()
