"""What Timeline does with the events of others; called as the worker calls it."""

import uuid
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from ipc import EventContext
from ipc.protocol.errors import BadMessageError
from tests.database import in_thread
from timeline import listeners
from timeline.models import Author, Completion, Post

pytestmark = pytest.mark.django_db(transaction=True)


def context(event: str, source: str = "exprsn-herald", **fields: Any) -> EventContext:
    known = EventContext(
        event=event, source=source, target="exprsn-timeline", id="01J0", position="5-1", log="exprsn-timeline",
        timestamp=1000, meta=None, traceparent=None,
    )  # fmt: skip
    return replace(known, **fields)


@pytest.mark.parametrize("event", listeners.COMPLETIONS)
async def test_a_completion_is_kept_once_however_often_it_comes(event: str, make_post: Callable[..., Post]) -> None:
    post = await in_thread(make_post)
    data = {"postId": str(post.id), "event": "post:created", "handledAt": 123, "verdict": "approved"}
    for _ in range(2):
        await listeners.completed(data, context(event))
    completion = await in_thread(Completion.objects.get)
    assert (completion.post_id, completion.event, completion.post_event) == (post.id, event, "post:created")
    assert (completion.handled_ms, completion.position, completion.data) == (123, "5-1", data)
    assert completion.received_ms > 1_000_000_000_000


@pytest.mark.parametrize(
    "data",
    [
        None,
        [],
        {},
        {"postId": "x", "event": "post:created", "handledAt": 1},
        {"postId": str(uuid.uuid4()), "event": "post:liked", "handledAt": 1},
        {"postId": str(uuid.uuid4()), "event": "post:created", "handledAt": -1},
        {"postId": str(uuid.uuid4()), "event": "post:created", "handledAt": 1e300},
        {"postId": str(uuid.uuid4()), "event": "post:created", "handledAt": 1},
        {"postId": str(uuid.uuid4()), "event": "post:created", "handledAt": 1, "x": "\x00"},
    ],
)
async def test_a_completion_that_is_wrong_or_of_no_post_is_refused(data: Any) -> None:
    with pytest.raises(BadMessageError):
        await listeners.completed(data, context("cache:updated"))
    assert not await in_thread(Completion.objects.exists)


@pytest.mark.parametrize("name", ["id", "userId"])
async def test_a_user_is_remembered_by_either_name_of_the_id(name: str) -> None:
    await listeners.user_updated({name: "ann", "username": "a", "more": 1}, context("user:updated", "exprsn-auth"))
    await listeners.user_updated(
        {name: "ann", "displayName": "Ann"}, context("user:updated", "exprsn-auth", timestamp=2000)
    )
    author = await in_thread(Author.objects.get)
    assert (author.user_id, author.username, author.display_name, author.heard_ms) == ("ann", "a", "Ann", 2000)


@pytest.mark.parametrize("data", [None, "ann", {}, {"id": 5}, {"id": ""}, {"id": "x" * 129}, {"id": "a\x00b"}])
async def test_a_user_that_is_told_wrongly_is_refused(data: Any) -> None:
    with pytest.raises(BadMessageError):
        await listeners.user_updated(data, context("user:updated", "exprsn-auth"))
    assert not await in_thread(Author.objects.exists)
