"""Permissions cover what they say and nothing beyond."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from ipc.protocol.codes import ErrorCode
from ipc.protocol.errors import ForbiddenError
from ipc.protocol.patterns import compile_pattern
from ipc.protocol.permissions import Verb, check_permission, is_allowed


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
