"""Those at the doors of this process who have not shown yet who they are: how many there may be.

A stranger has `IPC_AUTH_TIMEOUT` to prove something, and for that long costs a socket and what it sends. Nothing that
is bound to a service can hold back who is none; so there may be so many at a time, in all and from one address.
"""

from collections import Counter
from typing import Final

from bridge.handshake import RefusedError
from ipc.django_app.conf import conf
from ipc.protocol.codes import CloseCode, ErrorCode
from ipc.protocol.errors import UnavailableError
from ipc.protocol.networks import network_of

STRANGER_FRAME_BYTES: Final = 32 * 1024
"""What the frame with the proof may have: several times the longest token."""
STRANGER_BYTES: Final = 2 * STRANGER_FRAME_BYTES
"""What is read of a stranger's socket, where the server can stop there."""


class Strangers:
    """Counts them. One event loop uses it."""

    def __init__(self) -> None:
        self._at: Counter[str] = Counter()

    def __len__(self) -> int:
        return self._at.total()

    def enter(self, client: tuple[str, int] | None) -> "Visit":
        """Let a stranger wait at the door; the visit is to be ended.

        Args:
            client: address and port, as ASGI has them.

        Raises:
            RefusedError: 4503, too many are waiting.

        """
        limits, network = conf.limits(), network_of(client[0] if client else "")
        if self._at[network] >= limits.strangers_per_address:
            raise _too_many(f"{limits.strangers_per_address} connections from your address")
        if len(self) >= limits.strangers:
            raise _too_many(f"{limits.strangers} connections")
        self._at[network] += 1
        return Visit(self, network)

    def leave(self, network: str) -> None:
        """Count one less; `Visit` calls it."""
        self._at[network] -= 1
        if not self._at[network]:
            del self._at[network]


class Visit:
    """One stranger, until it is one no more or has gone."""

    def __init__(self, strangers: Strangers, network: str) -> None:
        self._strangers: Strangers | None = strangers
        self._network = network

    def end(self) -> None:
        """End the visit, if it has not ended."""
        if self._strangers is not None:
            self._strangers.leave(self._network)
            self._strangers = None

    def __enter__(self) -> None:
        return None

    def __exit__(self, *_: object) -> None:
        self.end()


def _too_many(which: str) -> RefusedError:
    return RefusedError(
        UnavailableError(f"{which} are waiting to be let in, which is as many as may", code=ErrorCode.OVERLOADED),
        CloseCode.DRAINING,
    )


strangers: Final = Strangers()
