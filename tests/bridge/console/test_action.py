"""What all actions have in common: posted, permitted, written down, and answered as it was asked."""

from typing import Any

import pytest
from asgiref.sync import sync_to_async
from django.contrib.auth.models import Permission, User
from django.contrib.messages.storage.fallback import FallbackStorage
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.test import AsyncClient, RequestFactory

from bridge.console.action import ConsoleAction, Done
from bridge.console.urls import ACTIONS
from ipc.django_app.runtime import Runtime
from ipc.protocol.errors import BadMessageError
from ipc.stores.audit import Audit
from ipc.stores.audit_filter import AuditEntry, AuditFilter
from tests.bridge.console.conftest import LogIn, Roles


class Ring(ConsoleAction):
    permission = "bridge.replay_log"
    action = "bell.ring"

    async def act(self, request: HttpRequest, *, by: str, **where: Any) -> Done:
        if "wrong" in request.POST:
            raise BadMessageError("there is no bell")
        return Done(
            "it rings", subject=f"bell {where['bell']}", details={"by": by}, is_written="written" in request.POST
        )


@pytest.fixture
async def ringer(log_in: LogIn) -> User:
    await log_in("ann", "replay_log")
    return await User.objects.aget(username="ann")


async def asked(user: User, accept: str = "text/html", **form: str) -> HttpResponse:
    request = RequestFactory().post("/x", form, headers={"accept": accept})
    request.user, request.session = user, {}  # type: ignore[assignment]
    request._messages = FallbackStorage(request)  # type: ignore[attr-defined]
    return await sync_to_async(Ring.as_view())(request, bell="1")  # type: ignore[return-value]


async def written(runtime: Runtime) -> list[AuditEntry]:
    assert runtime.mesh is not None
    return (await Audit(runtime.mesh.redis).read(AuditFilter(action="bell."))).entries


async def test_it_is_done_and_written_down(runtime: Runtime, ringer: User) -> None:
    answer = await asked(ringer, next="/admin/console/map")
    assert (answer.status_code, answer.headers["Location"]) == (303, "/admin/console/map")
    (entry,) = await written(runtime)
    assert (entry.by, entry.subject) == (f"operator {ringer.pk}", "bell 1")


async def test_what_has_been_written_is_not_written_twice(runtime: Runtime, ringer: User) -> None:
    await asked(ringer, written="yes")
    assert await written(runtime) == []


@pytest.mark.parametrize("next_", ["https://evil.example/", "//evil.example", "javascript:alert(1)", ""])
async def test_it_leads_nowhere_else(runtime: Runtime, ringer: User, next_: str) -> None:
    assert (await asked(ringer, next=next_)).headers["Location"] == "/admin/"


async def test_a_script_is_answered_in_json(runtime: Runtime, ringer: User) -> None:
    assert (await asked(ringer, "application/json")).status_code == 200
    refused = await asked(ringer, "application/json", wrong="yes")
    assert refused.status_code == 400
    assert b"there is no bell" in refused.content


async def test_who_may_not_does_not(runtime: Runtime, ringer: User) -> None:
    await ringer.user_permissions.aset([await Permission.objects.aget(codename="view_mesh")])
    with pytest.raises(PermissionDenied):
        await asked(await User.objects.aget(pk=ringer.pk))
    assert await written(runtime) == []


async def test_a_script_that_may_not_is_told_so_in_json(roles: Roles, runtime: Runtime) -> None:
    """Be it for the permission or for the CSRF token; a browser that posts a form gets a page."""
    viewer, strict = await roles("viewer"), AsyncClient(enforce_csrf_checks=True)
    strict.cookies = (await roles("operator")).cookies
    path = "/admin/console/dead-letters/redrive"
    for client, said in ((viewer, "you may not do this"), (strict, "load it again")):
        answer = await client.post(path, {"letter": "x"}, headers={"Accept": "application/json"})
        assert (answer.status_code, answer.json()["error"]) == (403, "FORBIDDEN")
        assert said in answer.json()["message"]
        answer = await client.post(path, {"letter": "x"}, headers={"Accept": "text/html,*/*"})
        assert (answer.status_code, answer.headers["Content-Type"]) == (403, "text/html; charset=utf-8")


@pytest.mark.parametrize("pattern", ACTIONS, ids=lambda pattern: pattern.name)
def test_each_action_of_the_console_has_a_permission_of_its_own_and_a_name(pattern: Any) -> None:
    action = pattern.callback.view_class
    assert issubclass(action, ConsoleAction)
    assert action.http_method_names == ["post"]
    assert action.permission.startswith("bridge.")
    assert ".view_" not in action.permission
    assert "." in action.action
