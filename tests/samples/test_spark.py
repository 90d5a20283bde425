"""Spark: who is online, and who is told of a post."""

from typing import Any

import pytest

from samples import spark
from samples.spark import Online
from tests.samples.conftest import Mesh, deleted


async def test_those_online_are_told_of_posts(
    mesh: Mesh, post: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Logging in and out changes whom; the author is not told of their own post."""
    monkeypatch.setattr(spark, "online", Online())
    await mesh.attach(spark.ipc)
    emit = mesh.timeline.worker.emit
    for user in ("ada", "grace", "edsger"):
        await emit("user:login", {"userId": user})
    name, created = await mesh.timeline.tell("post:created", post)
    await emit("user:logout", {"userId": "grace"})
    _, gone = await mesh.timeline.tell("post:deleted", deleted(post))
    assert name == "users:notified"
    assert (created["users"], created["count"]) == (["grace", "edsger"], 2)
    assert (gone["users"], gone["count"]) == (["edsger"], 1)


def test_nobody_is_told_of_a_private_post(post: dict[str, Any]) -> None:
    assert spark.audience({**post, "visibility": "private"}, ["grace"]) == []


def test_logging_in_twice_is_being_there_once() -> None:
    online = Online()
    online.login("ada")
    online.login("ada")
    online.logout("ada")
    online.logout("ada")
    assert online.users() == []


def test_who_logged_in_first_is_forgotten_first() -> None:
    online = Online(limit=2)
    for user in ("ada", "grace", "ada", "edsger"):
        online.login(user)
    assert online.users() == ["ada", "edsger"]
