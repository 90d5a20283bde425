"""Writing: one transaction with its event, or nothing at all."""

import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from django.db import transaction
from django.dispatch import Signal
from pytest_django import Settings

from ipc.django_app.models import OutboxEvent
from ipc.protocol.errors import BadMessageError, ForbiddenError
from timeline import services
from timeline.models import Author, Completion, Post
from timeline.services import PostNotFoundError
from timeline.signals import post_created, post_deleted, post_updated


@contextmanager
def received(signal: Signal) -> Iterator[list[Post]]:
    posts: list[Post] = []

    def receiver(*, post: Post, **_kwargs: Any) -> None:
        posts.append(post)

    signal.connect(receiver)
    try:
        yield posts
    finally:
        signal.disconnect(receiver)


@contextmanager
def refusing(signal: Signal) -> Iterator[None]:
    def receiver(**_kwargs: Any) -> None:
        raise RuntimeError("no")

    signal.connect(receiver)
    try:
        yield
    finally:
        signal.disconnect(receiver)


@pytest.mark.django_db
def test_each_write_sends_its_signal_with_the_post() -> None:
    with received(post_created) as created, received(post_updated) as updated, received(post_deleted) as deleted:
        post = services.post_create(user_id="ann", content="one")
        services.post_update(post_id=post.id, actor_id="ann", changes={"content": "two"})
        services.post_delete(post_id=post.id, actor_id="ann")
    assert [found.content for found in created + updated + deleted] == ["one", "two", "two"]
    assert {found.id for found in created + updated + deleted} == {post.id}


@pytest.mark.django_db
def test_the_events_of_a_post_carry_what_services_need_in_its_order() -> None:
    post = services.post_create(user_id="ann", content="one", visibility="private")
    services.post_update(post_id=post.id, actor_id="ann", changes={"content": "two"})
    services.post_delete(post_id=post.id, actor_id="ann")
    rows: list[Any] = list(OutboxEvent.objects.all())
    created, updated, deleted = rows
    assert [row.event for row in (created, updated, deleted)] == ["post:created", "post:updated", "post:deleted"]
    assert {row.key for row in (created, updated, deleted)} == {str(post.id)}
    assert created.data.keys() == {
        "id", "userId", "content", "contentType", "media", "visibility", "likeCount", "commentCount", "repostCount",
        "metadata", "createdAt", "updatedAt",
    }  # fmt: skip
    assert (created.data["id"], created.data["content"], updated.data["content"]) == (str(post.id), "one", "two")
    assert deleted.data.keys() == {"id", "userId", "visibility", "deletedAt"}
    assert (deleted.data["userId"], deleted.data["visibility"]) == ("ann", "private")


@pytest.mark.django_db(transaction=True)
def test_a_rollback_leaves_neither_post_nor_event() -> None:
    def write_and_fail() -> None:
        with transaction.atomic():
            services.post_create(user_id="ann", content="x")
            assert OutboxEvent.objects.count() == 1
            raise RuntimeError("later in the same transaction")

    with pytest.raises(RuntimeError):
        write_and_fail()
    assert (Post.objects.count(), OutboxEvent.objects.count()) == (0, 0)


@pytest.mark.django_db(transaction=True)
def test_a_receiver_that_fails_undoes_the_write() -> None:
    post = services.post_create(user_id="ann", content="one")
    OutboxEvent.objects.all().delete()
    with refusing(post_created), pytest.raises(RuntimeError):
        services.post_create(user_id="ann", content="x")
    with refusing(post_updated), pytest.raises(RuntimeError):
        services.post_update(post_id=post.id, actor_id="ann", changes={"content": "two"})
    with refusing(post_deleted), pytest.raises(RuntimeError):
        services.post_delete(post_id=post.id, actor_id="ann")
    assert (Post.objects.get().content, Post.objects.get().deleted_at) == ("one", None)
    assert not OutboxEvent.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_an_event_that_is_too_large_undoes_the_write(settings: Settings) -> None:
    settings.IPC_MAX_DATA = 50
    with pytest.raises(BadMessageError, match="DATA_TOO_LARGE"):
        services.post_create(user_id="ann", content="x")
    assert not Post.objects.exists()


@pytest.mark.django_db
def test_only_its_owner_changes_a_post_and_only_while_it_is_there(make_post: Callable[..., Post]) -> None:
    post = make_post(user_id="ann")
    with pytest.raises(ForbiddenError):
        services.post_update(post_id=post.id, actor_id="bob", changes={"content": "x"})
    with pytest.raises(ForbiddenError):
        services.post_delete(post_id=post.id, actor_id="bob")
    services.post_delete(post_id=post.id, actor_id="ann")
    with pytest.raises(PostNotFoundError):
        services.post_update(post_id=post.id, actor_id="ann", changes={"content": "x"})


@pytest.mark.django_db
def test_a_field_that_is_not_editable_is_a_programming_error(make_post: Callable[..., Post]) -> None:
    with pytest.raises(TypeError, match="like_count"):
        services.post_update(post_id=make_post().id, actor_id="dev-user", changes={"like_count": 5})


@pytest.mark.django_db
def test_an_author_keeps_the_newest_news_whatever_the_order() -> None:
    services.author_update(user_id="ann", heard_ms=20, fields={"username": "ann2", "display_name": "Ann"})
    services.author_update(user_id="ann", heard_ms=10, fields={"username": "ann1"})
    services.author_update(user_id="ann", heard_ms=30, fields={"display_name": "Ann B."})
    author = Author.objects.get()
    assert (author.username, author.display_name, author.heard_ms) == ("ann2", "Ann B.", 30)


@pytest.mark.django_db
def test_a_completion_is_kept_once_per_event_and_source(make_post: Callable[..., Post]) -> None:
    fields = {
        "event": "cache:updated",
        "post_event": "post:created",
        "handled_ms": 1,
        "received_ms": 2,
        "position": "1-1",
    }
    post_id = make_post().id
    outcomes = [
        services.completion_record(post_id=post_id, source=source, event_id="same", data={}, **fields)[1]
        for source in ("exprsn-prefetch", "exprsn-prefetch", "exprsn-spark")
    ]
    assert outcomes == [True, False, True]
    assert Completion.objects.count() == 2


@pytest.mark.django_db
def test_a_completion_of_an_unknown_post_is_refused() -> None:
    with pytest.raises(PostNotFoundError):
        services.completion_record(post_id=uuid.uuid4(), source="exprsn-herald", event_id="1")
