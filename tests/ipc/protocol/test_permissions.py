"""Permissions cover what they say and nothing beyond."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from ipc.protocol.codes import ErrorCode
from ipc.protocol.errors import BadMessageError, ForbiddenError
from ipc.protocol.patterns import compile_pattern
from ipc.protocol.permissions import (
    MAX_PERMISSIONS,
    USUAL,
    Verb,
    check_permission,
    check_permissions,
    is_allowed,
)


@pytest.mark.parametrize(
    ("permissions", "verb", "name", "allowed"),
    [
        ({"*"}, "emit", "post:created", True),
        ({"*"}, "subscribe", "*", True),
        (set(), "emit", "post:created", False),
        ({"emit:*"}, "emit", "post:created", True),
        ({"emit:*"}, "subscribe", "post:created", False),
        ({"emit:post:*"}, "emit", "post:created", True),
        ({"emit:post:*"}, "emit", "user:created", False),
        ({"emit:post:created"}, "emit", "post:created", True),
        ({"emit:post:created"}, "emit", "post:created:twice", False),
        ({"emit:user:*", "emit:post:*"}, "emit", "post:created", True),
        ({"subscribe:post:*"}, "subscribe", "post:created", True),
        ({"subscribe:post:*"}, "subscribe", "post:*", True),
        ({"subscribe:post:*"}, "subscribe", "*", False),
        ({"subscribe:post:*"}, "subscribe", "*:created", False),
        ({"subscribe:*:created"}, "subscribe", "*:created", True),
        ({"subscribe:*:created"}, "subscribe", "post:*", False),
        ({"subscribe:post:created"}, "subscribe", "post:*", False),
        ({"subscribe:*"}, "subscribe", "*", True),
        ({"call:posts.read", "serve:posts", "jsonlex"}, "emit", "post:created", False),
    ],
)
def test_what_permissions_cover(permissions: set[str], verb: Verb, name: str, allowed: bool) -> None:
    assert is_allowed(frozenset(permissions), verb, name) is allowed


@pytest.mark.parametrize(
    "permission",
    [
        "",
        "emit",
        "emit:",
        "emit:post",
        "emit:p\N{CYRILLIC SMALL LETTER O}st:created",
        "emit:post:\N{FULLWIDTH ASTERISK}",
        "emit:post:*\n",
        "emit:post:**",
        "EMIT:post:*",
        "emit :post:*",
        "**",
        " *",
        "*:*",
        "call:posts",
        "call:posts.read.twice",
        "call:posts.re*",
        "serve:po*",
        "serve:posts.read",
        "jsonlex:*",
        "state:*",
        "admin",
        "emit:post:\x00",
    ],
)
def test_what_only_looks_like_a_permission_is_refused(permission: str) -> None:
    with pytest.raises(BadMessageError) as refused:
        check_permissions(["emit:post:*", permission])
    assert refused.value.code is ErrorCode.INVALID_PATTERN


def test_permissions_have_a_bound() -> None:
    check_permissions([*USUAL, "*", "call:posts.*", "call:*.read", "serve:a-b", "emit:*:created"])
    check_permissions(["*"] * MAX_PERMISSIONS)
    with pytest.raises(BadMessageError):
        check_permissions(["*"] * (MAX_PERMISSIONS + 1))


def test_a_refusal_names_what_is_missing() -> None:
    with pytest.raises(ForbiddenError) as refused:
        check_permission(frozenset({"emit:user:*"}), "emit", "post:created")
    assert (refused.value.code, refused.value.details) == (ErrorCode.FORBIDDEN, {"needed": "emit:post:created"})
    check_permission(frozenset({"emit:post:*"}), "emit", "post:created")


segments = st.sampled_from(["a", "b"])
patterns = st.just("*") | st.lists(st.just("*") | segments, min_size=2, max_size=4).map(":".join)
event_names = st.lists(segments, min_size=2, max_size=5).map(":".join)


@given(patterns, patterns, event_names)
def test_a_subscription_never_hears_more_than_its_permission(permitted: str, asked: str, name: str) -> None:
    """If a pattern is covered, then every name it matches is covered by itself."""
    assume(is_allowed(frozenset({f"subscribe:{permitted}"}), "subscribe", asked))
    assume(compile_pattern(asked)(name))
    assert is_allowed(frozenset({f"subscribe:{permitted}"}), "subscribe", name)
