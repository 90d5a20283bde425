"""Writing to the outbox: an event becomes part of the caller's transaction, and leaves only if that commits."""

from collections.abc import Mapping
from typing import Any

from django.db import transaction

from ipc.django_app.apps import ipc_config
from ipc.django_app.conf import conf
from ipc.django_app.models import MAX_KEY_LENGTH, OutboxEvent
from ipc.django_app.stored_json import stored_json
from ipc.protocol.errors import BadMessageError
from ipc.protocol.ids import new_ulid
from ipc.protocol.patterns import check_event
from ipc.protocol.routing import Target, logs_of_target
from ipc.tracing.steps import keeping


def outbox_add(
    *, event: str, data: Any, key: str, target: Target = None, meta: Mapping[str, Any] | None = None
) -> OutboxEvent:
    """Write an event into the outbox and wake the relay once the caller's transaction has committed.

    Events of one ``key`` (the entity's id) are sent in the order of their rows. A caller that writes the entity's own
    row first, in the same transaction, thereby holds its lock, so that the rows of one key commit in their order.

    Raises:
        BadMessageError: the name, the target, the key, the size or the JSON is wrong; the transaction should fail, so
            let it through.

    """
    limits = conf.limits()
    logs_of_target(target)
    row = OutboxEvent(
        event_id=new_ulid(),
        key=_checked_key(key),
        event=check_event(event),
        data=stored_json(data, limits),
        target=target if target is None or isinstance(target, str) else list(target),
        meta=None if meta is None else stored_json(meta, limits, name="meta"),
    )
    with keeping(row.event, row.event_id) as row.traceparent:
        row.save(force_insert=True)
    # Robust: whatever goes wrong with waking, the commit has happened, and the relay looks by itself every second.
    wake_relay_on_commit()
    return row


def _checked_key(key: str) -> str:
    if not 0 < len(key) <= MAX_KEY_LENGTH or "\x00" in key:
        raise BadMessageError(f"a key has 1 to {MAX_KEY_LENGTH} characters and no NUL, not {key[:64]!r}")
    return key


def wake_relay_on_commit() -> None:
    """Wake the relay of this process once the transaction has committed, or at once outside of one."""
    transaction.on_commit(ipc_config().wake_relay, robust=True)
