"""Who hears what a link has to tell."""

from typing import Protocol

from ipc.protocol.errors import IPCError
from ipc.protocol.messages import Event, ServerCall, Welcome


class Listener(Protocol):
    """Who hears what a link has to tell. The methods return at once."""

    def connected(self, welcome: Welcome) -> None:
        """The session is up and subscribed."""

    def not_recovered(self, reasons: dict[str, str]) -> None:
        """Events were missed for good: the log no longer has them."""

    def received(self, event: Event) -> bool:
        """Take an event; False refuses it and all that follow, until `Link.resume`."""

    def delivered(self, event: Event, session: str) -> None:
        """Take an event of a group; it is answered with the session that it came by."""

    def called(self, call: ServerCall, session: str) -> None:
        """Take a call; it is replied to with the session that it came by."""

    def cancelled(self, call_id: str, session: str) -> None:
        """Nobody waits for the reply to a call any more."""

    def operation_cancelled(self, operation: str) -> None:
        """An operator has cancelled a long operation."""

    def disconnected(self, session: str) -> None:
        """A session is over; what came by it cannot be replied to."""

    def failed(self, error: IPCError) -> None:
        """The connection was lost, or something sent without an id was refused."""
