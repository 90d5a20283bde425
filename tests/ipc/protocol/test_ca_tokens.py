"""CA tokens: what is signed is what is read, by the one algorithm of the key, and every rule has its own code."""

from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, rsa

from ipc.protocol.ca_tokens import MAX_LIFETIME_S, CAKey, Permissions, check_claims, new_claims, sign
from ipc.protocol.codes import ErrorCode
from ipc.protocol.errors import TokenError
from ipc.protocol.signed_tokens import MAX_TOKEN_BYTES, header_of
from ipc.protocol.tokens import WeakKeyError
from tests.ipc.protocol.authorities import KEYS, NOW_S, P256, claims


@pytest.mark.parametrize("algorithm", KEYS)
def test_what_is_signed_is_what_is_read(algorithm: str) -> None:
    key, said = KEYS[algorithm], claims()
    token = sign(said, key)
    ca_key = CAKey.of(key.public_key())
    assert ca_key.verify(token) == said
    assert header_of(token) == {"alg": algorithm, "typ": "JWT", "kid": ca_key.id}
    check_claims(said, now_s=NOW_S)


def test_a_token_says_what_the_document_promises() -> None:
    said = new_claims("ann", permissions=["update", "read", "read"], resource="posts/*", now_s=NOW_S, ttl_s=60)
    assert said.permissions.names == {"read", "update"}
    assert {**msgspec.to_builtins(said), "jti": ""} == {
        "sub": "ann",
        "permissions": {"read": True, "write": False, "append": False, "update": True, "delete": False},
        "resource": "posts/*",
        "roles": (),
        "iat": NOW_S,
        "exp": NOW_S + 60,
        "jti": "",
        "iss": "exprsn-ca",
        "aud": "exprsn",
        "type": "ca",
        "version": "1.0",
    }


@pytest.mark.parametrize(
    "make_key",
    [
        lambda: rsa.generate_private_key(65537, 1024).public_key(),  # noqa: S505 - what is refused
        lambda: ec.generate_private_key(ec.SECP521R1()).public_key(),
        lambda: ec.generate_private_key(ec.SECP256K1()).public_key(),
        lambda: ed25519.Ed25519PrivateKey.generate().public_key(),
        lambda: dsa.generate_private_key(2048).public_key(),
        lambda: b"a secret",
        lambda: None,
    ],
)
def test_a_key_of_another_kind_is_none(make_key: Callable[[], Any]) -> None:
    """Made in the test: a key of DSA takes seconds, which collecting would take in each process."""
    key = make_key()
    with pytest.raises(WeakKeyError, match="neither RSA of 2048 bits or more nor EC"):
        CAKey.of(key)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"type": "broker"}, ErrorCode.TOKEN_INVALID),
        ({"version": "2.0"}, ErrorCode.TOKEN_INVALID),
        ({"iss": "exprsn-auth"}, ErrorCode.TOKEN_INVALID),
        ({"aud": "exprsn-bridge"}, ErrorCode.TOKEN_WRONG_TARGET),
        ({"jti": "1"}, ErrorCode.TOKEN_INVALID),
        ({"roles": ("Admin",)}, ErrorCode.TOKEN_INVALID),
        ({"roles": ("",)}, ErrorCode.TOKEN_INVALID),
        ({"roles": ("a",) * 33}, ErrorCode.TOKEN_INVALID),
        ({"resource": "posts*"}, ErrorCode.TOKEN_INVALID),
        ({"exp": NOW_S + MAX_LIFETIME_S + 1}, ErrorCode.TOKEN_INVALID),
        ({"exp": NOW_S}, ErrorCode.TOKEN_INVALID),
        ({"iat": NOW_S + 6}, ErrorCode.TOKEN_NOT_YET_VALID),
        ({"iat": NOW_S - 60, "exp": NOW_S}, ErrorCode.TOKEN_EXPIRED),
    ],
)
def test_a_token_that_proves_nothing_is_refused_with_the_reason(changes: dict[str, Any], code: ErrorCode) -> None:
    with pytest.raises(TokenError) as refused:
        check_claims(claims(**changes), now_s=NOW_S)
    assert refused.value.code is code


@pytest.mark.parametrize(
    "changes",
    [
        {"sub": "42"},
        {"sub": "ann.o-neil_7@example.org"},
        {"sub": "f451988a-3068-4d5d-a991-35969e8623b5"},
        {"sub": "a" * 128},
        {"exp": NOW_S + MAX_LIFETIME_S},
        {"iat": NOW_S + 5},
        {"roles": ()},
        {"permissions": Permissions()},
        {"resource": "*"},
    ],
)
def test_a_good_token_passes(changes: dict[str, Any]) -> None:
    check_claims(claims(**changes), now_s=NOW_S)


@pytest.mark.parametrize(
    "wrong",
    [{"permissions": ["fly"]}, {"permissions": ["*"]}, {"sub": ""}, {"ttl_s": 0}, {"ttl_s": 86_401}, {"resource": ""}],
)
def test_nothing_is_made_that_would_be_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(TokenError):
        new_claims(**{"sub": "ann", "permissions": [], "resource": "*", "now_s": NOW_S, "ttl_s": 60, **wrong})


def test_a_token_that_would_be_too_large_is_not_made() -> None:
    with pytest.raises(TokenError, match=f"at most {MAX_TOKEN_BYTES}"):
        sign(claims(roles=tuple(f"{number:x<64}" for number in range(100))), P256)
