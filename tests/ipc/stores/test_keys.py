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


@pytest.mark.parametrize("service", SERVICES)
def test_the_keys_of_a_service_share_a_slot(service: str) -> None:
    of_service = (keys.instances, keys.instance, keys.service, keys.changes)
    assert len({key_slot(key(service).encode()) for key in of_service}) == 1


@pytest.mark.parametrize("budget", ["exprsn-herald", "exprsn-herald/exempt"])
def test_the_keys_of_a_budget_share_a_slot(budget: str) -> None:
    assert key_slot(keys.rate(budget).encode()) == key_slot(keys.leases(budget).encode())


def test_no_two_keys_are_the_same() -> None:
    of_log = (keys.log, keys.last, keys.seen_prefix)
    of_service = (keys.instances, keys.instance, keys.service, keys.changes, keys.share, keys.resource)
    budgets = [name for service in SERVICES for name in (service, f"{service}/exempt")]
    names = [name(log) for log in (BROADCAST, *SERVICES) for name in (*of_log, *of_service)]
    names += [name(budget) for budget in budgets for name in (keys.rate, keys.leases)]
    assert len({*names, keys.HUBS, keys.DEAD_GROUPS}) == len(names) + 2
