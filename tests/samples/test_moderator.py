"""Moderator: what is flagged and what is not."""

from typing import Any

import pytest

from samples import moderator
from tests.samples.conftest import Mesh, deleted


async def test_verdicts_follow_the_content_of_a_post(mesh: Mesh, post: dict[str, Any]) -> None:
    await mesh.attach(moderator.ipc)
    name, clean = await mesh.timeline.tell("post:created", post)
    _, dirty = await mesh.timeline.tell("post:updated", {**post, "content": "Casino! Not a SCAM."})
    _, gone = await mesh.timeline.tell("post:deleted", deleted(post))
    assert name == "moderation:completed"
    assert [(each["verdict"], each["words"]) for each in (clean, dirty, gone)] == [
        ("approved", []),
        ("flagged", ["casino", "scam"]),
        ("approved", []),
    ]


async def test_it_is_sent_nothing_but_the_text(mesh: Mesh, post: dict[str, Any]) -> None:
    await mesh.attach(moderator.ipc)
    await mesh.timeline.tell("post:created", post)
    await mesh.timeline.tell("post:deleted", deleted(post))
    assert mesh.sent() == [{"id": post["id"], "content": "Good morning"}, {"id": post["id"], "content": ""}]


@pytest.mark.parametrize(
    ("content", "found"),
    [
        ("Nothing here", []),
        ("", []),
        ("SPAM spam Spam", ["spam"]),
        ("spammer", []),
        ("s p a m", []),
        ("sp\u00e1m, and \uff53\uff50\uff41\uff4d", ["spam"]),
        ("scam/spam", ["scam", "spam"]),
    ],
)
def test_words_are_found_whole_in_any_case_and_width(content: str, found: list[str]) -> None:
    assert moderator.words_found(content, {"spam", "scam"}) == found


def test_a_list_may_have_comments_and_empty_lines() -> None:
    assert moderator.read_words("# title\n\n Spam  # why\nSCAM\n") == {"spam", "scam"}


def test_the_list_that_ships_has_words() -> None:
    assert "spam" in moderator.WORDS
