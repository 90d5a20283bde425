"""Event names and patterns: which are accepted, and what they match, against a matcher that cannot be wrong."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipc.protocol.codes import ErrorCode
from ipc.protocol.errors import BadMessageError
from ipc.protocol.patterns import MAX_NAME_LENGTH, check_event, compile_pattern, matches_any

# Clients in other languages, such as clients/node, match with the same.
VECTORS: dict[str, Any] = json.loads((Path(__file__).parents[2] / "vectors" / "patterns.json").read_text("utf-8"))

BAD_SEGMENTS = [
    "",
    ":",
    "post",
    "post:",
    ":created",
    "post::created",
    "post:created:",
    " post:created",
    "post:created ",
    "post :created",
    "post:cre ated",
    "post:created\n",
    "post\n:created",
    "pöst:created",
    "post:créated",
    "post/created",
    "-post:created",
    ".post:created",
    "post:-created",
    "post:٣",
    "post:\x00",
    "post:created\x00",
    "post:a" * 100,
]


@pytest.mark.parametrize("name", [*VECTORS["names"], "a" * 126 + ":b"])
def test_a_name_has_two_segments_or_more(name: str) -> None:
    assert check_event(name) == name
    assert compile_pattern(name)(name)


@pytest.mark.parametrize("name", [*BAD_SEGMENTS, *VECTORS["no_names"], "a" * 127 + ":b"])
def test_what_is_no_name_is_refused(name: str) -> None:
    with pytest.raises(BadMessageError) as refused:
        check_event(name)
    assert refused.value.code is ErrorCode.INVALID_EVENT
    assert len(refused.value.message) < 300


@pytest.mark.parametrize("pattern", ["*", "*:*", "post:*", "*:created", "post:*:twice", "*:*:*", "a" * 126 + ":*"])
def test_what_is_a_pattern(pattern: str) -> None:
    compile_pattern(pattern)("post:created")


@pytest.mark.parametrize(
    "pattern",
    [
        *BAD_SEGMENTS,
        *VECTORS["no_patterns"],
        "**",
        "post:**",
        "post:cre*",
        "*post:created",
        "*:",
        ":*",
        "post:*:",
        "post:?",
        "a" * 127 + ":*",
    ],
)
def test_what_is_no_pattern_is_refused(pattern: str) -> None:
    with pytest.raises(BadMessageError) as refused:
        compile_pattern(pattern)
    assert refused.value.code is ErrorCode.INVALID_PATTERN
    assert len(refused.value.message) < 300


@pytest.mark.parametrize(
    ("pattern", "matching", "other"),
    [
        *((each["pattern"], each["matches"], each["others"]) for each in VECTORS["patterns"]),
        ("*", ["post:created", "a:b:c"], []),
        ("post:*", ["post:created", "post:created:twice"], ["posts:created", "a:post:created"]),
        ("*:created", ["post:created"], ["post:created:twice", "a:post:created", "post:recreated"]),
        ("*:*", ["post:created", "a:b:c"], []),
        ("*:*:*", ["a:b:c", "a:b:c:d"], ["a:b"]),
        ("post:*:twice", ["post:created:twice"], ["post:twice", "post:a:b:twice", "post:created:once"]),
        ("post.x:a-b", ["post.x:a-b"], ["postyx:a-b"]),
    ],
)
def test_a_star_is_one_segment_and_at_the_end_one_or_more(pattern: str, matching: list[str], other: list[str]) -> None:
    matches = compile_pattern(pattern)
    assert [matches(name) for name in matching + other] == [True] * len(matching) + [False] * len(other)


def test_any_of_several() -> None:
    assert matches_any(["user:*", "post:created"], "post:created")
    assert not matches_any(["user:*", "post:created"], "post:deleted")
    assert not matches_any([], "post:created")


# Few letters, so that names and patterns meet often; '.' and '-' mean something in regular expressions.
segments = st.text("ab.-", min_size=1, max_size=3).filter(lambda text: text[0] not in ".-")
event_names = st.lists(segments, min_size=2, max_size=4).map(":".join)
patterns = st.just("*") | st.lists(st.just("*") | segments, min_size=2, max_size=4).map(":".join)


def naively_matches(pattern: list[str], name: list[str]) -> bool:
    """Match segment by segment, by the words of the rule."""
    if not pattern or not name:
        return pattern == name
    if pattern == ["*"]:
        return True
    return pattern[0] in {"*", name[0]} and naively_matches(pattern[1:], name[1:])


@given(patterns, event_names)
def test_patterns_match_like_the_rule_says(pattern: str, name: str) -> None:
    assert compile_pattern(pattern)(name) is naively_matches(pattern.split(":"), name.split(":"))


@given(st.text(max_size=150) | st.text("ab:*.-_ \n", max_size=150))
def test_any_text_is_a_name_or_refused(text: str) -> None:
    """A name is a pattern that matches itself, and it never has a star."""
    try:
        check_event(text)
    except BadMessageError:
        return
    assert len(text) <= MAX_NAME_LENGTH
    assert text.isascii()
    assert "*" not in text
    assert compile_pattern(text)(text)


@given(st.text("ab:*.-_ \n", max_size=12), event_names)
def test_any_text_is_a_pattern_or_refused(text: str, name: str) -> None:
    try:
        matches = compile_pattern(text)
    except BadMessageError:
        return
    assert matches(name) is naively_matches(text.split(":"), name.split(":"))
