"""The names of the keys: what one script touches lies in one cluster slot."""

import pytest
from redis.crc import key_slot

from ipc.protocol.routing import BROADCAST
from ipc.protocol.services import SERVICES
from ipc.stores import keys


@pytest.mark.parametrize("log", [BROADCAST, *SERVICES])
def test_the_keys_of_an_append_share_a_slot(log: str) -> None:
    remembered = [keys.seen_prefix(log) + key for key in ("exprsn-herald/1", "exprsn-herald/{x}", "exprsn-herald/}{")]
    slots = {key_slot(key.encode()) for key in (keys.log(log), keys.last(log), *remembered)}
    assert len(slots) == 1


def test_no_two_keys_are_the_same() -> None:
    names = [
        name(log) for log in (BROADCAST, *SERVICES) for name in (keys.log, keys.last, keys.seen_prefix, keys.instance)
    ]
    assert len({*names, keys.INSTANCES}) == len(names) + 1
