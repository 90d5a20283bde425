"""Herald: who is notified of what, and what is withdrawn."""

from collections.abc import AsyncIterator
from typing import Any

import pytest

from ipc.testing import TestBus
from samples import herald
from samples.herald import Inbox
from tests.samples.conftest import deleted


@pytest.fixture
async def bus(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[TestBus]:
    """Herald as it is in production, with an empty inbox, in a mesh in memory."""
    monkeypatch.setattr(herald, "inbox", Inbox())
    async with TestBus() as bus:
        await bus.start(herald.ipc)
        yield bus


def texts(user: str) -> list[str]:
    return [each["text"] for each in herald.inbox.of(user)]


async def test_notifications_follow_the_life_of_a_post(bus: TestBus, post: dict[str, Any]) -> None:
    await bus.emit("post:created", post, source="timeline")
    await bus.emit("post:updated", {**post, "content": "Good evening"}, source="timeline")
    await bus.settled()
    assert texts("ada") == ["ada wrote: Good morning", "ada changed: Good evening"]
    await bus.emit("post:deleted", deleted(post), source="timeline")
    await bus.settled()
    assert texts("ada") == []


async def test_timeline_is_told_that_a_post_was_announced(bus: TestBus, post: dict[str, Any]) -> None:
    await bus.emit("post:created", post, source="timeline")
    await bus.settled()
    done = bus.assert_emitted(
        "notification:sent",
        source="herald",
        target="timeline",
        data={"postId": post["id"], "event": "post:created"},
        times=1,
    )
    assert isinstance(done.data["handledAt"], int)


async def test_nobody_is_notified_of_a_private_post(bus: TestBus, post: dict[str, Any]) -> None:
    """Nor does a notification stay of one that was public before."""
    await bus.emit("post:created", post, source="timeline")
    await bus.emit("post:updated", {**post, "visibility": "private"}, source="timeline")
    await bus.settled()
    assert texts("ada") == []


def test_an_inbox_keeps_the_latest_of_each_user() -> None:
    inbox = Inbox(max_per_user=2)
    for number in range(3):
        inbox.add("ada", {"postId": str(number)})
    assert [each["postId"] for each in inbox.of("ada")] == ["1", "2"]


def test_the_user_unheard_of_for_longest_makes_room() -> None:
    inbox = Inbox(max_users=2)
    for user in ("ada", "grace", "ada", "edsger"):
        inbox.add(user, {"postId": "1"})
    assert {user: bool(inbox.of(user)) for user in ("ada", "grace", "edsger")} == {
        "ada": True,
        "grace": False,
        "edsger": True,
    }


def test_forgetting_one_post_keeps_the_others_and_their_limit() -> None:
    inbox = Inbox(max_per_user=2)
    for number in range(2):
        inbox.add("ada", {"postId": str(number)})
    inbox.forget("ada", "0")
    inbox.forget("nobody", "0")
    for number in range(2, 4):
        inbox.add("ada", {"postId": str(number)})
    assert [each["postId"] for each in inbox.of("ada")] == ["2", "3"]


def test_a_long_post_is_announced_by_its_beginning(post: dict[str, Any]) -> None:
    text = herald.notification("post:created", {**post, "content": "x" * 280})["text"]
    assert text == f"ada wrote: {'x' * 40}"
