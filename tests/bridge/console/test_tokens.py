"""Tokens: listed, minted once before your eyes, inspected, and revoked with what that hits."""

import asyncio
import logging
import re
from datetime import UTC, datetime
from html import unescape
from typing import Any

import pytest
from django.contrib.sessions.models import Session as WebSession
from django.test import AsyncClient
from redis.asyncio import Redis

from bridge.console.revocation import hits
from ipc.hub.hub import Hub
from ipc.hub.session import Identity, Origin, Session
from ipc.protocol.errors import TokenError
from ipc.stores.audit import Audit
from ipc.stores.audit_filter import AuditFilter
from ipc.stores.tokens import BrokerTokenManager, Minted
from tests.bridge.console.conftest import LogIn
from tests.bridge.console.mesh import EVIL, GUARD_S

PATH = "/admin/console/tokens"
USUAL = ["emit:*", "subscribe:*"]
MINT = {"service": "exprsn-herald", "permissions_usual": USUAL, "permissions_others": "call:posts.read"}


class Peer:
    """The other end of a session, which keeps how it was closed."""

    def __init__(self) -> None:
        self.codes: list[int] = []

    async def send(self, frame: str) -> None:
        """Take a frame."""

    async def close(self, code: int, reason: str) -> None:
        """Keep the code."""
        self.codes.append(code)


@pytest.fixture
async def admin(log_in: LogIn) -> AsyncClient:
    return await log_in("ada", "view_token", "mint_token", "revoke_token")


@pytest.fixture
def manager(hub: Hub) -> BrokerTokenManager:
    return hub.proofs.manager


async def minted(manager: BrokerTokenManager, service: str = "herald", **options: Any) -> Minted:
    return await manager.mint(service, permissions=USUAL, by="test", **options)


def attach(hub: Hub, token: Minted) -> tuple[Session, Peer]:
    claims, peer = token.claims, Peer()
    identity = Identity(service=claims.source, permissions=frozenset(claims.permissions), claims=claims)
    return hub.attach(peer, identity, Origin(door="websocket", pid=1, hostname=f"desk {EVIL}")), peer


async def test_each_page_is_for_who_may(log_in: LogIn, hub: Hub) -> None:
    viewer = await log_in("ann", "view_token", "view_mesh")
    for path, status in (("", 200), ("/mint", 403), ("/inspect", 403), ("/revoke", 403)):
        assert (await viewer.get(PATH + path)).status_code == status, path
        assert (await AsyncClient().get(PATH + path)).status_code == 302
    for path in ("/mint", "/inspect", "/revoke/do"):
        assert (await viewer.post(PATH + path, MINT)).status_code == 403
    assert (await (await log_in("bob", "view_mesh")).get(PATH)).status_code == 403
    assert (await hub.proofs.manager.find()).tokens == []


async def test_those_that_hold_are_listed_with_their_sessions(
    admin: AsyncClient, hub: Hub, manager: BrokerTokenManager
) -> None:
    assert "No token" in (await admin.get(PATH)).content.decode()
    token = await minted(manager, rate_limit_exempt=True)
    await minted(manager, "spark", stateful=True)
    attach(hub, token)
    await hub.described()
    answer = await admin.get(PATH)
    assert [(row["service"], row["sessions"]) for row in answer.context["rows"]] == [("herald", 1), ("spark", 0)]
    page = answer.content.decode()
    assert token.claims.id in page
    assert token.token not in page
    assert "1 without a session" in page
    assert ("exempt" in page, "stateful" in page) == (True, True)
    only = await admin.get(PATH, {"service": "exprsn-spark"})
    assert [row["service"] for row in only.context["rows"]] == ["spark"]


@pytest.mark.parametrize(("query", "status"), [({"service": "nobody"}, 404), ({"after": "x"}, 400)])
async def test_a_list_of_what_is_not(admin: AsyncClient, hub: Hub, query: dict[str, str], status: int) -> None:
    assert (await admin.get(PATH, query)).status_code == status


# Minting


async def test_at_first_no_service_is_chosen_and_nothing_is_permitted(admin: AsyncClient, hub: Hub) -> None:
    page = (await admin.get(f"{PATH}/mint")).content.decode()
    assert '<option value="" selected>choose a service</option>' in page
    assert "checked" not in page
    assert page.index("Other permissions") < page.index("Others, one a line") < page.index("lifetime_s")


async def test_a_new_token_is_shown_once_and_kept_nowhere(
    admin: AsyncClient, hub: Hub, redis: Redis, manager: BrokerTokenManager, caplog: pytest.LogCaptureFixture
) -> None:
    """Not in the address, the session, a message, a log or the trail."""
    caplog.set_level(logging.DEBUG)
    answer = await admin.post(f"{PATH}/mint", {**MINT, "lifetime_s": "60", "exempt": "on"})
    assert answer.status_code == 200
    assert "no-store" in answer["Cache-Control"]
    token = answer.context["token"]
    assert token in answer.content.decode()
    claims = await manager.verify(token)
    assert (claims.source, set(claims.permissions)) == ("exprsn-herald", {*USUAL, "call:posts.read"})
    assert (round(claims.exp - claims.iat), claims.rate_limit_exempt, claims.stateful) == (60, True, False)
    secret = token.rpartition(".")[2]
    assert secret not in caplog.text
    assert [each async for each in WebSession.objects.all() if secret in str(each.get_decoded())] == []
    assert secret not in (await admin.get(f"{PATH}/mint")).content.decode()
    (entry,) = (await Audit(redis).read(AuditFilter(action="token.mint"))).entries
    assert entry.by.startswith("operator ")
    async for key in redis.scan_iter():
        if await redis.type(key) == b"string":
            assert secret not in str(await redis.get(key))


@pytest.mark.parametrize(
    ("said", "wrong"),
    [
        ({"permissions_usual": [], "permissions_others": ""}, "permits nothing"),
        ({"permissions_others": "emit:"}, "pattern"),
        ({"permissions_others": f"call:{EVIL}"}, "is no permission"),
        ({"permissions_others": "\n".join(f"emit:a:b{n}" for n in range(300))}, "at most 256 permissions"),
        ({"permissions_usual": ["root"]}, "valid choice"),
        ({"service": "exprsn-nobody"}, "valid choice"),
        ({"service": ""}, "Choose the service"),
        ({"lifetime_s": "0"}, "greater than or equal to 1"),
        ({"lifetime_s": str(10**9)}, "less than or equal"),
        ({"lifetime_s": "x"}, "whole number"),
    ],
)
async def test_a_token_that_makes_no_sense_is_not_made(
    admin: AsyncClient, hub: Hub, manager: BrokerTokenManager, said: dict[str, Any], wrong: str
) -> None:
    answer = await admin.post(f"{PATH}/mint", {**MINT, **said})
    assert answer.status_code == 400
    page = answer.content.decode()
    assert wrong in unescape(page)
    assert EVIL not in page
    assert (await manager.find()).tokens == []


# Inspecting


async def test_a_pasted_token_is_read_and_not_kept(
    admin: AsyncClient, hub: Hub, manager: BrokerTokenManager, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    token = await minted(manager, metadata={"by": EVIL})
    answer = await admin.post(f"{PATH}/inspect", {"token": f" {token.token}\n"})
    page = answer.content.decode()
    for text in ("holds", token.claims.id, "exprsn-herald", "emit:*, subscribe:*"):
        assert text in page
    assert token.token not in page
    assert EVIL not in page
    assert token.token not in caplog.text
    await manager.revoke(token.claims.id, by="test")
    assert "was revoked" in (await admin.post(f"{PATH}/inspect", {"token": token.token})).content.decode()


@pytest.mark.parametrize("text", ["x", "a.b.c", EVIL, "x" * 100_000])
async def test_what_is_no_token_is_said(admin: AsyncClient, hub: Hub, text: str) -> None:
    answer = await admin.post(f"{PATH}/inspect", {"token": text})
    assert answer.status_code == 401
    assert EVIL not in answer.content.decode()


# Revoking


async def test_what_it_would_hit_is_shown_before(admin: AsyncClient, hub: Hub, manager: BrokerTokenManager) -> None:
    token, other = await minted(manager), await minted(manager)
    session, peer = attach(hub, token)
    attach(hub, other)
    answer = await admin.get(f"{PATH}/revoke", {"id": token.claims.id})
    (hit,) = answer.context["hits"]
    assert (hit.session.instance, hit.calls, hit.deliveries) == (session.instance, 0, 0)
    page = answer.content.decode()
    assert "1 session will be closed" in page
    assert EVIL not in page
    assert peer.codes == []
    of_service = await admin.get(f"{PATH}/revoke", {"service": "exprsn-herald"})
    assert len(of_service.context["hits"]) == 2
    before = await admin.get(f"{PATH}/revoke", {"service": "exprsn-herald", "before": "1h"})
    assert (before.context["hits"], "No session is there" in before.content.decode()) == ([], True)


async def test_deliveries_and_calls_count(hub: Hub, manager: BrokerTokenManager) -> None:
    token = await minted(manager)
    session, _ = attach(hub, token)
    subscribe = '{"type":"subscribe","id":"1","events":["a:*"],"group":"g"}'
    await hub.receive(session, subscribe)
    await hub.receive(session, '{"type":"emit","id":"2","event":"a:b","ack":true}')
    async with asyncio.timeout(GUARD_S):
        while (await hits(hub, token.claims.id, "", 0))[0].deliveries != 1:
            await hub.ledger.status("2")
    (hit,) = await hits(hub, token.claims.id, "", 0)
    assert hit.groups == ["g"]
    # Or the hub would wait for its word on what it was delivered, for as long as who stops it can wait.
    await hub.detach(session)


async def test_revoking_one_closes_its_session_and_is_written_down(
    admin: AsyncClient, hub: Hub, redis: Redis, manager: BrokerTokenManager
) -> None:
    token, other = await minted(manager), await minted(manager)
    session, peer = attach(hub, token)
    kept, _ = attach(hub, other)
    answer = await admin.post(f"{PATH}/revoke/do", {"id": token.claims.id}, follow=True)
    assert "is revoked" in answer.content.decode()
    async with asyncio.timeout(GUARD_S):
        while not session.is_closed:
            await hub.proofs.look()
        await session.closed()
    assert (peer.codes, kept.is_closed) == ([4430], False)
    with pytest.raises(TokenError, match="revoked"):
        await manager.verify(token.token)
    (entry,) = (await Audit(redis).read(AuditFilter(action="token.revoke"))).entries
    assert (entry.subject, entry.by.startswith("operator ")) == (token.claims.id, True)


async def test_revoking_those_of_a_service_up_to_a_time(
    admin: AsyncClient, hub: Hub, manager: BrokerTokenManager
) -> None:
    token = await minted(manager)
    spark = await minted(manager, "spark")
    early = str(int(datetime(2020, 1, 1, tzinfo=UTC).timestamp() * 1000))
    await admin.post(f"{PATH}/revoke/do", {"service": "exprsn-herald", "before_ms": early})
    assert await manager.problems([token.claims]) == [None]
    await admin.post(f"{PATH}/revoke/do", {"service": "exprsn-herald"})
    problems = await manager.problems([token.claims, spark.claims])
    assert [problem is None for problem in problems] == [False, True]


async def test_what_is_made_after_it_was_shown_is_not_hit(
    admin: AsyncClient, hub: Hub, manager: BrokerTokenManager
) -> None:
    """Whoever thinks about it for a while revokes what the page had, as its words say."""
    shown = await minted(manager)
    page = await admin.get(f"{PATH}/revoke", {"service": "exprsn-herald"})
    form = dict(re.findall(r'<input type="hidden" name="(service|before_ms)" value="([^"]*)">', page.content.decode()))
    renewed = await minted(manager)
    await admin.post(f"{PATH}/revoke/do", form)
    problems = await manager.problems([shown.claims, renewed.claims])
    assert [problem is None for problem in problems] == [False, True]


@pytest.mark.parametrize(
    "said", [{}, {"id": "x"}, {"service": "nobody"}, {"service": "herald", "before_ms": "soon"},
             {"service": "herald", "before_ms": "9" * 30}]
)  # fmt: skip
async def test_what_makes_no_sense_revokes_nothing(
    admin: AsyncClient, hub: Hub, manager: BrokerTokenManager, redis: Redis, said: dict[str, str]
) -> None:
    token = await minted(manager)
    answer = await admin.post(f"{PATH}/revoke/do", said, headers={"Accept": "application/json"})
    assert answer.status_code in {400, 404}
    assert await manager.problems([token.claims]) == [None]
    assert (await Audit(redis).read(AuditFilter(action="token.revoke"))).entries == []


async def test_the_form_says_what_is_wrong(admin: AsyncClient, hub: Hub) -> None:
    assert "Show what it would hit" in (await admin.get(f"{PATH}/revoke")).content.decode()
    assert (await admin.get(f"{PATH}/revoke", {"id": "x"})).status_code == 400
    page = await admin.get(f"{PATH}/revoke", {"service": "exprsn-herald", "before": "soon"})
    assert "is no moment" in page.content.decode()
