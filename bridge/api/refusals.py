"""Counts what is refused over HTTP before anything is done, beside what hubs count of their sessions."""

from bridge.api.authentication import Asker
from ipc.django_app.runtime import current_hub
from ipc.protocol.errors import IPCError


async def count_refusal(asker: Asker | None, error: IPCError) -> None:
    """Count that somebody may not use an address; in the event loop of the hub, which counts without a lock."""
    hub = current_hub()
    if hub is not None:
        hub.counters.refuse(asker.service if asker is not None else None, error.code)
