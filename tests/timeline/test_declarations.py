"""What Timeline says of its events holds for what it writes into the outbox."""

from typing import Any

import msgspec
import pytest

from ipc.django_app.models import OutboxEvent
from ipc.hub.schema_check import SchemaCheck
from timeline import services
from timeline.events import POST_EVENTS
from timeline.listeners import worker

FULL: dict[str, Any] = {
    "content": "Hello",
    "content_type": "text/plain",
    "media": [{"url": "https://example.org/a.png", "type": "image", "alt": "A", "width": 3, "height": 4}],
    "visibility": "followers",
    "metadata": {"a": [1]},
}


def misfits(event: str, data: Any) -> Any:
    return SchemaCheck(worker._declared[event].schema).misfit(data)


def test_all_events_of_posts_are_declared() -> None:
    assert set(worker._declared) == set(POST_EVENTS)


@pytest.mark.parametrize("fields", [{}, FULL], ids=["the least", "all of it"])
@pytest.mark.django_db
def test_what_is_written_into_the_outbox_fits(fields: dict[str, Any]) -> None:
    post = services.post_create(user_id="ada", **{"content": "Hi", **fields})
    services.post_update(post_id=post.id, actor_id="ada", changes={"content": "Other"})
    services.post_delete(post_id=post.id, actor_id="ada")
    rows = list(OutboxEvent.objects.order_by("pk"))
    assert [row.event for row in rows] == list(POST_EVENTS)
    for row in rows:
        data = msgspec.json.decode(msgspec.json.encode(row.data))
        assert misfits(row.event, data) is None
        assert misfits(row.event, {**data, "visibility": 7}) is not None


def test_examples_fit() -> None:
    for event, declaration in worker._declared.items():
        assert [misfits(event, example) for example in declaration.examples] == [None] * len(declaration.examples)
