"""Broker tokens: what is signed is what is read, older keys still verify, and every rule has its own code."""

from typing import Any

import msgspec
import pytest

from ipc.protocol.codes import ErrorCode
from ipc.protocol.errors import TokenError, UnknownServiceError
from ipc.protocol.ids import new_ulid
from ipc.protocol.signed_tokens import MAX_TOKEN_BYTES
from ipc.protocol.tokens import (
    MAX_LIFETIME_S,
    Claims,
    TokenKey,
    TokenKeys,
    WeakKeyError,
    check_claims,
    target_name,
)

NOW_S = 1_800_000_000.0
NEW, OLD = "the newest key 0123456789 abcdefgh", "the oldest key 9876543210 hgfedcba"


def claims(**changes: Any) -> Claims:
    told = {"id": new_ulid(), "source": "exprsn-timeline", "iat": NOW_S, "exp": NOW_S + 300, **changes}
    return Claims(**told)


def test_a_token_has_the_names_of_its_first_document_and_three_more() -> None:
    shown = msgspec.to_builtins(claims())
    names = "id type version source target operation iat exp stateful stateKey rateLimitExempt authBypass data metadata"
    assert set(shown) == {*names.split(), "permissions", "env"}
    assert (shown["type"], shown["version"], shown["operation"], shown["target"]) == ("broker", "1.0", "ipc", "*")


def test_what_is_signed_is_what_is_read() -> None:
    said = claims(target="exprsn-bridge", permissions=("emit:post:*",), data={"a": [1]}, metadata="m", env="dev")
    assert TokenKeys.of(NEW).verify(TokenKeys.of(NEW).sign(said)) == said


def test_the_newest_key_signs_and_older_ones_still_verify() -> None:
    both = TokenKeys.of(f"{NEW}, {OLD}")
    said = claims()
    assert both.verify(TokenKeys.of(OLD).sign(said)) == said
    token = both.sign(said)
    assert TokenKeys.of(NEW).verify(token) == said
    with pytest.raises(TokenError, match="a key that this bridge does not have"):
        TokenKeys.of(OLD).verify(token)


def test_a_key_is_named_without_being_told() -> None:
    key = TokenKey.of(NEW)
    assert key.id == TokenKey.of(NEW).id != TokenKey.of(OLD).id
    assert NEW not in repr(key)
    assert TokenKeys.of(f"{NEW},{OLD}").ids == (key.id, TokenKey.of(OLD).id)


@pytest.mark.parametrize(
    ("text", "why"),
    [("", "no key"), (" , ", "no key"), ("a" * 31, "31"), ("ab" * 40, "2 different"), (f"{NEW},b", "1")],
)
def test_a_weak_key_is_refused(text: str, why: str) -> None:
    with pytest.raises(WeakKeyError, match=why):
        TokenKeys.of(text)


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"type": "ca"}, ErrorCode.TOKEN_INVALID),
        ({"version": "2.0"}, ErrorCode.TOKEN_INVALID),
        ({"id": "1"}, ErrorCode.TOKEN_INVALID),
        ({"source": "timeline"}, ErrorCode.TOKEN_INVALID),
        ({"source": "exprsn-nobody"}, ErrorCode.TOKEN_INVALID),
        ({"target": "broadcast"}, ErrorCode.TOKEN_INVALID),
        ({"env": "test"}, ErrorCode.TOKEN_INVALID),
        ({"exp": NOW_S + MAX_LIFETIME_S + 1}, ErrorCode.TOKEN_INVALID),
        ({"exp": NOW_S}, ErrorCode.TOKEN_INVALID),
        ({"stateful": True}, ErrorCode.TOKEN_INVALID),
        ({"permissions": ("emit:no",)}, ErrorCode.TOKEN_INVALID),
        ({"permissions": ("*",) * 257}, ErrorCode.TOKEN_INVALID),
        ({"env": "dev"}, ErrorCode.TOKEN_WRONG_ENVIRONMENT),
        ({"iat": NOW_S + 6, "exp": NOW_S + 60}, ErrorCode.TOKEN_NOT_YET_VALID),
        ({"iat": NOW_S - 60, "exp": NOW_S}, ErrorCode.TOKEN_EXPIRED),
        ({"source": "exprsn-herald"}, ErrorCode.TOKEN_WRONG_SERVICE),
        ({"target": "exprsn-spark"}, ErrorCode.TOKEN_WRONG_TARGET),
    ],
)
def test_a_token_that_proves_nothing_is_refused_with_the_reason(changes: dict[str, Any], code: ErrorCode) -> None:
    with pytest.raises(TokenError) as refused:
        check_claims(claims(**changes), now_s=NOW_S, accepted_targets=["exprsn-bridge"], source="exprsn-timeline")
    assert refused.value.code is code


@pytest.mark.parametrize(
    "changes",
    [
        {},
        {"target": "exprsn-bridge"},
        {"iat": NOW_S + 4},
        {"exp": NOW_S + 0.1, "iat": NOW_S - 1},
        {"stateful": True, "state_key": new_ulid()},
        {"permissions": ("*", "emit:*", "call:posts.*", "call:*.read", "serve:posts", "jsonlex", "state")},
    ],
)
def test_a_good_token_passes(changes: dict[str, Any]) -> None:
    check_claims(claims(**changes), now_s=NOW_S, accepted_targets=["exprsn-bridge"], source="exprsn-timeline")
    check_claims(claims(**changes, env="dev"), now_s=NOW_S, takes_development=True)


def test_a_token_of_the_largest_size_is_read_and_one_beyond_is_not() -> None:
    keys = TokenKeys.of(NEW)
    with pytest.raises(TokenError, match="at most 8192"):
        keys.verify(keys.sign(claims(data="x" * MAX_TOKEN_BYTES)))
    token = keys.sign(claims(data="x" * 5_000))
    assert len(token) < MAX_TOKEN_BYTES
    assert keys.verify(token).data == "x" * 5_000


def test_a_target_is_given_by_either_name() -> None:
    assert [target_name(name) for name in ("*", "bridge", "exprsn-bridge")] == ["*", "exprsn-bridge", "exprsn-bridge"]
    with pytest.raises(UnknownServiceError):
        target_name("broadcast")
