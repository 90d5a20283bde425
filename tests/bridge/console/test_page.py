"""What all pages of the console have in common."""

from django.test import AsyncClient

from tests.bridge.console.conftest import LogIn


async def test_a_page_can_only_be_looked_at(log_in: LogIn) -> None:
    client = await log_in("root", is_superuser=True)
    for ask in (client.post, client.put, client.patch, client.delete):
        assert (await ask("/admin/console/audit")).status_code == 405


async def test_scripts_of_the_admin_and_of_nothing_else_may_be_compiled() -> None:
    client = AsyncClient()
    inside, outside = [
        (await client.get(path)).headers["Content-Security-Policy"] for path in ("/admin/login/", "/api/ipc/stats")
    ]
    assert "script-src 'self' 'unsafe-eval';" in f"{inside};"
    assert "unsafe" not in outside
    assert "unsafe-inline" not in inside
