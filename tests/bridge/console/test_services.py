"""Services, and one with its instances: in pages, of ten thousand as of none, and whatever is asked."""

from html import unescape

import pytest
from django.test import AsyncClient

from bridge.console.services import PAGE
from ipc.django_app.runtime import Runtime
from ipc.stores.registry import Registry
from ipc.stores.shares import EndpointShare, Share, Shares
from tests.bridge.console.conftest import LogIn
from tests.contracts.test_registry import registration
from tests.ipc.durable import eventually
from tests.ipc.members import Member

MANY = 10_000
PATH = "/admin/console/services"


@pytest.fixture
async def client(log_in: LogIn, runtime: Runtime) -> AsyncClient:
    return await log_in("ann", "view_mesh")


async def shown(client: AsyncClient, path: str, query: dict[str, str] | None = None, *, status: int = 200) -> str:
    answer = await client.get(path, query)
    assert answer.status_code == status
    return unescape(answer.content.decode())


async def test_they_are_for_who_may_see_the_mesh(log_in: LogIn, runtime: Runtime) -> None:
    for path in (PATH, f"{PATH}/herald", f"{PATH}/herald/01"):
        assert (await AsyncClient().get(path)).status_code == 302
        assert (await (await log_in(f"bob{path}", "view_audit")).get(path)).status_code == 403


async def test_with_nobody_attached_they_say_what_to_do(client: AsyncClient) -> None:
    assert "make run" in await shown(client, PATH)


async def test_a_service_that_is_not_attached_says_so_of_itself_alone(client: AsyncClient) -> None:
    page = await shown(client, f"{PATH}/workflow")
    assert "Workflow is not attached" in page
    assert ".venv/bin/python workflow.py" in page
    assert "No service is attached" not in page
    assert "make run" not in page


async def test_ten_thousand_instances_are_shown_fifty_at_a_time(client: AsyncClient, runtime: Runtime) -> None:
    assert runtime.mesh is not None
    names = [f"exprsn-herald:{number:05}" for number in range(MANY)]
    await Registry(runtime.mesh.redis).put(registration(name, f"s{name}") for name in names)
    assert f"{MANY} instances" in await shown(client, PATH)
    page = await client.get(f"{PATH}/herald")
    assert [row.id for row in page.context["rows"]] == [name[-5:] for name in names[:PAGE]]
    assert len(page.content) < 200_000
    assert f"1 to {PAGE} of {MANY}" in page.content.decode()
    last = await client.get(f"{PATH}/herald", {"offset": str(MANY - 1)})
    assert ([row.id for row in last.context["rows"]], last.context["after"]) == (["09999"], None)
    found = await client.get(f"{PATH}/herald", {"q": ":0123"})
    assert (len(found.context["rows"]), found.context["total"]) == (10, 10)
    assert "None of its instances" in await shown(client, f"{PATH}/herald", {"q": "<none>"})


@pytest.mark.parametrize(
    "query", [{"offset": "-1"}, {"offset": "x"}, {"offset": "9" * 30}, {"q": "x" * 101}, {"q": "\x00"}]
)
async def test_a_question_that_makes_no_sense_is_said(client: AsyncClient, query: dict[str, str]) -> None:
    assert 'class="problem"' in await shown(client, f"{PATH}/herald", query)


@pytest.mark.parametrize("name", ["nobody", "<script>", "exprsn-", "herald%00"])
async def test_there_is_no_such_service(client: AsyncClient, name: str) -> None:
    page = await client.get(f"{PATH}/{name}")
    assert page.status_code == 404
    assert b"<script>alert" not in page.content


@pytest.mark.parametrize("may", [True, False])
async def test_errors_of_handlers_are_for_who_may_see_events(log_in: LogIn, runtime: Runtime, may: bool) -> None:
    """On the page, and over HTTP: what a handler says when it fails may be of what it was given."""
    assert runtime.mesh is not None
    mails = EndpointShare(
        service="exprsn-herald",
        resource="mails",
        op="send",
        requests=2,
        errors=1,
        total_ms=1.0,
        last_error="INTERNAL: no address for ada@example.org",
        last_error_ms=1,
        buckets=[],
    )
    await Shares(runtime.mesh.redis).put(Share(hub="hub-1", endpoints=[mails], owners=[]))
    client = await log_in("ann", "view_mesh", *(["view_event"] if may else []))
    page = await shown(client, f"{PATH}/herald")
    assert "mails.send" in page
    assert ("ada@example.org" in page) is may
    (service,) = (await client.get("/api/ipc/services?service=herald")).json()["data"]["services"]
    (figures,) = service["endpoints"]
    assert (figures["errors"], figures["lastErrorMs"]) == (1, 1)
    assert (figures["lastError"] is not None) is may


async def test_what_an_instance_says_of_itself_is_text(client: AsyncClient, runtime: Runtime) -> None:
    assert runtime.mesh is not None
    evil = registration("exprsn-herald:01")
    evil = type(evil)(
        **{**{name: getattr(evil, name) for name in evil.__slots__}, "hostname": "<script>alert(1)</script>"}
    )
    await Registry(runtime.mesh.redis).put([evil])
    for path in (f"{PATH}/herald", f"{PATH}/herald/01"):
        assert b"<script>alert" not in (await client.get(path)).content


async def test_an_operation_is_shown_with_its_figures_and_its_last_error(client: AsyncClient, runtime: Runtime) -> None:
    hub = runtime.hub
    assert hub is not None
    owner, caller = Member(hub, "herald"), Member(hub, "spark")
    await owner.ask(type="serve", resources=[{"name": "mails", "ops": ["read"]}])
    await caller.say({"type": "call", "id": "c", "op": "read", "resource": "mails"})
    await owner.peer.until(lambda: any(each["type"] == "call" for each in owner.peer.messages))
    call = next(each for each in owner.peer.messages if each["type"] == "call")
    await owner.say({"type": "reply", "id": call["id"], "error": {"code": "CONFLICT", "message": "<b>twice</b>"}})

    async def is_shown() -> bool:
        await hub._look_round()
        page = await shown(client, f"{PATH}/herald")
        return "mails.read" in page and "1 failed" in page

    await eventually(is_shown)
    assert b"<b>twice" not in (await client.get(f"{PATH}/herald")).content
    for member in (owner, caller):
        await hub.detach(member.session)
