"""What is tried with tokens where no door is in between: forged, altered, replayed, and found in logs."""

import asyncio
import base64
import hashlib
import hmac
import json
import logging
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from redis.asyncio import Redis

from ipc.protocol.codes import ErrorCode
from ipc.protocol.errors import BadMessageError, IPCError, TokenError
from ipc.protocol.ids import new_ulid
from ipc.protocol.signed_tokens import MAX_TOKEN_BYTES
from ipc.protocol.tokens import Claims, TokenKey, TokenKeys
from ipc.stores.audit import Audit
from ipc.stores.token_records import TokenRecords
from ipc.stores.tokens import BrokerTokenManager

KEY = "a key of these tests 0123456789 abcdef"
OTHER = "a key of somebody else 0123456789 abcd"
KEYS = TokenKeys.of(KEY)


@pytest.fixture
def manager(redis_client: Redis) -> BrokerTokenManager:
    return BrokerTokenManager(TokenRecords(redis_client), KEYS, Audit(redis_client))


def part(value: Any) -> str:
    raw = value if isinstance(value, bytes) else json.dumps(value).encode()
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def by_hand(header: Any, payload: Any, key: str = KEY, digest: str = "sha256") -> str:
    """Sign without a library, and so without what it refuses."""
    text = f"{part(header)}.{part(payload)}"
    return f"{text}.{part(hmac.new(key.encode(), text.encode(), getattr(hashlib, digest)).digest())}"


def said(**changes: Any) -> dict[str, Any]:
    claims = Claims(id=new_ulid(), source="exprsn-herald", iat=1_800_000_000, exp=1_800_000_060)
    return {**msgspec.to_builtins(claims), **changes}


HEADER = {"alg": "HS256", "typ": "JWT", "kid": TokenKey.of(KEY).id}


def test_a_token_signed_by_hand_is_one() -> None:
    """So that the refusals below are not for another reason."""
    assert KEYS.verify(by_hand(HEADER, said())).source == "exprsn-herald"


@pytest.mark.parametrize(
    "token",
    [
        by_hand({**HEADER, "alg": "none"}, said()),
        by_hand({**HEADER, "alg": "hs256"}, said()),
        by_hand({**HEADER, "alg": "HS512"}, said(), digest="sha512"),
        by_hand({**HEADER, "alg": ["HS256"]}, said()),
        by_hand({**HEADER, "kid": None}, said()),
        by_hand({**HEADER, "kid": "0" * 16}, said()),
        by_hand({**HEADER, "kid": TokenKey.of(OTHER).id}, said(), key=OTHER),
        by_hand({"alg": "HS256"}, said()),
        by_hand({**HEADER, "b64": False, "crit": ["b64"]}, said()),
        by_hand({**HEADER, "zip": "DEF"}, said()),
        by_hand([HEADER], said()),
        by_hand(b"\xff", said()),
        by_hand(HEADER, said(), key=OTHER),
        by_hand(HEADER, said(), key=""),
        by_hand(HEADER, []),
        by_hand(HEADER, b"null"),
        by_hand(HEADER, b"[" * 4_000),
        by_hand(HEADER, b'{"id":"\xff"}'),
        by_hand(HEADER, said(exp="9999999999")),
        by_hand(HEADER, said(exp=None)),
        by_hand(HEADER, said(permissions="*")),
        by_hand(HEADER, said(permissions=[["*"]])),
        by_hand(HEADER, said(source=["exprsn-herald"])),
        by_hand(HEADER, said(rateLimitExempt="yes")),
        by_hand(HEADER, {}),
        by_hand(HEADER, said()) + "=",
        by_hand(HEADER, said()) + "\n",
        " " + by_hand(HEADER, said()),
        by_hand(HEADER, said()).replace(".", "..", 1),
        "." * MAX_TOKEN_BYTES,
        "\x00",
        "\N{FULLWIDTH FULL STOP}".join(by_hand(HEADER, said()).split(".")),
    ],
)
def test_what_is_no_token_of_ours_is_refused(token: str) -> None:
    with pytest.raises(TokenError) as refused:
        KEYS.verify(token)
    assert refused.value.code is ErrorCode.TOKEN_INVALID
    assert token not in refused.value.message


@given(st.text(max_size=200) | st.binary(max_size=200).map(part) | st.lists(st.binary().map(part)).map(".".join))
def test_no_text_does_anything_but_be_refused(text: str) -> None:
    with pytest.raises(TokenError):
        KEYS.verify(text)


@given(st.data())
def test_no_letter_of_a_token_can_be_changed(data: st.DataObject) -> None:
    """Except the very last one, of which only some bits belong to the signature."""
    token = KEYS.sign(Claims(id=new_ulid(), source="exprsn-herald", iat=1, exp=2))
    at = data.draw(st.integers(0, len(token) - 2))
    letter = data.draw(st.sampled_from("ABCxyz019-_."))
    changed = token[:at] + letter + token[at + 1 :]
    if changed != token:
        with pytest.raises(TokenError):
            KEYS.verify(changed)


async def test_of_many_who_use_one_thing_at_once_one_is_the_first(manager: BrokerTokenManager) -> None:
    tried = await asyncio.gather(*(manager.is_first_use("exprsn-herald/jti", ttl_s=60) for _ in range(50)))
    assert tried.count(True) == 1


async def test_no_id_reaches_a_key_that_is_not_its_own(manager: BrokerTokenManager, redis_client: Redis) -> None:
    """Braces, colons and other keys' names are refused before Redis hears of them."""
    for name in ("*", "x}:{y", "exprsn-herald", "../x", "", "0" * 27, "\x00" * 26, "8" * 26):
        with pytest.raises(BadMessageError):
            await manager.revoke(name, by="test")
        with pytest.raises(TokenError):
            await manager.mint("herald", permissions=[], by="test", stateful=True, state_key=name or "-")
    assert await redis_client.keys("ipc:*") == []


async def test_a_revocation_cannot_be_taken_back_by_an_earlier_one(manager: BrokerTokenManager) -> None:
    made = await manager.mint("herald", permissions=[], by="test")
    await manager.revoke_source("herald", by="test")
    await manager.revoke_source("herald", by="test", before_s=1.0)
    with pytest.raises(TokenError, match="revoked"):
        await manager.verify(made.token)


async def test_no_token_and_no_key_is_in_any_log_line(
    manager: BrokerTokenManager, caplog: pytest.LogCaptureFixture
) -> None:
    """At the lowest level, through minting, verifying, refusing, renewing and revoking."""
    caplog.set_level(logging.DEBUG)
    made = await manager.mint("herald", permissions=["emit:*"], by="test", stateful=True)
    renewed = await manager.renew(made.token, by="test")
    await manager.states.set(made.claims, b"1")
    await manager.revoke(made.claims.id, by="test")
    for token in (made.token, made.token[:-3], renewed.token + "x"):
        with pytest.raises(IPCError) as refused:
            await manager.verify(token)
        logging.getLogger("test").info("refused: %s %r", refused.value, refused.value)
    logging.getLogger("test").info("%r %s %r %r", made, renewed, manager, TokenKey.of(KEY))
    for secret in (made.token, renewed.token, made.token.rpartition(".")[2], KEY):
        assert secret not in caplog.text
