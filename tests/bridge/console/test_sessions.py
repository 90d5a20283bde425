"""One session's page, and disconnecting it: by operators, on any hub, written down; and by nobody else."""

from collections.abc import AsyncIterator
from contextlib import aclosing

import pytest
from django.test import AsyncClient
from pytest_django import Settings

from ipc.django_app.runtime import Runtime
from ipc.hub.mesh import Mesh
from ipc.stores.audit import Audit
from ipc.stores.audit_filter import AuditEntry, AuditFilter
from tests.bridge.console.conftest import LogIn, Roles
from tests.bridge.console.streams import events
from tests.ipc.members import Member

PATH = "/admin/console/services/herald"


@pytest.fixture
async def other(runtime: Runtime, redis_url: str) -> AsyncIterator[Mesh]:
    """Another process of the mesh, which has the sessions."""
    mesh = await Mesh(redis_url).start()
    yield mesh
    await mesh.stop()


@pytest.fixture
async def member(other: Mesh) -> Member:
    found = Member(other.hub)
    await other.hub.described()
    return found


def page_of(member: Member) -> str:
    return f"{PATH}/{member.session.origin.instance_id}"


async def trail(runtime: Runtime) -> list[AuditEntry]:
    assert runtime.mesh is not None
    return (await Audit(runtime.mesh.redis).read(AuditFilter(action="session."))).entries


@pytest.mark.parametrize("may_return", [True, False])
async def test_an_operator_disconnects_one_at_another_hub(
    roles: Roles, runtime: Runtime, member: Member, may_return: bool
) -> None:
    client = await roles("operator")
    page = page_of(member)
    assert "Disconnect and send away" in (await client.get(page)).content.decode()
    form = {
        "session": member.session.id,
        "reason": "it floods",
        "next": page,
        **({"may_return": "on"} if may_return else {}),
    }
    answer = await client.post(f"{page}/disconnect", form)
    assert (answer.status_code, answer.headers["Location"]) == (303, page)
    assert await member.peer.close_code() == (4440 if may_return else 4441)
    after = (await client.get(page)).content.decode()
    assert "is disconnected" in after
    assert "not attached" in after
    (entry,) = await trail(runtime)
    assert (entry.action, entry.subject) == ("session.disconnect", member.session.instance)
    assert entry.by.startswith("operator ")
    assert entry.details["reason"] == "it floods"
    assert entry.details["mayReturn"] is may_return


@pytest.mark.parametrize("who", ["viewer", "nobody", "stranger"])
async def test_nobody_else_does(roles: Roles, log_in: LogIn, runtime: Runtime, member: Member, who: str) -> None:
    client = {"viewer": roles, "nobody": log_in}[who] if who != "stranger" else None
    asking = AsyncClient() if client is None else await client(who)
    answer = await asking.post(f"{page_of(member)}/disconnect", {"session": member.session.id, "reason": "x"})
    assert answer.status_code == (302 if who == "stranger" else 403)
    assert await member.is_well()
    assert await trail(runtime) == []


async def test_a_viewer_is_not_offered_it(roles: Roles, member: Member) -> None:
    page = (await (await roles("viewer")).get(page_of(member))).content.decode()
    assert member.session.id in page
    assert "send away" not in page


async def test_a_form_of_another_site_is_refused(roles: Roles, runtime: Runtime, member: Member) -> None:
    client = await roles("operator")
    strict = AsyncClient(enforce_csrf_checks=True)
    strict.cookies = client.cookies
    form = {"session": member.session.id, "reason": "x"}
    assert (await strict.post(f"{page_of(member)}/disconnect", form)).status_code == 403
    assert (await client.get(f"{page_of(member)}/disconnect")).status_code == 405
    assert await member.is_well()


@pytest.mark.parametrize(
    ("form", "status"),
    [
        ({"session": "of before", "reason": "x"}, 409),
        ({"session": "", "reason": "x"}, 400),
        ({"reason": "x"}, 400),
        ({"session": "s", "reason": ""}, 400),
        ({"session": "s", "reason": "x" * 81}, 400),
        ({"session": "s", "reason": "\x00"}, 400),
    ],
)
async def test_what_makes_no_sense_is_refused(
    roles: Roles, runtime: Runtime, member: Member, form: dict[str, str], status: int
) -> None:
    client = await roles("operator")
    answer = await client.post(f"{page_of(member)}/disconnect", form, headers={"Accept": "application/json"})
    assert answer.status_code == status
    assert not answer.json()["success"]
    assert await member.is_well()
    assert await trail(runtime) == []


async def test_one_that_has_left_is_said_to_have(roles: Roles, runtime: Runtime) -> None:
    client = await roles("operator")
    assert "is not attached" in (await client.get(f"{PATH}/01GONE")).content.decode()
    answer = await client.post(f"{PATH}/01GONE/disconnect", {"session": "s", "reason": "x", "next": "//evil.example/"})
    assert (answer.status_code, answer.headers["Location"]) == (303, "/admin/")
    assert (await client.get(f"{PATH}/01GONE/feed")).json() == {"session": None}


async def test_its_feed_says_which_session_it_has_until_it_has_none(
    roles: Roles, runtime: Runtime, member: Member
) -> None:
    client = await roles("viewer")
    async with aclosing(events(client, f"{page_of(member)}/feed")) as feed:
        assert await anext(feed) == {"session": member.session.id}
        await member.hub.detach(member.session)
        assert await anext(feed) == {"session": None}


async def test_its_feed_is_for_who_may_see_the_mesh(log_in: LogIn, runtime: Runtime) -> None:
    for client in (AsyncClient(), await log_in("bob", "view_event"), await log_in("mo", "view_mesh", is_staff=False)):
        assert (await client.get(f"{PATH}/01/feed")).status_code == 403
    assert (await (await log_in("ann", "view_mesh")).get("/admin/console/services/nobody/01/feed")).status_code == 404


async def test_its_page_says_what_it_hears_and_may_do(roles: Roles, other: Mesh, settings: Settings) -> None:
    settings.IPC_RATE_LIMIT = True
    member = Member(other.hub)
    await member.ask(
        type="subscribe", events=["post:*"], where={"$gt": [{"$var": "n"}, 2]}, select={"n": {"$var": "n"}}
    )
    await member.ask(type="subscribe", events=["user:*"], group="mail", credit=7)
    await member.ask(type="serve", resources=[{"name": "mails", "ops": ["read"]}])
    await other.hub.described()
    page = (await (await roles("viewer")).get(page_of(member))).content.decode()
    for text in ("post:*", "$gt", "group mail", "credit 7", "mails", "1000 of 1000 messages left", member.session.id):
        assert text in page
