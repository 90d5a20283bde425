"""Every address of the console: nobody posts anywhere who may only look, and nobody looks who is not staff."""

import pytest
from django.test import AsyncClient

from bridge.console.urls import ACTIONS, OPEN, PAGES
from ipc.hub.hub import Hub
from tests.bridge.console.conftest import LogIn, Roles

PARTS = {
    "<str:service>": "exprsn-herald",
    "<str:group>": "notify",
    "<str:position>": "1-0",
    "<str:operation>": "01M8CV83KQ61K6KGNMMY3EE18P",
    "<str:event>": "post:created",
    "<str:instance>": "exprsn-herald:01M8CVYAQA1B81QFDPX9B0Q8H9",
}


def paths() -> list[str]:
    """Return each address with something in the place of its parts."""
    found = []
    for url in (*PAGES, *ACTIONS, *OPEN):
        path = str(url.pattern)
        for part, value in PARTS.items():
            path = path.replace(part, value)
        assert "<" not in path, f"put a part of {path} into PARTS"
        found.append(f"/admin/console/{path}")
    return found


async def test_who_may_only_look_posts_nowhere(roles: Roles, hub: Hub) -> None:
    viewer = await roles("viewer")
    statuses = {
        path: (await viewer.post(path, {"id": "1", "letter": "x", "event": "a:b"})).status_code for path in paths()
    }
    assert set(statuses.values()) <= {403, 405}, statuses


@pytest.mark.parametrize(("role", "status"), [("viewer", 403), ("operator", 200)])
async def test_the_http_api_lets_nobody_speak_who_may_only_look(roles: Roles, hub: Hub, role: str, status: int) -> None:
    client = await roles(role)
    answer = await client.post("/api/ipc/emit", {"event": "a:b"}, content_type="application/json")
    assert answer.status_code == status


async def test_an_operator_mints_and_revokes_nothing(roles: Roles, hub: Hub) -> None:
    operator = await roles("operator")
    for path in ("tokens/mint", "tokens/inspect", "tokens/revoke/do"):
        assert (await operator.post(f"/admin/console/{path}", {})).status_code == 403


@pytest.mark.parametrize("is_staff", [False, None])
async def test_nobody_else_is_let_in(log_in: LogIn, hub: Hub, is_staff: bool | None) -> None:
    client = AsyncClient() if is_staff is None else await log_in("mo", is_superuser=True, is_staff=False)
    for path in paths():
        for answer in (await client.get(path), await client.post(path, {})):
            assert answer.status_code in {302, 403, 405}, path
            if answer.status_code == 302:
                assert "/admin/login/" in answer.headers["Location"]


async def test_every_address_tells_browsers_to_be_careful(log_in: LogIn, hub: Hub) -> None:
    """Whatever it answers, also where it refuses or finds nothing."""
    root = await log_in("root", is_superuser=True)
    for path in (*paths(), "/admin/", "/admin/timeline/post/", "/admin/auth/user/", "/admin/nowhere/"):
        for answer in (await root.get(path), await root.post(path, {}), await AsyncClient().get(path)):
            headers = answer.headers
            assert "default-src 'none'" in headers["Content-Security-Policy"], path
            assert "unsafe-inline" not in headers["Content-Security-Policy"], path
            assert (headers["X-Content-Type-Options"], headers["X-Frame-Options"]) == ("nosniff", "DENY"), path
            assert headers["Referrer-Policy"] == headers["Cross-Origin-Opener-Policy"] == "same-origin", path
            assert "camera=()" in headers["Permissions-Policy"], path
            if answer.status_code == 200:
                assert "no-store" in headers["Cache-Control"], path


async def test_without_a_csrf_token_nothing_is_done(roles: Roles, hub: Hub) -> None:
    admin = await roles("admin")
    strict = AsyncClient(enforce_csrf_checks=True)
    strict.cookies = admin.cookies
    for path in paths():
        assert (await strict.post(path, {})).status_code in {403, 405}, path
