"""Long operations as pages: who runs what and how far, filters, pages, and who may cancel."""

from typing import Any

import pytest
from django.test import AsyncClient
from redis.asyncio import Redis

from bridge.console import operations
from bridge.console.operations import operations_now
from ipc.hub.hub import Hub
from ipc.stores.audit import Audit
from ipc.stores.audit_filter import AuditFilter
from tests.bridge.console.conftest import LogIn, Roles
from tests.bridge.console.mesh import EVIL
from tests.clock import pass_a_millisecond
from tests.ipc.members import Member

PATH = "/admin/console/operations"


@pytest.fixture
async def client(log_in: LogIn) -> AsyncClient:
    return await log_in("ann", "view_mesh", "view_event")


async def begun(member: Member, name: str = "import", **members: Any) -> str:
    """Begin an operation that is newer than those before it."""
    pass_a_millisecond()
    ok = await member.ask(type="operation", op="begin", name=name, **members)
    assert ok["type"] == "ok", ok
    return str(ok["operations"][0]["id"])


async def told(member: Member, operation: str, **members: Any) -> None:
    ok = await member.ask(type="operation", operation=operation, **members)
    assert ok["type"] == "ok", ok


def names(rows: list[dict[str, Any]]) -> list[str]:
    return [row["name"] for row in rows]


async def test_it_is_for_who_may_see_the_mesh(log_in: LogIn, hub: Hub) -> None:
    bob = await log_in("bob", "view_event", "cancel_operation")
    for path in (PATH, f"{PATH}/01J0000000000000000000000"):
        assert (await AsyncClient().get(path)).status_code == 302
        assert (await bob.get(path)).status_code == 403
    assert (await bob.get("/admin/console/feed", {"about": "operations"})).status_code == 403


async def test_nothing_says_how_an_operation_comes_to_be(client: AsyncClient, hub: Hub) -> None:
    page = (await client.get(PATH)).content.decode()
    assert "No long operation runs" in page
    assert "ipc.operation(" in page


async def test_what_runs_comes_first_and_says_how_far_it_is(client: AsyncClient, hub: Hub) -> None:
    workflow, gallery = Member(hub, "workflow"), Member(hub, "gallery")
    old, over = await begun(workflow, "export"), await begun(gallery, "reindex")
    await told(gallery, over, op="end", error="ValueError: no such shard")
    new = await begun(workflow, total=200, target="pulse")
    await told(workflow, new, op="progress", done=50, text="row 50")
    context = (await client.get(PATH)).context
    assert names(context["running"]) == ["import", "export"]
    (row, other) = context["running"]
    assert (row["percent"], row["done"], row["said"]) == ("25 %", "50 of 200", "25 %, row 50")
    assert (row["service"], row["target"], other["id"], other["target"]) == ("workflow", "pulse", old, "")
    (failed,) = context["ended"]
    assert (failed["status"], failed["level"], failed["error"], failed["isOpen"]) == (
        "failed", "bad", "ValueError: no such shard", False,
    )  # fmt: skip
    page = (await client.get(PATH)).content.decode()
    assert 'value="25" aria-label="Progress of import of workflow" aria-valuetext="25 %, row 50"' in page


async def test_what_has_been_raised_is_for_who_may_see_events(log_in: LogIn, roles: Roles, hub: Hub) -> None:
    """On the pages, by the feed and over HTTP: it may be of what the operation was given. Who has cancelled is not."""
    gallery = Member(hub, "gallery")
    failed, ended = await begun(gallery, "reindex"), await begun(gallery, "export")
    await told(gallery, failed, op="end", error="ValueError: no address for ada@example.org")
    await hub.operations.cancel(ended, by="operator 7")
    viewer, bob = await roles("viewer"), await log_in("bob", "view_mesh")
    for client, may in ((viewer, True), (bob, False)):
        page = await client.get(PATH)
        feed = f"/admin/console/feed?about={page.context['about']}"
        for address in (PATH, f"{PATH}/{failed}", feed, "/api/ipc/operations"):
            text = (await client.get(address)).content.decode()
            assert "reindex" in text
            assert ("ada@example.org" in text) is may, address
            if address != f"{PATH}/{failed}":
                assert "cancelled by operator 7" in text
    assert (await bob.get("/admin/console/feed?about=operations-in-full")).status_code == 403
    eva = await log_in("eva", "view_event")
    assert (await eva.get("/admin/console/feed?about=operations-in-full")).status_code == 403


async def test_they_are_chosen_by_service_and_state(client: AsyncClient, hub: Hub) -> None:
    workflow, gallery = Member(hub, "workflow"), Member(hub, "gallery")
    await told(workflow, await begun(workflow, "export"), op="end")
    await begun(workflow, "import")
    await begun(gallery, "reindex")
    for asked, running, ended in (
        ({"service": "exprsn-workflow"}, ["import"], ["export"]),
        ({"state": "running"}, ["reindex", "import"], []),
        ({"state": "done"}, [], ["export"]),
        ({"service": "exprsn-gallery", "state": "done"}, [], []),
    ):
        answer = await client.get(PATH, asked)
        assert (names(answer.context["running"]), names(answer.context["ended"])) == (running, ended)
    assert "No operation is of this kind" in answer.content.decode()


@pytest.mark.parametrize(
    "asked", [{"service": "nobody"}, {"state": "<b>"}, {"offset": "-1"}, {"offset": "x"}, {"offset": "9" * 30}]
)
async def test_a_filter_that_makes_no_sense_shows_nothing(client: AsyncClient, hub: Hub, asked: dict[str, str]) -> None:
    answer = await client.get(PATH, asked)
    assert (answer.status_code, "running" in answer.context) == (200, False)


async def test_those_that_have_ended_are_paged(client: AsyncClient, hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(operations, "COUNT", 2)
    workflow = Member(hub, "workflow")
    for number in range(3):
        await told(workflow, await begun(workflow, f"part {number}"), op="end")
    first = (await client.get(PATH)).context
    assert (len(first["ended"]), first["before"], first["after"], first["total"]) == (2, None, 2, 3)
    second = (await client.get(PATH, {"offset": "2"})).context
    assert (second["before"], second["after"], second["first"], second["last"]) == (0, None, 3, 3)
    assert sorted(names(first["ended"]) + names(second["ended"])) == ["part 0", "part 1", "part 2"]
    beyond = await client.get(PATH, {"offset": "50"})
    assert "There are no more operations" in beyond.content.decode()
    assert beyond.context["before"] == 48


async def test_of_very_many_that_run_the_newest_are_shown(
    client: AsyncClient, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(operations, "MAX_RUNNING", 2)
    workflow = Member(hub, "workflow")
    for number in range(3):
        await begun(workflow, f"part {number}")
    context = (await client.get(PATH)).context
    assert (len(context["running"]), context["more"]) == (2, 1)
    now = await operations_now(hub)
    assert (len(now["running"]), now["more"]) == (2, 1)


async def test_what_a_service_says_is_text(client: AsyncClient, hub: Hub) -> None:
    workflow = Member(hub, "workflow")
    operation = await begun(workflow)
    await told(workflow, operation, op="progress", done=1, text=EVIL)
    over = await begun(workflow)
    await told(workflow, over, op="end", error=EVIL)
    for path in (PATH, f"{PATH}/{operation}", f"{PATH}/{over}"):
        page = (await client.get(path)).content.decode()
        assert EVIL not in page
        assert "&lt;script&gt;alert(1)" in page


async def test_one_has_a_page_and_one_that_is_not_known_has_none(client: AsyncClient, hub: Hub) -> None:
    operation = await begun(Member(hub, "workflow"), target="pulse")
    answer = await client.get(f"{PATH}/{operation}")
    assert (answer.status_code, answer.context["row"]["id"]) == (200, operation)
    assert "Operators may cancel it" in answer.content.decode()
    for name in ("01J0000000000000000000000", "x" * 3_000, "%3Cb%3E"):
        gone = await client.get(f"{PATH}/{name}")
        assert (gone.status_code, "row" in gone.context) == (404, False)
        assert "there is no operation" in gone.content.decode()


async def test_an_operator_cancels_one_and_it_is_written_down(roles: Roles, hub: Hub, redis: Redis) -> None:
    workflow = Member(hub, "workflow")
    operation = await begun(workflow, "import")
    operator = await roles("operator")
    page = (await operator.get(f"{PATH}/{operation}")).content.decode()
    assert "Cancel the operation" in page
    answer = await operator.post(f"{PATH}/{operation}/cancel", {"next": f"{PATH}/{operation}"})
    assert (answer.status_code, answer.headers["Location"]) == (303, f"{PATH}/{operation}")
    await workflow.peer.until(lambda: any(said.get("notice") == "cancelled" for said in workflow.peer.messages))
    (entry,) = (await Audit(redis).read(AuditFilter(action="operation.cancel"))).entries
    assert (entry.subject, entry.details["name"]) == (operation, "import")
    assert entry.by.startswith("operator ")
    again = await operator.post(f"{PATH}/{operation}/cancel", headers={"accept": "application/json"})
    assert again.status_code == 200
    assert len((await Audit(redis).read(AuditFilter(action="operation.cancel"))).entries) == 1


async def test_what_has_ended_or_never_was_is_not_cancelled(roles: Roles, hub: Hub, redis: Redis) -> None:
    workflow = Member(hub, "workflow")
    over = await begun(workflow)
    await told(workflow, over, op="end")
    operator = await roles("operator")
    for name, status in ((over, 409), ("01J0000000000000000000000", 404)):
        answer = await operator.post(f"{PATH}/{name}/cancel", headers={"accept": "application/json"})
        assert answer.status_code == status
    assert (await Audit(redis).read(AuditFilter(action="operation.cancel"))).entries == []


@pytest.mark.parametrize(("role", "status"), [("viewer", 403), ("operator", 200), ("admin", 200)])
async def test_the_http_api_and_the_page_ask_for_the_same(roles: Roles, hub: Hub, role: str, status: int) -> None:
    client = await roles(role)
    for path in ("/api/ipc/operations/{}/cancel", f"{PATH}/{{}}/cancel"):
        operation = await begun(Member(hub, "workflow"))
        answer = await client.post(
            path.format(operation), content_type="application/json", headers={"accept": "application/json"}
        )
        assert answer.status_code == status, path
