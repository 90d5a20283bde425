"""The audit trail as a page of the admin: who sees it, what it shows, and what it makes of strange questions."""

from html import unescape
from typing import Any

import pytest
from django.contrib.auth import aauthenticate
from django.contrib.auth.models import User
from django.test import AsyncClient

from bridge.console.audit import COUNT
from ipc.django_app.logins import MAX_OF_NAME
from ipc.django_app.runtime import Runtime
from ipc.stores.audit import Audit
from ipc.stores.audit_filter import by_certificate
from tests.bridge.console.conftest import LogIn

PATH = "/admin/console/audit"
EVIL = "<script>alert(1)</script>"


@pytest.fixture
def audit(runtime: Runtime) -> Audit:
    assert runtime.mesh is not None
    return Audit(runtime.mesh.redis)


@pytest.fixture
async def client(log_in: LogIn) -> AsyncClient:
    return await log_in("ann", "view_audit")


async def shown(client: AsyncClient, query: Any = None, *, status: int = 200) -> str:
    answer = await client.get(PATH, query)
    assert answer.status_code == status, answer.content
    return unescape(answer.content.decode())


async def subjects(client: AsyncClient, **query: Any) -> list[str]:
    answer = await client.get(PATH, query)
    assert answer.status_code == 200
    return [row.subject for row in answer.context["rows"]]


async def test_it_is_for_staff_with_the_permission_and_for_nobody_else(log_in: LogIn, audit: Audit) -> None:
    for client, status in (
        (AsyncClient(), 302),
        (await log_in("nobody", "view_audit", is_staff=False), 302),
        (await log_in("bob"), 403),
        (await log_in("cid", "view_post"), 403),
        (await log_in("ann", "view_audit"), 200),
        (await log_in("root", is_superuser=True), 200),
    ):
        assert (await client.get(PATH)).status_code == status


async def test_the_index_leads_there_for_who_may_see_it(log_in: LogIn, audit: Audit) -> None:
    for client, leads in ((await log_in("ann", "view_audit"), True), (await log_in("bob"), False)):
        assert (PATH in (await client.get("/admin/")).content.decode()) is leads


async def test_an_entry_is_shown_with_its_time_and_its_details(client: AsyncClient, audit: Audit) -> None:
    told = {
        "permissions": ["emit:*", "jsonlex"],
        "exp": 1_800_000_000.5,
        "stateful": False,
        "count": 0,
        "why": {"a": 1},
    }
    await audit.write("token.mint", by="operator 7", subject="01M8", details=told)
    page = await shown(client)
    for text in ("token.mint", "operator 7", "01M8", "emit:*, jsonlex", "2027-01-15 08:00:00 UTC", '{"a":1}', "UTC"):
        assert text in page
    assert "stateful" not in page
    assert "count</span> 0" in page


async def test_a_lock_is_shown_with_how_many_have_failed_and_for_how_long(client: AsyncClient, audit: Audit) -> None:
    for _ in range(MAX_OF_NAME):
        assert await aauthenticate(None, username="ann", password="a guess") is None
    page = await shown(client, {"action": "login.locked"})
    assert f"failures</span> {MAX_OF_NAME}" in page
    assert "minutes</span> 15" in page


async def test_what_others_have_written_is_text(client: AsyncClient, audit: Audit) -> None:
    await audit.write(EVIL, by=EVIL, subject=EVIL, details={EVIL: [EVIL, 1]})
    answer = await client.get(PATH, {"action": EVIL, "by": EVIL})
    page = answer.content.decode()
    assert answer.context["rows"]
    assert EVIL not in page
    assert "&lt;script&gt;" in page


async def test_filters_and_pages(client: AsyncClient, audit: Audit) -> None:
    for number in range(COUNT + 2):
        await audit.write("token.mint", by="operator 1", subject=f"t{number}")
    await audit.write("login", by="operator 2", subject="2")
    first = await client.get(PATH)
    assert [row.subject for row in first.context["rows"]] == ["2", *(f"t{n}" for n in range(COUNT + 1, 2, -1))]
    older = first.context["older"]
    assert f"after={older}" in first.content.decode()
    assert await subjects(client, after=older) == ["t2", "t1", "t0"]
    assert await subjects(client, action="log") == ["2"]
    assert await subjects(client, by="operator 2", action="token.") == []
    assert await subjects(client, subject="t51", since="1h") == ["t51"]
    assert await subjects(client, until="1h") == []


async def test_renewals_of_services_are_shown_only_when_they_are_asked_for(client: AsyncClient, audit: Audit) -> None:
    await audit.write("token.mint", by="operator 99", subject="theirs")
    await audit.write("token.mint", by=by_certificate("exprsn-herald"), subject="renewal")
    page = await shown(client)
    assert "Show renewals of services" in page
    assert await subjects(client) == ["theirs"]
    assert await subjects(client, renewals="on") == ["renewal", "theirs"]
    assert "got by their certificates are not among them" in await shown(client, {"by": "exprsn-herald"})


async def test_users_are_named_beside_what_is_stored(client: AsyncClient, audit: Audit) -> None:
    """Where there is one; the keys that anything else may look like are no keys."""
    ann = await User.objects.aget(username="ann")
    for by in (f"operator {ann.pk}", "operator 999999", "operator 99999999999999999999", "operator x", f"{ann.pk}"):
        await audit.write("token.revoke", by=by, subject=str(ann.pk))
    await audit.write("login", by=f"operator {ann.pk}", subject=str(ann.pk))
    rows = (await client.get(PATH, {"action": "token."})).context["rows"]
    assert [row.by_name for row in reversed(rows)] == ["ann", "", "", "", ""]
    assert {row.subject_name for row in rows} == {""}
    (login,) = (await client.get(PATH, {"action": "login", "subject": str(ann.pk)})).context["rows"]
    assert (login.by, login.by_name, login.subject, login.subject_name) == (
        f"operator {ann.pk}",
        "ann",
        str(ann.pk),
        "ann",
    )
    assert f'operator {ann.pk} <span class="quiet">(ann)</span>' in await shown(client)


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ({"since": "soon"}, "is no moment"),
        ({"until": "x" * 65}, "at most 64 characters"),
        ({"action": "x" * 201}, "at most 200 characters"),
        ({"by": "\x00"}, "Null characters are not allowed"),
    ],
)
async def test_a_filter_that_makes_no_sense_is_said_beside_it(
    client: AsyncClient, audit: Audit, query: dict[str, str], said: str
) -> None:
    assert said in await shown(client, query)


@pytest.mark.parametrize("after", ["x", "1-0 +", "\x00", "9" * 30])
async def test_a_place_that_is_none_is_refused_without_a_traceback(
    client: AsyncClient, audit: Audit, after: str
) -> None:
    assert "is not a position" in await shown(client, {"after": after}, status=400)


async def test_without_a_mesh_the_page_says_so(client: AsyncClient) -> None:
    assert "has joined no mesh" in await shown(client, status=503)


async def test_there_is_nothing_to_change(client: AsyncClient, audit: Audit) -> None:
    assert "There are no entries" in await shown(client)
    for path in ("/add/", "/1/change/", "/1/delete/", "/"):
        assert (await client.get(PATH + path)).status_code == 404
