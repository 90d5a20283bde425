"""Timeline in the mesh: it serves posts, and hears of users that changed and of what others did with its posts.

A peer's event that is wrong raises here; the worker logs and counts that, and goes on with the next one.
"""

import time
import uuid
from typing import Annotated, Any, Final, Literal, TypeVar

import msgspec
from channels.db import database_sync_to_async

from ipc import EventContext, IPCWorker
from ipc.django_app.conf import conf
from ipc.django_app.stored_json import stored_json
from ipc.protocol.errors import BadMessageError
from timeline import services
from timeline.declarations import declare
from timeline.resources import PostResource

worker: Final = IPCWorker("exprsn-timeline")
worker.resource("posts")(PostResource())
declare(worker)
T = TypeVar("T")

COMPLETIONS: Final = ("notification:sent", "moderation:completed", "cache:updated", "users:notified")
_Milliseconds = Annotated[int, msgspec.Meta(ge=0, le=2**53)]


class _Completion(msgspec.Struct, rename="camel"):
    post_id: uuid.UUID
    event: Literal["post:created", "post:updated", "post:deleted"]
    handled_at: _Milliseconds


class _User(msgspec.Struct, rename="camel"):
    """A user as the auth service tells of them: known as ``id`` or ``userId``, other members as far as they changed."""

    id: Annotated[str, msgspec.Meta(min_length=1, max_length=128)] | None = None
    user_id: Annotated[str, msgspec.Meta(min_length=1, max_length=128)] | None = None
    username: Annotated[str, msgspec.Meta(max_length=128)] | None = None
    display_name: Annotated[str, msgspec.Meta(max_length=256)] | None = None
    avatar_url: Annotated[str, msgspec.Meta(max_length=2048)] | None = None


@worker.on("user:updated")
async def user_updated(data: Any, ctx: EventContext) -> None:
    """Remember what a user is called.

    Raises:
        BadMessageError: the event does not say which user, or says it wrongly.

    """
    user = _read(data, _User, ctx)
    user_id = user.user_id or user.id
    if user_id is None:
        raise _wrong(ctx, "it needs userId")
    known = {"username": user.username, "display_name": user.display_name, "avatar_url": user.avatar_url}
    fields = {name: value for name, value in known.items() if value is not None}
    stored_json([user_id, fields], conf.limits())
    await database_sync_to_async(services.author_update)(user_id=user_id, heard_ms=ctx.timestamp, fields=fields)


@worker.on(*COMPLETIONS)
async def completed(data: Any, ctx: EventContext) -> None:
    """Remember what a service did with a post; an event heard twice counts once.

    Raises:
        BadMessageError: the event is not about a post of ours, or says wrongly what happened.

    """
    completion = _read(data, _Completion, ctx)
    await database_sync_to_async(services.completion_record)(
        post_id=completion.post_id,
        source=ctx.source,
        event_id=ctx.id,
        event=ctx.event,
        post_event=completion.event,
        handled_ms=completion.handled_at,
        received_ms=time.time_ns() // 1_000_000,
        position=ctx.position,
        data=stored_json(data, conf.limits()),
    )


def _read(data: Any, shape: type[T], ctx: EventContext) -> T:
    try:
        return msgspec.convert(data, shape)
    except msgspec.ValidationError as error:
        raise _wrong(ctx, str(error)) from error


def _wrong(ctx: EventContext, what: str) -> BadMessageError:
    return BadMessageError(f"{ctx.event} {ctx.id} from {ctx.source} is not understood: {what}")
