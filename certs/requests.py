"""Bounds for requests under daphne, which takes each to its end before it asks the application.

Twisted's channel writes a body of any size to disk, waits for the rest of a request as long as a byte of it comes now
and then, and does not part from a client that will not end its TLS. So a stranger could fill the disk or all sockets.
"""

from typing import Any, Final

# daphne installs the asyncio reactor, so it is imported before what imports Twisted's.
from daphne.http_protocol import HTTPFactory, WebRequest  # isort: skip
from twisted.web.http import HTTPChannel

HEAD_TIMEOUT_S: Final = 10
BODY_TIMEOUT_S: Final = 30
FAREWELL_S: Final = 60
"""How long a client may take for its last answer and the end of the connection."""


class BodyTooLargeError(Exception):
    """More has come of a body than is kept."""


class BoundedRequest(WebRequest):  # type: ignore[misc]  # daphne has no types
    """A request that keeps one byte more of its body than it may have, by which the application sees that it is more.

    So it is the application that refuses it, in its own words.
    """

    kept = 0

    def handleContentChunk(self, data: bytes) -> None:  # noqa: N802 - Twisted's name
        """Keep what has come of the body.

        Raises:
            BodyTooLargeError: it is too much; nothing more has to be read.

        """
        taken = data[: self.channel.max_body_bytes + 1 - self.kept]
        super().handleContentChunk(taken)
        self.kept += len(taken)
        if self.kept > self.channel.max_body_bytes:
            raise BodyTooLargeError


class BoundedChannel(HTTPChannel):
    """A connection whose requests come in time, and with bodies of so many bytes at most."""

    transport: Any  # a connection's, which Twisted types as any transport or none
    callLater: Any  # noqa: N815 - Twisted's name; its type here is that of a function of two arguments

    def __init__(self, max_body_bytes: int) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # Twisted's
        self.max_body_bytes = max_body_bytes
        self._due: Any = None
        self._farewell: Any = None
        self._is_answering = False

    def connectionMade(self) -> None:  # noqa: N802 - Twisted's name
        """Begin to wait for the first request."""
        super().connectionMade()  # type: ignore[no-untyped-call]  # Twisted's
        self._expect(HEAD_TIMEOUT_S)

    def dataReceived(self, data: bytes) -> None:  # noqa: N802 - Twisted's name
        """Take what has come, unless the connection is at its end."""
        if self._farewell is not None:
            return
        if self._due is None and not self._is_answering:
            self._expect(HEAD_TIMEOUT_S)
        super().dataReceived(data)  # type: ignore[no-untyped-call]  # Twisted's

    def lineLengthExceeded(self, line: bytes) -> None:  # noqa: ARG002, N802 - Twisted's
        """Refuse a head with an endless line, which Twisted leaves waiting."""
        self._refuse(b"400 Bad Request")

    def allHeadersReceived(self) -> None:  # noqa: N802 - Twisted's name
        """Wait for the body now, or for none of it where the head says that it is too large."""
        self._expect(BODY_TIMEOUT_S)
        is_too_large = self.length is not None and self.length > self.max_body_bytes
        if is_too_large:
            self.length = 0
        super().allHeadersReceived()  # type: ignore[no-untyped-call]  # Twisted's
        if is_too_large:
            self._answer_once_more()

    def rawDataReceived(self, data: bytes) -> None:  # noqa: N802 - Twisted's name
        """Take a part of a body, or end it where it has turned out too large."""
        try:
            super().rawDataReceived(data)
        except BodyTooLargeError:
            self._answer_once_more()
            self.allContentReceived()

    def allContentReceived(self) -> None:  # noqa: N802 - Twisted's name
        """Hand the request over; how long it takes is no business of this one."""
        self._settle()
        self._is_answering = True
        super().allContentReceived()  # type: ignore[no-untyped-call]  # Twisted's

    def requestDone(self, request: Any) -> None:  # noqa: N802 - Twisted's name
        """Hear that a request is answered, and go on with the next one."""
        self._is_answering = False
        super().requestDone(request)  # type: ignore[no-untyped-call]  # Twisted's

    def loseConnection(self) -> None:  # noqa: N802 - Twisted's name
        """Close, and cut who does not go along."""
        if self._farewell is not None:
            return
        self._settle()
        self._farewell = self.callLater(FAREWELL_S, self.transport.abortConnection)
        super().loseConnection()  # type: ignore[no-untyped-call]  # Twisted's

    def connectionLost(self, reason: Any) -> None:  # type: ignore[override]  # noqa: N802 - Twisted's name
        """Wait no more."""
        self._settle()
        if self._farewell is not None and self._farewell.active():
            self._farewell.cancel()
        super().connectionLost(reason)  # type: ignore[no-untyped-call]  # Twisted's

    def _answer_once_more(self) -> None:
        # What is left of the body would be taken for the next request.
        self.persistent = False
        self.requests[-1].responseHeaders.setRawHeaders(b"Connection", [b"close"])

    def _expect(self, seconds: float) -> None:
        self._settle()
        self._due = self.callLater(seconds, self._too_late)

    def _settle(self) -> None:
        if self._due is not None and self._due.active():
            self._due.cancel()
        self._due = None

    def _too_late(self) -> None:
        self._refuse(b"408 Request Timeout")

    def _refuse(self, status: bytes) -> None:
        self.transport.write(b"HTTP/1.1 " + status + b"\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
        self.loseConnection()


class BoundedFactory(HTTPFactory):  # type: ignore[misc]  # daphne has no types
    """Makes a `BoundedChannel` for each connection of a server, for HTTP/1.1 and nothing else."""

    def __init__(self, server: Any, max_body_bytes: int) -> None:
        super().__init__(server)
        self._max_body_bytes = max_body_bytes

    def protocol(self) -> BoundedChannel:
        """Make one; Twisted's own would let HTTP/2 past the bounds, where the package for that is installed."""
        return BoundedChannel(self._max_body_bytes)

    def buildProtocol(self, addr: Any) -> Any:  # noqa: N802 - Twisted's name
        """Make one whose requests are bounded, too."""
        channel = super().buildProtocol(addr)
        channel.requestFactory = BoundedRequest
        return channel

    def acceptableProtocols(self) -> list[bytes]:  # noqa: N802 - Twisted's name
        """Return what may be agreed on by TLS."""
        return [b"http/1.1"]
