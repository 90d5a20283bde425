"""What is refused over HTTP is counted, and in the audit trail, as what is refused on sockets: by service and code."""

import json
from typing import Any

import pytest
from django.http import HttpRequest
from django.test import AsyncClient
from pytest_django import Settings

from bridge.api.authentication import Asker
from bridge.api.rate_limits import charge, charge_token
from bridge.api.refusals import count_refusal, note_refused_service
from ipc.django_app.runtime import Runtime
from ipc.hub.hub import Hub
from ipc.hub.proofs import BRIDGE
from ipc.hub.session import Identity
from ipc.protocol.errors import ForbiddenError, RateLimitError
from ipc.stores.audit_filter import AuditFilter
from tests.bridge.refusals import refused_by

SPARK = Identity(service="exprsn-spark", permissions=frozenset())


@pytest.fixture
def hub(runtime: Runtime, settings: Settings) -> Hub:
    settings.SECURE_SSL_REDIRECT = False
    assert runtime.mesh is not None
    return runtime.mesh.hub


@pytest.mark.parametrize(("method", "path"), [("GET", "tokens"), ("POST", "emit"), ("GET", "groups")])
async def test_a_stranger_is_counted_whatever_kind_of_view_it_is(hub: Hub, method: str, path: str) -> None:
    answer = await AsyncClient().generic(method, f"/api/ipc/{path}")
    assert answer.status_code == 401
    assert refused_by(hub) == {("nobody", "UNAUTHENTICATED"): 1}
    assert hub.counters.messages_refused == 1


async def test_a_service_that_may_not_is_counted_by_its_name(hub: Hub) -> None:
    asker = Asker(name="exprsn-spark:1", permissions=frozenset(), token=SPARK)
    await count_refusal(HttpRequest(), asker, ForbiddenError("this is for operators"))
    assert refused_by(hub) == {("exprsn-spark", "FORBIDDEN"): 1}


async def test_too_many_messages_are_counted_each(hub: Hub) -> None:
    most = hub.limits.rate_max
    with pytest.raises(RateLimitError, match="divide it"):
        await charge(HttpRequest(), hub, SPARK, most + 1)
    assert refused_by(hub) == {("exprsn-spark", "RATE_LIMIT_EXCEEDED"): most + 1}


async def test_without_a_hub_nothing_is_counted_and_nothing_fails() -> None:
    await count_refusal(HttpRequest(), None, ForbiddenError("no"))


async def token(hub: Hub, *permissions: str) -> str:
    made = await hub.proofs.manager.mint("spark", permissions=permissions, target=BRIDGE, by="test")
    return made.token


async def asked(text: str, method: str, path: str, body: Any = None) -> int:
    answer = await AsyncClient().generic(
        method,
        f"/api/ipc/{path}",
        "" if body is None else json.dumps(body),
        content_type="application/json",
        headers={"Authorization": f"Bearer {text}"},
    )
    return answer.status_code


async def trail(hub: Hub, action: str = "session.refused") -> list[tuple[str, str, dict[str, Any]]]:
    await hub.proofs.refusals.write()
    page = await hub.proofs.manager.audit.read(AuditFilter(action=action))
    return [(entry.by, entry.subject, dict(entry.details)) for entry in reversed(page.entries)]


@pytest.mark.parametrize(
    ("method", "path", "body", "subject"),
    [
        ("POST", "emit", {"event": "post:made"}, "emit:post:made"),
        ("POST", "emit", [{"event": "proof:given"}, {"event": "post:made"}], "emit:post:made"),
        ("POST", "call", {"resource": "mails", "op": "read"}, "call:mails.read"),
        ("POST", "jsonlex", {"expression": 1}, "jsonlex"),
        ("GET", "tokens", None, "FORBIDDEN"),
        ("GET", "dead-letters", None, "subscribe:*"),
        ("POST", "explain", {"event": "a:b", "source": "vault"}, "*"),
    ],
)
async def test_what_a_token_may_not_is_in_the_trail_once(
    hub: Hub, method: str, path: str, body: Any, subject: str
) -> None:
    """In views of both kinds, at the door of an address and behind it, and among several events."""
    text = await token(hub, "emit:proof:*")
    for _ in range(3):
        assert await asked(text, method, path, body) == 403
        # As a sweep between two requests does it.
        await hub.proofs.refusals.write()
    assert await trail(hub) == [("exprsn-spark", subject, {"address": "127.0.0.1"})]


@pytest.mark.parametrize("path", ["positions?since=1h", "groups"])
async def test_too_many_requests_are_in_the_trail_once(hub: Hub, path: str) -> None:
    text = await token(hub, "emit:proof:*")
    await charge(HttpRequest(), hub, SPARK, hub.limits.rate_max)
    assert [await asked(text, "GET", path) for _ in range(2)] == [429, 429]
    assert await trail(hub) == [("exprsn-spark", "RATE_LIMIT_EXCEEDED", {"address": "127.0.0.1"})]


async def test_too_many_tokens_for_a_certificate_are_in_the_trail(hub: Hub) -> None:
    request, meter = HttpRequest(), hub.token_meter("exprsn-spark")
    request.META["REMOTE_ADDR"] = "127.0.0.1"
    assert meter is not None
    await meter.take(meter.budget.maximum)
    with pytest.raises(RateLimitError, match=r"tokens in any 60 s for its certificate, and has had as many$"):
        await charge_token(request, hub, "exprsn-spark")
    assert await trail(hub) == [("exprsn-spark", "RATE_LIMIT_EXCEEDED", {"address": "127.0.0.1"})]


async def test_what_is_only_wrong_and_what_strangers_try_is_not_in_the_trail(hub: Hub) -> None:
    text = await token(hub, "emit:proof:*")
    assert await asked(text, "POST", "emit", {"event": "none"}) == 400
    assert (await AsyncClient().generic("POST", "/api/ipc/emit")).status_code == 401
    await count_refusal(HttpRequest(), None, ForbiddenError("no"))
    operators = Asker(name="operator 7", permissions=frozenset({"*"}))
    await count_refusal(HttpRequest(), operators, ForbiddenError("no"))
    # As which service an operator speaks is no proof of it.
    note_refused_service(HttpRequest(), SPARK, ForbiddenError("no"))
    assert await trail(hub) == []


@pytest.mark.parametrize(("method", "path"), [("POST", "emit"), ("GET", "groups")])
async def test_a_refused_token_is_in_the_trail_and_the_log_with_the_address(
    hub: Hub, caplog: pytest.LogCaptureFixture, method: str, path: str
) -> None:
    text = await token(hub, "*")
    (record,) = (await hub.proofs.manager.find("spark")).tokens
    await hub.proofs.manager.revoke(record.claims.id, by="test")
    with caplog.at_level("INFO", logger="ipc.hub.proofs"):
        assert await asked(text, method, path) == 401
    said = {"code": "TOKEN_REVOKED", "source": "exprsn-spark"}
    assert await trail(hub, "token.refused") == [("127.0.0.1", record.claims.id, said)]
    assert [line for line in caplog.messages if line.startswith("a token of 127.0.0.1 was refused")]
