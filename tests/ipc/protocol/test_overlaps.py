"""Whether two patterns may match the same name."""

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipc.protocol.overlaps import overlap
from ipc.protocol.patterns import compile_pattern

VECTORS: dict[str, Any] = json.loads((Path(__file__).parents[2] / "vectors" / "patterns.json").read_text("utf-8"))
_segments = st.sampled_from(["a", "b", "*"])
_patterns = st.one_of(st.just("*"), st.lists(_segments, min_size=2, max_size=4).map(":".join))
_names = st.lists(st.sampled_from(["a", "b"]), min_size=2, max_size=6).map(":".join)


@pytest.mark.parametrize(
    ("one", "other", "answer"),
    [
        *((each["one"], each["other"], each["overlap"]) for each in VECTORS["overlaps"]),
        ("post:created", "post:created", True),
        ("post:created", "post:deleted", False),
        ("post:*", "*:created", True),
        ("*", "post:created", True),
        ("post:*", "user:*", False),
        ("post:*", "post:comment:created", True),
        ("*:created", "post:comment:created", False),
        ("*:comment:*", "post:*", True),
        ("a:*:c", "a:b", False),
    ],
)
def test_patterns_that_may_match_the_same(one: str, other: str, answer: bool) -> None:
    assert (overlap(one, other), overlap(other, one)) == (answer, answer)


@given(one=_patterns, other=_patterns, name=_names)
def test_patterns_that_match_one_name_overlap(one: str, other: str, name: str) -> None:
    if compile_pattern(one)(name) and compile_pattern(other)(name):
        assert overlap(one, other)


@given(one=_patterns, other=_patterns)
def test_patterns_that_overlap_have_a_name(one: str, other: str) -> None:
    names = [":".join(parts) for length in range(2, 6) for parts in _all(length)]
    found = any(compile_pattern(one)(name) and compile_pattern(other)(name) for name in names)
    assert overlap(one, other) == found


def _all(length: int) -> list[list[str]]:
    if length == 0:
        return [[]]
    return [[head, *rest] for head in ("a", "b") for rest in _all(length - 1)]
