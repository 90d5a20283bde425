"""The rate budgets as a page: what is used, by whom, and that looking uses nothing."""

import pytest
from django.test import AsyncClient
from pytest_django import Settings
from redis.asyncio import Redis

from bridge.console.limits import RefusedRow
from ipc.hub.hub import Hub
from ipc.protocol.codes import ErrorCode
from ipc.stores.rate_limit import Budget, RateLimits
from tests.bridge.console.conftest import LogIn
from tests.ipc.durable import eventually
from tests.ipc.members import Member

PATH = "/admin/console/limits"


@pytest.fixture
async def client(log_in: LogIn) -> AsyncClient:
    return await log_in("ann", "view_mesh")


async def test_it_is_for_who_may_see_the_mesh(log_in: LogIn) -> None:
    assert (await AsyncClient().get(PATH)).status_code == 302
    assert (await (await log_in("bob", "view_event")).get(PATH)).status_code == 403


async def test_what_is_used_is_shown_the_fullest_first(client: AsyncClient, hub: Hub, redis: Redis) -> None:
    assert "Nobody has sent anything" in (await client.get(PATH)).content.decode()
    for service, is_exempt, count in (
        ("exprsn-herald", False, 10),
        ("exprsn-spark", False, hub.limits.rate_max),
        ("exprsn-herald", True, 5),
    ):
        budget = Budget.of(service, hub.limits, is_exempt=is_exempt)
        found = await RateLimits(redis).take(budget, "a hub", count, is_whole=True)
        assert found.granted == count
        # Giving its lease back.
        await RateLimits(redis).take(budget, "a hub", 0)
    for _ in range(2):
        answer = await client.get(PATH)
        rows = [(row.service, row.is_exempt, row.used, row.remaining, row.peak) for row in answer.context["rows"]]
        most, exempt = hub.limits.rate_max, hub.limits.rate_exempt_max
        assert rows == [
            ("spark", False, most, 0, most), ("herald", False, 10, most - 10, 10), ("herald", True, 5, exempt - 5, 5),
        ]  # fmt: skip
        assert [row.state for row in answer.context["rows"]] == ["bad", "good", "good"]
    assert "prefetch" in answer.context["quiet"]


@pytest.mark.parametrize("is_on", [True, False])
async def test_a_session_and_the_page_of_limits_say_the_same(
    client: AsyncClient, hub: Hub, redis: Redis, settings: Settings, monkeypatch: pytest.MonkeyPatch, is_on: bool
) -> None:
    """Also in a process that has no doors, and so limits nobody itself, and while a hub has been lent something."""
    settings.IPC_RATE_LIMIT = is_on
    monkeypatch.setattr(hub, "limiter", None)
    member = Member(hub)
    await hub.described()
    budget = Budget.of("exprsn-herald", hub.limits, is_exempt=False)
    assert (await RateLimits(redis).take(budget, "a hub", 10)).leased > 0
    answer = await client.get(PATH)
    (row,) = answer.context["rows"]
    assert 0 < row.remaining < hub.limits.rate_max - 10
    assert ("Nobody is limited" in answer.content.decode()) is not is_on
    session = await client.get(f"/admin/console/services/herald/{member.session.origin.instance_id}")
    assert (f"{row.remaining} of {row.maximum} messages left" in session.content.decode()) is is_on


async def test_who_was_refused_what_is_shown_over_a_window(client: AsyncClient, hub: Hub) -> None:
    assert "Nobody was refused anything" in (await client.get(PATH)).content.decode()
    hub.counters.refuse("exprsn-spark", ErrorCode.RATE_LIMIT_EXCEEDED, 7)
    hub.counters.refuse("exprsn-spark", ErrorCode.FORBIDDEN, 2)
    hub.counters.named.refuse_stranger("exprsn-spark", ErrorCode.TOKEN_INVALID)

    async def is_shown() -> bool:
        context = (await client.get(PATH, {"window": "60"})).context
        refused: list[RefusedRow] = context["refused"]
        strangers: list[RefusedRow] = context["strangers"]
        return strangers == [("spark", 1, [("TOKEN_INVALID", 1)])] and refused == [
            ("spark", 9, [("RATE_LIMIT_EXCEEDED", 7), ("FORBIDDEN", 2)]),
            ("nobody", 1, [("TOKEN_INVALID", 1)]),
        ]

    await eventually(is_shown)

    async def is_shown_for_the_hour() -> bool:
        """What is longer is written less often."""
        page = (await client.get(PATH, {"window": "3600"})).content.decode()
        return "FORBIDDEN 2" in page and "who proved nothing" in page and "/ipc/spark" in page

    await eventually(is_shown_for_the_hour)


@pytest.mark.parametrize("window", ["0", "61", "<b>", "9" * 400])
async def test_a_window_that_there_is_not_is_refused(client: AsyncClient, hub: Hub, window: str) -> None:
    answer = await client.get(PATH, {"window": window})
    assert (answer.status_code, "refused" in answer.context) == (400, False)
