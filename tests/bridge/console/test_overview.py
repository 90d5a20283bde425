"""The overview: the page on which the admin opens."""

from typing import Any

import pytest
from django.test import AsyncClient

from bridge.console import board
from bridge.console.overview import overview_now
from bridge.console.panels import CHARTS, TILES
from bridge.unapplied_migrations import unapplied_migrations
from ipc.django_app.runtime import Runtime
from tests.bridge.console.conftest import LogIn
from tests.ipc.durable import eventually
from tests.ipc.members import Member


@pytest.fixture
async def client(log_in: LogIn) -> AsyncClient:
    return await log_in("ann", "view_mesh")


async def test_the_admin_opens_on_it_for_who_may_see_it(log_in: LogIn, client: AsyncClient, runtime: Runtime) -> None:
    page = (await client.get("/admin/")).content.decode()
    assert all(f'id="t-{tile.key}"' in page for tile in TILES)
    assert all(f'id="c-{chart.key}"' in page for chart in CHARTS)
    assert "data-tile" not in (await (await log_in("bob")).get("/admin/")).content.decode()


async def test_with_nobody_attached_it_says_what_to_do(client: AsyncClient, runtime: Runtime) -> None:
    assert "make run" in (await client.get("/admin/")).content.decode()
    assert runtime.hub is not None
    member = Member(runtime.hub)
    await runtime.hub.described()
    assert "make run" not in (await client.get("/admin/")).content.decode()
    await runtime.hub.detach(member.session)


async def test_a_database_that_lacks_migrations_is_shown(
    client: AsyncClient, runtime: Runtime, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert 'class="problem"' not in (await client.get("/admin/")).content.decode()
    monkeypatch.setattr(unapplied_migrations, "problem", lambda: "run manage.py migrate")
    page = (await client.get("/admin/")).content.decode()
    assert '<p class="problem" role="alert">run manage.py migrate</p>' in page


async def test_without_a_mesh_it_says_so(client: AsyncClient) -> None:
    answer = await client.get("/admin/")
    assert answer.status_code == 503
    assert "has joined no mesh" in answer.content.decode()


async def test_the_bypass_is_marked_while_it_is_on(client: AsyncClient, runtime: Runtime, settings: Any) -> None:
    for is_on in (True, False):
        settings.DEV_BYPASS = is_on
        assert ("The development bypass is on" in (await client.get("/admin/")).content.decode()) is is_on


async def test_the_environment_is_marked(client: AsyncClient, runtime: Runtime) -> None:
    assert "development" in (await client.get("/admin/")).content.decode()


async def test_what_happens_is_counted(runtime: Runtime, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(board.HOLDS_S, 60, 1)
    hub = runtime.hub
    assert hub is not None
    member = Member(hub)
    await member.subscribe("post:*")
    await member.emit("post:created", 1)
    await member.hears(1)

    async def is_counted() -> bool:
        now = await overview_now(hub)
        return (sum(now["recent"].emitted) >= 1, now["delivery"].count, now["sessions"]) == (True, 1, 1)

    await eventually(is_counted)
    await hub.detach(member.session)
