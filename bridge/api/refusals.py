"""What is refused over HTTP: counted, and put down in the audit trail, as what hubs refuse their sessions."""

from django.http import HttpRequest

from bridge.api.authentication import Asker, address_of
from ipc.django_app.runtime import current_hub
from ipc.hub.session import Identity
from ipc.protocol.errors import IPCError


async def count_refusal(request: HttpRequest, asker: Asker | None, error: IPCError) -> None:
    """Count that somebody may not use an address; in the event loop of the hub, which counts without a lock."""
    hub = current_hub()
    if hub is not None:
        hub.counters.refuse(asker.service if asker is not None else None, error.code)
    await note_refusal(request, asker, error)


async def note_refusal(request: HttpRequest, asker: Asker | None, error: IPCError) -> None:
    """Take note of what a service was refused that has shown its token; in the event loop of the hub."""
    if asker is not None and asker.token is not None:
        note_refused_service(request, asker.token, error)


def note_refused_service(request: HttpRequest, speaker: Identity, error: IPCError) -> None:
    """Take note of what a request was refused, if a token says for whom it speaks: what operators try is not its."""
    hub = current_hub()
    if hub is not None and speaker.claims is not None:
        hub.proofs.refusals.note(speaker.service, error, {"address": address_of(request)})
