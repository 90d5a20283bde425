"""What stands at the side: what somebody may see, where they are, and the keys that lead there."""

from django.test import AsyncClient

from bridge.console.navigation import SECTIONS
from ipc.django_app.runtime import Runtime
from tests.bridge.console.conftest import LogIn


async def titles(client: AsyncClient, path: str = "/admin/") -> list[str]:
    context = (await client.get(path)).context
    return [item["title"] for section in context["sidebar_navigation"] for item in section["items"]]


async def test_each_sees_what_they_may_open(log_in: LogIn, runtime: Runtime) -> None:
    assert await titles(await log_in("bob")) == []
    assert await titles(await log_in("ann", "view_audit")) == ["Audit trail"]
    root = await log_in("root", is_superuser=True)
    context = (await root.get("/admin/")).context
    for section in context["sidebar_navigation"]:
        for item in section["items"]:
            assert (await root.get(item["link"])).status_code == 200, item


async def test_it_marks_where_one_is(log_in: LogIn, runtime: Runtime) -> None:
    root = await log_in("root", is_superuser=True)
    for path, title in (
        ("/admin/", "Overview"),
        ("/admin/console/services/herald", "Services"),
        ("/admin/console/audit", "Audit trail"),
    ):
        context = (await root.get(path)).context
        marked = [
            item["title"] for section in context["sidebar_navigation"] for item in section["items"] if item["active"]
        ]
        assert marked == [title]


async def test_keys_are_those_of_what_one_may_open(log_in: LogIn, runtime: Runtime) -> None:
    context = (await (await log_in("ann", "view_mesh")).get("/admin/")).context
    assert {each["key"]: each["link"] for each in context["shortcuts"]}["s"] == "/admin/console/services"
    assert "a" not in {each["key"] for each in context["shortcuts"]}


def test_no_key_leads_to_two_pages() -> None:
    keys = [item.key for _, items in SECTIONS for item in items if item.key]
    assert len(keys) == len(set(keys))
