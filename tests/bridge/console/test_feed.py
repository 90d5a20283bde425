"""The feed of the pages that show the mesh at large: who gets it, and what it says."""

from contextlib import aclosing

import pytest
from django.test import AsyncClient

from bridge.console import feed
from ipc.django_app.runtime import Runtime
from tests.bridge.console.conftest import LogIn
from tests.bridge.console.streams import OVERVIEW, STREAM, events

SERIES = "/admin/console/series"


@pytest.fixture
async def client(log_in: LogIn) -> AsyncClient:
    return await log_in("ann", "view_mesh", "view_event")


async def test_it_is_for_staff_with_the_permission_and_for_nobody_else(log_in: LogIn, runtime: Runtime) -> None:
    for client, status in (
        (AsyncClient(), 403),
        (await log_in("nobody", "view_mesh", is_staff=False), 403),
        (await log_in("gone", "view_mesh", is_active=False), 403),
        (await log_in("bob"), 403),
        (await log_in("cid", "view_audit"), 403),
        (await log_in("ann", "view_mesh"), 200),
        (await log_in("root", is_superuser=True), 200),
    ):
        for path in (OVERVIEW, SERIES):
            assert (await client.get(path)).status_code == status
        if status != 200:
            assert (await client.get(OVERVIEW, headers=STREAM)).status_code == status


async def test_it_says_one_thing_a_second(client: AsyncClient, runtime: Runtime) -> None:
    seen = []
    async with aclosing(events(client)) as feed_of:
        async for said in feed_of:
            seen.append(said["atMs"])
            if len(seen) == 3:
                break
    assert seen == sorted(set(seen))


@pytest.mark.parametrize("about", list(feed.TOPICS))
async def test_who_asks_again_and_again_gets_the_same_once(client: AsyncClient, runtime: Runtime, about: str) -> None:
    answer = await client.get(OVERVIEW, {"about": about})
    assert answer.headers["Content-Type"] == "application/json"
    async with aclosing(events(client, query={"about": about})) as feed_of:
        assert set(await anext(feed_of)) == set(answer.json())


async def test_what_there_is_not_is_not_found(client: AsyncClient, runtime: Runtime) -> None:
    answer = await client.get(OVERVIEW, {"about": "<script>"})
    assert (answer.status_code, answer.json()["error"]) == (404, "NOT_FOUND")
    answer = await client.get(SERIES, {"span": "1y"})
    assert (answer.status_code, answer.json()["error"]) == (404, "NOT_FOUND")


async def test_without_a_mesh_it_says_so(client: AsyncClient) -> None:
    for path in (OVERVIEW, SERIES):
        answer = await client.get(path)
        assert (answer.status_code, answer.json()["error"]) == (503, "UNAVAILABLE")
