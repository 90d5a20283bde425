"""What a hub does again and again goes on, whatever one turn of it meets."""

import asyncio

import pytest

from ipc.hub import chores as module
from ipc.hub.chores import Chores, told_or_later
from ipc.hub.counters import Counters
from ipc.hub.hub import Hub
from ipc.hub.tasks import OwnedTasks
from tests.ipc.peers import GUARD_S


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "AGAIN_S", 0.0)


async def test_a_chore_that_meets_a_bug_is_begun_again(caplog: pytest.LogCaptureFixture) -> None:
    tasks, counters, done, turns = OwnedTasks("test"), Counters(), asyncio.Event(), 0

    async def turn() -> None:
        nonlocal turns
        turns += 1
        if turns <= 2:
            raise LookupError("a hub of another version")
        done.set()

    chores = Chores(tasks, counters)
    chores.every(0.0, "look", turn)
    async with asyncio.timeout(GUARD_S):
        await done.wait()
    assert counters.chores_failed == 2
    assert caplog.text.count("look met a bug") == 2
    assert "a hub of another version" in caplog.text
    await tasks.close()
    assert not tasks.running


async def test_a_hub_looks_on_though_what_it_looked_at_was_not_understood(
    hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Such as an entry that a hub of another version has written: the next look comes."""
    looked = asyncio.Event()
    look = hub.operations.look

    async def fail_once() -> None:
        monkeypatch.setattr(hub.operations, "look", look_well)
        raise ValueError("of another version")

    async def look_well() -> None:
        await look()
        looked.set()

    monkeypatch.setattr(hub.operations, "look", fail_once)
    await hub.operations.heard()
    async with asyncio.timeout(GUARD_S):
        await looked.wait()
    assert hub.counters.chores_failed == 1


async def test_who_is_told_waits_no_longer_and_who_is_not_waits_its_time() -> None:
    told = asyncio.Event()
    told.set()
    await told_or_later(told, 3_600.0)
    assert not told.is_set()
    await told_or_later(told, 0.0)
