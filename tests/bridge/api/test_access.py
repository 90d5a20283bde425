"""Who may use which address: each address, asked by everybody who may come along, at real bridges."""

import asyncio
import contextlib
import sqlite3
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings

from bridge.api.access import ACCESS
from bridge.roles import VIEWER
from bridge.urls import urlpatterns
from exprsn.embedded import EmbeddedValkey
from ipc.protocol.permissions import USUAL
from tests.bridge.api.doorkeeping import ADDRESSES, Address
from tests.bridge.tokens import encoded, managed, minted
from tests.servers import ROOT, Kind, ServerProcess

pytestmark = pytest.mark.processes
BYPASS = {"X-IPC-Request": "true"}
CSRF = "a" * 32
UNKNOWN = (401, "UNAUTHENTICATED")
FORBIDDEN = (403, "FORBIDDEN")
SESSIONS = """
from django.conf import settings
from django.contrib.auth.models import Group, User
from django.test import Client
for name, role in (("operator", "admin"), ("viewer", "viewer"), ("reader", "")):
    user, client = User.objects.create_user(name, is_staff=bool(role)), Client()
    user.groups.set(Group.objects.filter(name=role))
    client.force_login(user)
    print(client.cookies[settings.SESSION_COOKIE_NAME].value)
"""


@pytest.fixture(scope="module")
def development(shared_bridge: Callable[[Kind], ServerProcess]) -> ServerProcess:
    """A bridge that lets its own machine in."""
    return shared_bridge("uvicorn")


@pytest.fixture(scope="module")
def sessions(locked: ServerProcess) -> dict[str, str]:
    """The cookies of an operator and of somebody who is none."""
    done = subprocess.run(
        [sys.executable, "manage.py", "shell", "--verbosity", "0", "-c", SESSIONS],
        cwd=ROOT, env=locked.environment, check=True, timeout=60, capture_output=True, text=True,
    )  # fmt: skip
    return dict(zip(("operator", "viewer", "reader"), done.stdout.split(), strict=True))


def ask(
    server: ServerProcess, address: Address, headers: dict[str, str], *, query: str = "", body: Any = None
) -> tuple[int, str | None]:
    sent = address.body if body is None else body
    # Django compares it with the host, before the token.
    options = {"headers": {"Referer": f"{server.url}/", **headers}, **({} if sent is None else {"json": sent})}
    response = server.request(address.method, f"/api/ipc/{address.path}{query}", **options)
    answer = response.json()
    if response.status_code == 401:
        assert response.headers["www-authenticate"] == 'Bearer realm="exprsn"'
    if response.status_code == 200:
        assert "no-store" in response.headers["cache-control"]
    else:
        assert set(answer) == {"success", "error", "message", "details"}
    return response.status_code, answer.get("error")


async def shown(server: ServerProcess, address: Address, token: str, **options: Any) -> tuple[int, str | None]:
    return await asyncio.to_thread(ask, server, address, {"Authorization": f"Bearer {token}"}, **options)


def cookie(key: str, *, has_csrf_token: bool) -> dict[str, str]:
    if not has_csrf_token:
        return {"Cookie": f"{settings.SESSION_COOKIE_NAME}={key}"}
    cookies = f"{settings.SESSION_COOKIE_NAME}={key}; {settings.CSRF_COOKIE_NAME}={CSRF}"
    return {"Cookie": cookies, "X-CSRFToken": CSRF}


every_address = pytest.mark.parametrize("address", ADDRESSES, ids=str)


def test_every_address_has_a_rule_and_is_tested() -> None:
    routes = {str(url.name) for url in urlpatterns} - {"health"}
    assert routes == set(ACCESS) == {address.route for address in ADDRESSES}


@every_address
def test_nobody_is_told_anything(locked: ServerProcess, address: Address) -> None:
    assert ask(locked, address, {}) == UNKNOWN
    assert ask(locked, address, BYPASS) == UNKNOWN


@every_address
@pytest.mark.parametrize(
    ("header", "error"),
    [
        ("Bearer", "TOKEN_INVALID"),
        ("Bearer a.b.c", "TOKEN_INVALID"),
        (f"Bearer {encoded({'alg': 'none'})}.{encoded({})}.x", "TOKEN_INVALID"),
        (f"Bearer {encoded({'alg': 'HS256'})}.{encoded({})}.x", "TOKEN_INVALID"),
        ("Basic b3BlcmF0b3I6cGFzc3dvcmQ=", "UNAUTHENTICATED"),
    ],
)
def test_what_is_no_proof_is_refused(locked: ServerProcess, address: Address, header: str, error: str) -> None:
    assert ask(locked, address, {"Authorization": header}) == (401, error)


@every_address
def test_a_token_of_the_ca_is_none_here(locked: ServerProcess, address: Address) -> None:
    """Refused, as on sockets, and not passed over in favour of what is beside it."""
    token = f"{encoded({'alg': 'RS256', 'kid': 'k'})}.{encoded({'sub': 'ada', 'roles': ['staff']})}.{encoded('x')}"
    assert ask(locked, address, {"Authorization": f"Bearer {token}"}) == (401, "TOKEN_INVALID")


@every_address
async def test_a_token_that_holds_no_more_or_not_here_is_refused(
    locked: ServerProcess, address: Address, bridge_valkey: EmbeddedValkey
) -> None:
    url = bridge_valkey.url
    expired = await managed(
        url, lambda manager: manager.mint("herald", by="test", ttl_s=5, permissions=["*"]), now_s=lambda: 1_700_000_000
    )
    revoked = await minted(url, permissions=["*"])
    await managed(url, lambda manager: manager.revoke(revoked.claims.id, by="test"))
    elsewhere = await minted(url, target="spark", permissions=["*"])
    foreign = await minted(url, key="a key of somebody else 0123456789", permissions=["*"])
    assert await shown(locked, address, expired.token) == (401, "TOKEN_EXPIRED")
    assert await shown(locked, address, revoked.token) == (401, "TOKEN_REVOKED")
    assert await shown(locked, address, elsewhere.token) == (401, "TOKEN_WRONG_TARGET")
    assert await shown(locked, address, foreign.token) == (401, "TOKEN_INVALID")


@every_address
async def test_a_token_needs_the_permission_and_no_other(
    locked: ServerProcess, address: Address, bridge_valkey: EmbeddedValkey
) -> None:
    is_enough = address.needs is None and not address.is_for_operators
    nothing = await minted(bridge_valkey.url, permissions=[])
    assert await shown(locked, address, nothing.token) == (address.answer if is_enough else FORBIDDEN)
    if address.needs is not None:
        needed = await minted(bridge_valkey.url, permissions=[address.needs])
        assert await shown(locked, address, needed.token) == address.answer
        others = [each for each in USUAL if each.partition(":")[0] != address.needs.partition(":")[0]]
        without = await minted(bridge_valkey.url, permissions=others)
        assert await shown(locked, address, without.token) == FORBIDDEN


@every_address
async def test_what_is_for_operators_takes_everything(
    locked: ServerProcess, address: Address, bridge_valkey: EmbeddedValkey
) -> None:
    usual = await minted(bridge_valkey.url, permissions=USUAL)
    assert await shown(locked, address, usual.token) == (FORBIDDEN if address.is_for_operators else address.answer)
    everything = await minted(bridge_valkey.url, permissions=["*"])
    assert await shown(locked, address, everything.token) == address.answer


@pytest.mark.parametrize("address", [each for each in ADDRESSES if each.as_spark], ids=str)
async def test_a_service_asks_for_its_own_only(
    locked: ServerProcess, address: Address, bridge_valkey: EmbeddedValkey
) -> None:
    assert address.as_spark is not None
    query, body = address.as_spark
    herald, spark = [await minted(bridge_valkey.url, name, permissions=USUAL) for name in ("herald", "spark")]
    assert await shown(locked, address, herald.token, query=query, body=body) == FORBIDDEN
    assert await shown(locked, address, spark.token, query=query, body=body) == address.answer


@every_address
async def test_a_token_in_the_address_is_refused_even_beside_a_good_one(
    locked: ServerProcess, address: Address, bridge_valkey: EmbeddedValkey
) -> None:
    token = (await minted(bridge_valkey.url, permissions=["*"])).token
    query = f"{'&' if '?' in address.path else '?'}access_token={token}"
    assert await shown(locked, address, token, query=query) == UNKNOWN
    assert ask(locked, address, {}, query=query) == UNKNOWN


@every_address
def test_staff_may_use_everything_with_the_csrf_token_where_it_changes_something(
    locked: ServerProcess, address: Address, sessions: dict[str, str]
) -> None:
    operator = sessions["operator"]
    assert ask(locked, address, cookie(operator, has_csrf_token=True)) == address.answer
    is_read = address.method == "GET"
    assert ask(locked, address, cookie(operator, has_csrf_token=False)) == (address.answer if is_read else FORBIDDEN)


@every_address
def test_a_viewer_may_only_look_here_too(locked: ServerProcess, address: Address, sessions: dict[str, str]) -> None:
    """What the console does not let them do, this does not either."""
    expected = address.answer if ACCESS[address.route].staff in VIEWER else FORBIDDEN
    assert ask(locked, address, cookie(sessions["viewer"], has_csrf_token=True)) == expected


@every_address
def test_a_user_who_is_no_staff_may_use_nothing(
    locked: ServerProcess, address: Address, sessions: dict[str, str]
) -> None:
    assert ask(locked, address, cookie(sessions["reader"], has_csrf_token=True)) == FORBIDDEN
    assert ask(locked, address, cookie("0" * 32, has_csrf_token=True)) == UNKNOWN


@every_address
def test_a_development_machine_may_look_around(development: ServerProcess, address: Address) -> None:
    """With the header at everything, without it at what only counts; not through a proxy, and not with a bad proof."""
    assert ask(development, address, BYPASS) == address.answer
    assert ask(development, address, {}) == (address.answer if address.is_open_here else UNKNOWN)
    assert ask(development, address, {"X-Forwarded-For": "127.0.0.1"}) == UNKNOWN
    assert ask(development, address, {"Authorization": "Bearer a.b.c"}) == (401, "TOKEN_INVALID")


@every_address
def test_no_web_page_in_a_developers_browser_may_use_the_bypass(development: ServerProcess, address: Address) -> None:
    """Its browser asks whether it may send the header (Fetch, "CORS protocol"), and is not told so; and a name that
    somebody lets point to this machine is not ours."""
    asking = {
        "Origin": "https://page.example",
        "Access-Control-Request-Method": address.method,
        "Access-Control-Request-Headers": "x-ipc-request",
    }
    preflight = development.request("OPTIONS", f"/api/ipc/{address.path}", headers=asking)
    assert preflight.status_code in {401, 405}
    for response in (
        preflight,
        development.get("/api/ipc/stats", headers={**BYPASS, "Origin": "https://page.example"}),
    ):
        assert not [name for name in response.headers if name.startswith("access-control-")]
    rebound = {**BYPASS, "Host": f"page.example:{development.port}"}
    assert ask(development, address, rebound) == (400, "INVALID_MESSAGE")


@pytest.fixture
def no_sessions(development: ServerProcess) -> Iterator[None]:
    """A bridge whose database cannot look up sessions, for a while."""
    path = Path(development.environment["VAR_DIR"]) / "db.sqlite3"
    with contextlib.closing(sqlite3.connect(path)) as database:
        database.execute("ALTER TABLE django_session RENAME TO away")
        yield
        database.execute("ALTER TABLE away RENAME TO django_session")


@every_address
def test_a_session_that_cannot_be_looked_up_is_tried_again(
    development: ServerProcess, no_sessions: None, address: Address
) -> None:
    assert ask(development, address, cookie("0" * 32, has_csrf_token=True)) == (503, "UNAVAILABLE")


@pytest.mark.parametrize("path", ["/health", "/api/ipc/tokens"])
def test_the_open_addresses_refuse_a_token_in_the_address_too(locked: ServerProcess, path: str) -> None:
    method = "GET" if path == "/health" else "POST"
    response = locked.request(method, f"{path}?token=a.b.c", **({} if method == "GET" else {"json": {"assertion": ""}}))
    assert (response.status_code, response.json()["error"]) == UNKNOWN


async def test_health_tells_strangers_less(
    locked: ServerProcess, development: ServerProcess, bridge_valkey: EmbeddedValkey, sessions: dict[str, str]
) -> None:
    """Its checks are for services, operators and the development machine; a wrong proof is none, and no error."""
    herald = {"Authorization": f"Bearer {(await minted(bridge_valkey.url, permissions=[])).token}"}
    operator, reader = (cookie(sessions[name], has_csrf_token=False) for name in ("operator", "reader"))
    wrong = {"Authorization": "Bearer a.b.c"}
    for server, headers, is_known in (
        (locked, {}, False), (locked, BYPASS, False), (locked, wrong, False), (locked, reader, False),
        (locked, herald, True), (locked, operator, True), (development, {}, True),
        (development, {"Via": "1.1 proxy"}, False),
    ):  # fmt: skip
        response = await asyncio.to_thread(server.get, "/health", headers=headers)
        assert response.status_code == 200
        expected = {"status", "service", "version", "timestamp"} | ({"checks"} if is_known else set())
        assert set(response.json()) == expected, headers
