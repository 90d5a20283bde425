"""Who serves a group: what a hub has said of itself is taken back, also where it was cut off while it said so."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from redis.asyncio import Redis

from ipc.hub.adoption import Adoption
from ipc.hub.counters import Counters
from ipc.protocol.routing import logs_of_group
from ipc.stores.group_replies import Claims
from ipc.stores.groups import Groups
from tests.ipc.durable import GROUP, NAME, SERVICE

HUB = "hub-1"


@pytest.fixture
async def groups(redis_client: Redis) -> Groups:
    groups = Groups(redis_client)
    for log in logs_of_group(SERVICE, GROUP):
        await groups.create(log, NAME)
    return groups


@pytest.fixture
def adoption(groups: Groups) -> Adoption:
    async def adopt(log: str, claims: Claims) -> None:
        raise AssertionError(f"nothing is pending on {log}, but there are {claims}")

    return Adoption(
        SERVICE,
        GROUP,
        logs=logs_of_group(SERVICE, GROUP),
        hub_id=HUB,
        groups=groups,
        counters=Counters(),
        is_known=lambda _log, _position: False,
        adopt=adopt,
        room=lambda: 1,
        is_stuck=lambda: False,
    )


def cut_off(command: Callable[..., Awaitable[Any]], *, after: bool) -> Callable[..., Awaitable[Any]]:
    """Return a command whose task is cancelled before or after Redis has it."""

    async def run(*words: str) -> Any:
        if after:
            await command(*words)
        raise asyncio.CancelledError

    return run


async def test_a_word_that_was_cut_off_is_taken_back(
    adoption: Adoption, groups: Groups, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(groups, "serving", cut_off(groups.serving, after=True))
    with pytest.raises(asyncio.CancelledError):
        await adoption.tend()
    assert await groups.served_by(SERVICE, GROUP) == {HUB}
    await adoption.leave()
    assert await groups.served_by(SERVICE, GROUP) == frozenset()


async def test_taking_it_back_is_tried_again_where_that_was_cut_off(
    adoption: Adoption, groups: Groups, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The task of a group is, when its hub stops while the last member leaves."""
    await adoption.tend()
    with monkeypatch.context() as cutting:
        cutting.setattr(groups, "stop_serving", cut_off(groups.stop_serving, after=False))
        with pytest.raises(asyncio.CancelledError):
            await adoption.leave()
    assert await groups.served_by(SERVICE, GROUP) == {HUB}
    await adoption.leave()
    assert await groups.served_by(SERVICE, GROUP) == frozenset()


async def test_who_has_said_nothing_takes_nothing_back(
    adoption: Adoption, groups: Groups, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(groups, "stop_serving", cut_off(groups.stop_serving, after=False))
    await adoption.leave()
