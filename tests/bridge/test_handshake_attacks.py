"""What somebody tries who has no token, a stolen one, another service's, or one of his own making."""

import asyncio
import hashlib
import hmac
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jwt
import msgspec
import pytest
from websockets.exceptions import InvalidMessage, InvalidStatus

from exprsn.embedded import EmbeddedValkey
from ipc.protocol.ids import new_ulid
from ipc.protocol.tokens import TokenKey, TokenKeys
from tests import servers
from tests.bridge.tokens import LOCKED, NEW_KEY, OLD_KEY, bearer, encoded, managed, minted
from tests.clients import attached, socket_to
from tests.servers import ServerProcess

pytestmark = pytest.mark.processes

KID = TokenKey.of(NEW_KEY).id


@pytest.fixture(scope="module", params=["daphne", "uvicorn"])
def locked(
    request: pytest.FixtureRequest,
    bridge_valkey: EmbeddedValkey,
    certs_dir: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[ServerProcess]:
    """A bridge that asks for tokens, and says no secret in its log, however much it says."""
    var_dir = tmp_path_factory.mktemp(f"locked-{request.param}")
    with servers.bridge(request.param, bridge_valkey.url, certs_dir, var_dir, **LOCKED) as server:
        yield server
        output = server.output()
        assert "Traceback" not in output
        assert NEW_KEY not in output
        assert OLD_KEY not in output
        # Every token of this module begins with the same few letters: {"alg", or {"typ" as PyJWT sorts it.
        assert encoded(b'{"alg":"HS256"')[:12] not in output


@pytest.fixture
def redis_url(bridge_valkey: EmbeddedValkey) -> str:
    """Not the one that tests empty."""
    return bridge_valkey.url


async def refusal(server: ServerProcess, token: str, path: str = "/ipc/herald") -> tuple[str, int]:
    """Return the code and the close code that a token is refused with, which are the same in the header and in auth."""
    async with socket_to(server, path) as client:
        await client.say({"type": "auth", "token": token})
        error = await client.next()
        said = (error["code"], await client.close_code())
        assert token not in json.dumps(error)
    async with socket_to(server, path, **bearer(token)) as client:
        assert ((await client.next())["code"], await client.close_code()) == said
    return said


async def test_a_good_token_lets_in_by_header_and_by_auth(locked: ServerProcess, redis_url: str) -> None:
    token = (await minted(redis_url)).token
    async with attached(locked, "herald", "a:*", **bearer(token)) as client:
        assert await client.is_well()
    async with socket_to(locked, "/ipc/herald") as client:
        await client.say({"type": "auth", "token": token})
        assert (await client.next())["service"] == "exprsn-herald"
    previous = (await minted(redis_url, key=OLD_KEY)).token
    async with attached(locked, "exprsn-herald", **bearer(previous)) as client:
        assert await client.is_well()


async def test_what_comes_in_one_frame_behind_auth_is_carried_out(locked: ServerProcess, redis_url: str) -> None:
    """With the permissions of that token, as anything later; what is wrong is answered, too."""
    token = (await minted(redis_url, permissions=["emit:a:b"])).token
    async with socket_to(locked, "/ipc/herald") as client:
        emits = [{"type": "emit", "id": event, "event": event, "ack": True} for event in ("a:b", "c:d")]
        await client.say({"type": "auth", "token": token}, *emits, {"type": "dance", "id": "x"})
        assert (await client.next())["type"] == "welcome"
        answers = {answer["id"]: answer.get("code", "") for answer in [await client.next() for _ in range(3)]}
        assert answers == {"a:b": "", "c:d": "FORBIDDEN", "x": "UNKNOWN_TYPE"}


async def test_a_token_of_ones_own_making_is_refused(locked: ServerProcess, redis_url: str, certs_dir: Path) -> None:
    """Without a signature, with another algorithm, another key, the CA's public one, or a header that names one."""
    good = (await minted(redis_url)).token
    header, payload, signature = good.split(".")
    claims = json.loads(jwt.utils.base64url_decode(payload))
    richer = encoded({**claims, "permissions": ["*"], "rateLimitExempt": True})
    public = (certs_dir / "ca-cert.pem").read_bytes()
    confused = f"{encoded({'alg': 'HS256', 'typ': 'JWT', 'kid': KID})}.{payload}"
    by_public = encoded(hmac.new(public, confused.encode(), hashlib.sha256).digest())
    strong = "x" * 64
    forged = [
        f"{encoded({'alg': 'none', 'typ': 'JWT', 'kid': KID})}.{payload}.AA",
        f"{encoded({'alg': 'None', 'kid': KID})}.{payload}.{signature}",
        jwt.encode(claims, "", algorithm="none"),
        jwt.encode(claims, strong, algorithm="HS512", headers={"kid": KID}),
        jwt.encode(claims, strong, algorithm="HS256", headers={"kid": KID}),
        jwt.encode(claims, strong, algorithm="HS256"),
        jwt.encode(claims, strong, algorithm="HS256", headers={"kid": "../../dev/null"}),
        jwt.encode(claims, strong, algorithm="HS256", headers={"kid": KID, "jwk": {"kty": "oct", "k": encoded(b"x")}}),
        jwt.encode(claims, strong, algorithm="HS256", headers={"kid": KID, "jku": "https://evil.example/keys"}),
        jwt.encode(claims, strong, algorithm="HS256", headers={"kid": KID, "crit": ["exp"]}),
        f"{confused}.{by_public}",
        f"{header}.{richer}.{signature}",
        f"{header}.{payload}.{signature[:-2]}",
        f"{header}.{payload}.",
        f"{header}.{payload}",
        f"{good}.{signature}",
        TokenKeys.of("a key that nobody here has 0123456789").sign((await minted(redis_url)).claims),
        "null",
        "{}",
        "..",
    ]
    for token in forged:
        async with socket_to(locked, "/ipc/herald") as client:
            await client.say({"type": "auth", "token": token})
            assert ((await client.next())["code"], await client.close_code()) == ("TOKEN_INVALID", 4401), token[:60]


async def test_a_token_is_good_for_its_service_target_and_time_only(locked: ServerProcess, redis_url: str) -> None:
    keys = TokenKeys.of(NEW_KEY)
    good = (await minted(redis_url)).claims
    later = msgspec.structs.replace(good, iat=good.iat + 60, exp=good.exp + 60)
    before = msgspec.structs.replace(good, iat=good.iat - 600, exp=good.exp - 600)
    other = msgspec.structs.replace(good, type="ca")
    for token, code in (
        ((await minted(redis_url, "spark")).token, "TOKEN_WRONG_SERVICE"),
        ((await minted(redis_url, target="timeline")).token, "TOKEN_WRONG_TARGET"),
        (keys.sign(later), "TOKEN_NOT_YET_VALID"),
        (keys.sign(before), "TOKEN_EXPIRED"),
        (keys.sign(other), "TOKEN_INVALID"),
    ):
        assert await refusal(locked, token) == (code, 4401)


async def test_a_revoked_token_lets_nobody_in_and_nobody_stay(locked: ServerProcess, redis_url: str) -> None:
    made = await minted(redis_url)
    async with attached(locked, "herald", **bearer(made.token)) as client:
        await managed(redis_url, lambda manager: manager.revoke(made.claims.id, by="test"))
        assert (await client.hear(lambda heard: heard["type"] == "notice"))["notice"] == "revoked"
        assert await client.close_code() == 4430
    assert await refusal(locked, made.token) == ("TOKEN_REVOKED", 4430)


async def test_names_with_tricks_are_refused(locked: ServerProcess, redis_url: str) -> None:
    """Signed by whoever has the key, and still no service: nulls, look-alikes, other spellings, paths."""
    keys, good = TokenKeys.of(NEW_KEY), (await minted(redis_url)).claims
    for source in (
        "exprsn-herald\x00",
        "exprsn-h\N{CYRILLIC SMALL LETTER IE}rald",
        "EXPRSN-HERALD",
        " exprsn-herald",
        "exprsn-herald\n",
        "herald",
        "*",
        "",
        "exprsn-../herald",
        "\N{FULLWIDTH LATIN SMALL LETTER E}xprsn-herald",
    ):
        assert await refusal(locked, keys.sign(msgspec.structs.replace(good, source=source))) == ("TOKEN_INVALID", 4401)
    for permission in ("emit:post:\N{FULLWIDTH ASTERISK}", "emit:p\N{CYRILLIC SMALL LETTER O}st:*", "emit:**", "all"):
        token = keys.sign(msgspec.structs.replace(good, permissions=(permission,)))
        assert await refusal(locked, token) == ("TOKEN_INVALID", 4401)


@pytest.mark.parametrize("name", ["token", "access_token", "Authorization", "%74oken", "jwt", "t", "q=Bearer%20"])
async def test_a_token_in_an_address_is_refused_even_if_it_is_good(
    locked: ServerProcess, redis_url: str, name: str
) -> None:
    token = (await minted(redis_url)).token
    query = f"{name}{token}" if "=" in name else f"{name}={token}"
    async with socket_to(locked, f"/ipc/herald?x=1&{query}", **bearer(token)) as client:
        error = await client.next()
        assert (error["code"], await client.close_code()) == ("UNAUTHENTICATED", 4401)
        assert "does not belong into an address" in error["message"]
        assert token not in error["message"]


@pytest.mark.parametrize(
    "value",
    ["", "Bearer", "Bearer ", "Basic aGVyYWxkOng=", "Token a.b.c", "Bearer a.b.c, Bearer d.e.f", "bearer \xff.a.b"],
)
async def test_a_strange_header_is_refused(locked: ServerProcess, value: str) -> None:
    try:
        async with socket_to(locked, "/ipc/herald", additional_headers={"Authorization": value}) as client:
            assert (await client.next())["code"] in {"UNAUTHENTICATED", "TOKEN_INVALID"}
            assert await client.close_code() == 4401
    except InvalidStatus as error:
        # What is no header at all, the server itself refuses.
        assert error.response.status_code == 400  # noqa: PT017 - one of two outcomes


async def test_two_headers_are_one_too_many(locked: ServerProcess, redis_url: str) -> None:
    token = (await minted(redis_url)).token
    headers = [("Authorization", f"Bearer {token}"), ("Authorization", "Bearer a.b.c")]
    async with socket_to(locked, "/ipc/herald", additional_headers=headers) as client:
        assert (await client.next())["code"] in {"UNAUTHENTICATED", "TOKEN_INVALID"}
        assert await client.close_code() == 4401


async def test_a_token_that_is_too_large_is_refused(locked: ServerProcess, redis_url: str) -> None:
    """In auth by its size, in a header perhaps by the server."""
    claims = (await minted(redis_url)).claims
    token = TokenKeys.of(NEW_KEY).sign(msgspec.structs.replace(claims, data="x" * 9_000))
    async with socket_to(locked, "/ipc/herald") as client:
        await client.say({"type": "auth", "token": token})
        assert ((await client.next())["code"], await client.close_code()) == ("TOKEN_INVALID", 4401)
    async with socket_to(locked, "/ipc/herald") as client:
        await client.say({"type": "auth", "token": "x" * 20_000})
        assert await client.close_code() == 4401
    try:
        async with socket_to(locked, "/ipc/herald", **bearer("x" * 200_000)) as client:
            assert await client.close_code() == 4401
    except (InvalidStatus, InvalidMessage, OSError):
        pass


async def test_a_client_does_not_say_what_it_may_do(locked: ServerProcess, redis_url: str) -> None:
    """Its source, its permissions and its exemption are the token's, whatever it writes into messages."""
    token = (await minted(redis_url, permissions=["emit:post:*", "subscribe:post:*"])).token
    lies: dict[str, Any] = {"source": "exprsn-auth", "rateLimitExempt": True, "authBypass": True, "permissions": ["*"]}
    async with attached(locked, "herald", "post:*", **bearer(token)) as client:
        assert (await client.ask(type="emit", event="post:made", ack=True, **lies))["type"] == "ok"
        assert (await client.event())["source"] == "exprsn-herald"
        for message, needed in (
            ({"type": "emit", "event": "user:made"}, "emit:user:made"),
            ({"type": "emit", "event": "posts:made"}, "emit:posts:made"),
            ({"type": "subscribe", "events": ["*"]}, "subscribe:*"),
            ({"type": "subscribe", "events": ["post*:made"]}, None),
            ({"type": "call", "op": "read", "resource": "posts"}, "call:posts.read"),
            ({"type": "serve", "resources": [{"name": "mails", "ops": ["read"]}]}, "serve:mails"),
            ({"type": "jsonlex", "expression": 1}, "jsonlex"),
            ({"type": "state", "op": "get", "token": token}, "state"),
        ):
            answer = await client.ask(**message, **lies)
            error = answer.get("error", answer)
            if needed is None:
                assert error["code"] == "INVALID_PATTERN"
            else:
                assert (error["code"], error["details"]["needed"]) == ("FORBIDDEN", needed)


async def test_a_production_bridge_takes_no_token_of_a_development_machine(
    certs_dir: Path, tmp_path: Path, bridge_valkey: EmbeddedValkey
) -> None:
    settings = {
        **LOCKED,
        "EXPRSN_ENV": "production",
        "DEV_BYPASS": "false",
        "SECRET_KEY": new_ulid() * 3,
        "SECURE_HSTS_SECONDS": "0",
    }
    with servers.bridge("uvicorn", bridge_valkey.url, certs_dir, tmp_path / "production", **settings) as bridge:
        development = (await minted(bridge_valkey.url)).token
        assert await refusal(bridge, development) == ("TOKEN_WRONG_ENVIRONMENT", 4401)
        shown = {"Authorization": f"Bearer {development}", "X-IPC-Request": "true"}
        answer = await asyncio.to_thread(bridge.request, "POST", "/api/ipc/emit", json={"event": "a:b"}, headers=shown)
        assert (answer.status_code, answer.json()["error"]) == (401, "TOKEN_WRONG_ENVIRONMENT")
        asked = await asyncio.to_thread(bridge.get, "/api/ipc/groups", headers={"X-IPC-Request": "true"})
        assert (asked.status_code, asked.json()["error"]) == (401, "UNAUTHENTICATED")
        production = await managed(
            bridge_valkey.url,
            lambda manager: manager.mint("herald", permissions=["emit:*"], by="test"),
            is_development=False,
        )
        async with attached(bridge, "herald", **bearer(production.token)) as client:
            assert await client.is_well()


async def test_a_revoked_token_is_refused_after_redis_has_started_again(
    own_valkey: EmbeddedValkey, certs_dir: Path, tmp_path: Path
) -> None:
    """By a bridge that has never heard of it before, too."""
    made = await minted(own_valkey.url)
    await managed(own_valkey.url, lambda manager: manager.revoke(made.claims.id, by="test"))
    with servers.bridge("uvicorn", own_valkey.url, certs_dir, tmp_path / "bridge", **LOCKED) as bridge:
        assert await refusal(bridge, made.token) == ("TOKEN_REVOKED", 4430)
        await asyncio.to_thread(own_valkey.kill)
        await asyncio.to_thread(own_valkey.start)
        await asyncio.to_thread(bridge.becomes, 200)
        assert await refusal(bridge, made.token) == ("TOKEN_REVOKED", 4430)


@pytest.mark.parametrize(
    "path", ["/api/ipc/emit", "/api/ipc/call", "/api/ipc/tokens", "/api/ipc/dead-letters", "/admin/"]
)
async def test_a_token_in_the_address_of_a_request_is_no_proof(
    locked: ServerProcess, redis_url: str, path: str
) -> None:
    """However good it is; and neither the answer nor the log repeats it."""
    token = (await minted(redis_url)).token
    for name in ("token", "access_token", "brokerToken", "jwt"):
        body = {"event": "post:made", "resource": "posts", "op": "read", "assertion": token}
        answer = await asyncio.to_thread(locked.request, "POST", f"{path}?{name}={token}", json=body)
        assert answer.status_code in {302, 400, 401, 403, 405}, answer.text
        assert token not in answer.text


async def test_permissions_that_look_like_others_allow_only_what_they_say(
    locked: ServerProcess, redis_url: str
) -> None:
    token = (await minted(redis_url, permissions=["emit:post:*", "subscribe:post:created", "call:posts.read"])).token
    async with attached(locked, "herald", **bearer(token)) as client:
        for event in ("post:created", "post:x:y"):
            assert (await client.ask(type="emit", event=event, ack=True))["type"] == "ok"
        messages: list[dict[str, Any]] = [
            *({"type": "emit", "event": event} for event in ("posts:created", "po:st", "user:post:x", "Post:x")),
            *({"type": "subscribe", "events": [event]} for event in ("post:*", "post:createdx", "post:creat*")),
            {"type": "call", "op": "update", "resource": "posts"},
            {"type": "call", "op": "read", "resource": "post"},
            {"type": "call", "op": "read", "resource": "postsx"},
        ]
        for message in messages:
            answer = await client.ask(**message)
            error = answer.get("error", answer)
            assert error["code"] in {"FORBIDDEN", "INVALID_PATTERN", "INVALID_EVENT"}, (message, answer)
