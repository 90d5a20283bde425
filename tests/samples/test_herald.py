"""Herald: who is notified of what, and what is withdrawn."""

from typing import Any

from samples import herald
from samples.herald import Inbox
from tests.samples.conftest import Mesh, deleted


async def test_notifications_follow_the_life_of_a_post(mesh: Mesh, post: dict[str, Any]) -> None:
    await mesh.attach(herald.ipc)
    assert (await mesh.timeline.tell("post:created", post))[0] == "notification:sent"
    await mesh.timeline.tell("post:updated", {**post, "content": "Good evening"})
    about = [each["text"] for each in herald.inbox.of("ada") if each["postId"] == post["id"]]
    assert about == ["ada wrote: Good morning", "ada changed: Good evening"]
    await mesh.timeline.tell("post:deleted", deleted(post))
    assert herald.inbox.of("ada") == []


async def test_nobody_is_notified_of_a_private_post(mesh: Mesh, post: dict[str, Any]) -> None:
    """Nor does a notification stay of one that was public before."""
    await mesh.attach(herald.ipc)
    await mesh.timeline.tell("post:created", post)
    await mesh.timeline.tell("post:updated", {**post, "visibility": "private"})
    assert herald.inbox.of("ada") == []


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
