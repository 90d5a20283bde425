"""Patterns of resources: what they cover, whole segments only, and what is no pattern."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ipc.protocol.codes import ErrorCode
from ipc.protocol.errors import BadMessageError
from ipc.protocol.resource_patterns import MAX_PATTERN_LENGTH, check_resource_pattern, covers

SEGMENT = st.text("abAB09_.-", min_size=1, max_size=3).filter(lambda text: text[0] not in ".-")
PATH = st.lists(SEGMENT, min_size=1, max_size=4).map("/".join)


@pytest.mark.parametrize(
    ("pattern", "covered", "not_covered"),
    [
        ("*", ["posts", "posts/1", "users"], []),
        ("posts", ["posts", "posts/1", "posts/1/completions"], ["postsx", "posts2/1", "Posts", "xposts", "a/posts"]),
        ("posts/*", ["posts/1", "posts/1/completions"], ["posts", "posts/", "postsx/1", "users/1"]),
        ("posts/1", ["posts/1", "posts/1/completions"], ["posts", "posts/12", "posts/2", "posts/1x"]),
        ("posts/1/*", ["posts/1/completions"], ["posts/1", "posts/1/", "posts/12/completions"]),
        ("posts.a", ["posts.a"], ["postsxa"]),
    ],
)  # fmt: skip
def test_a_pattern_covers_its_path_and_what_is_below(pattern: str, covered: list[str], not_covered: list[str]) -> None:
    check_resource_pattern(pattern)
    assert [path for path in covered + not_covered if covers(pattern, path)] == covered


@given(PATH, PATH)
def test_what_is_covered_is_what_the_segments_say(pattern: str, path: str) -> None:
    wanted, asked = pattern.split("/"), path.split("/")
    assert covers(pattern, path) == (asked[: len(wanted)] == wanted)
    assert covers(f"{pattern}/*", path) == (asked[: len(wanted)] == wanted and len(asked) > len(wanted))


@pytest.mark.parametrize(
    "pattern",
    [
        "",
        "/",
        "/posts",
        "posts/",
        "posts//1",
        "posts/../users",
        "..",
        ".",
        "./posts",
        "posts*",
        "*posts",
        "**",
        "*/posts",
        "posts/*/completions",
        "posts/**",
        "posts\n",
        "\nposts",
        "posts/1\x00",
        "p\u043ests",  # a Cyrillic o
        "posts\u200b",
        "\uff0a",  # a wide *
        "posts\uff0f1",
        "posts\\1",
        "posts/%2a",
        "posts,users",
        "posts users",
        "posts|users",
        "posts?x",
        "posts#x",
        ".*",
        "[a-z]",
        "a" * (MAX_PATTERN_LENGTH + 1),
    ],
)
def test_what_is_no_pattern_or_only_looks_like_one_is_refused(pattern: str) -> None:
    with pytest.raises(BadMessageError) as refused:
        check_resource_pattern(pattern)
    assert refused.value.code is ErrorCode.INVALID_PATTERN
