"""The seam between a worker and whatever carries its frames."""

from typing import Protocol


class Transport(Protocol):
    """Carries frames to and from one session on a hub. It may be connected again after it was closed."""

    async def connect(self) -> None:
        """Open the session; the first frame to `receive` carries its ``welcome``.

        Raises:
            ConnectionClosedError: it cannot be opened; the error tells whether to try again.

        """

    async def send(self, frame: str) -> None:
        """Send a frame; returns when the hub may be sent more.

        Raises:
            ConnectionClosedError: the session is gone.

        """

    async def receive(self) -> str:
        """Wait for the next frame.

        Raises:
            ConnectionClosedError: the session is gone, with its close code.

        """

    async def close(self) -> None:
        """Leave; what `send` has returned for is carried out."""

    async def aclose(self) -> None:
        """Leave for good, and let go of what the transport owns."""
