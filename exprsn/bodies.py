"""The hard stop for bodies of requests, which Django would write to disk whole before anybody looks at them."""

import asyncio
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any, Final

from ipc.django_app.http import error_body
from ipc.protocol import codec
from ipc.protocol.codes import ErrorCode

Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Any, Any, Any], Awaitable[None]]

GONE: Final[Message] = {"type": "http.disconnect"}
BODY_TIMEOUT_S: Final = 30.0
"""As long as daphne itself waits for one, in `certs.requests`."""
_MAX_DIGITS: Final = 19


class BoundedBodies:
    """An ASGI application whose requests have bodies of so many bytes at most, which come within so many seconds.

    A larger one is answered with 413, a later one with 408. The views refuse what is over their own limits and say so;
    this is for what no view would ever get to see.
    """

    def __init__(self, application: Application, max_bytes: int, timeout_s: float = BODY_TIMEOUT_S) -> None:
        self._application = application
        self._max_bytes = max_bytes
        self._timeout_s = timeout_s

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        """Serve a request, or refuse it as soon as it says, or turns out, to be too large or too slow."""
        body = _Body(receive, self._max_bytes, self._timeout_s)
        if _declared(scope) > self._max_bytes:
            body.refused = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
        else:
            # Django takes a disconnect in the middle of a body for the end of the request, and answers nothing.
            await self._application(scope, body.receive, send)
        if body.refused is not None:
            await self._refuse(send, body.refused)

    async def _refuse(self, send: Send, status: HTTPStatus) -> None:
        if status is HTTPStatus.REQUEST_TIMEOUT:
            answer = error_body(ErrorCode.TIMEOUT, f"the body of a request has {self._timeout_s:g} s to come")
        else:
            message = f"a request's body has at most {self._max_bytes} bytes"
            answer = error_body(ErrorCode.FRAME_TOO_LARGE, message, {"limit": self._max_bytes})
        body = codec.encode_json(answer).encode()
        headers = [(b"content-type", b"application/json"), (b"connection", b"close")]
        headers.append((b"content-length", str(len(body)).encode()))
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})


class _Body:
    """The body of one request as it comes, and the status with which it is refused."""

    def __init__(self, receive: Receive, max_bytes: int, timeout_s: float) -> None:
        self.refused: HTTPStatus | None = None
        self._receive = receive
        self._left = max_bytes
        self._due = asyncio.get_running_loop().time() + timeout_s
        self._is_whole = False

    async def receive(self) -> Message:
        """Return the next message of the server, as long as it is not refused."""
        if self._is_whole:
            # What comes now says only that the client has gone, whenever that is.
            return await self._receive()
        message = GONE if self.refused is not None else await self._next()
        self._left -= len(message.get("body", b""))
        if self._left < 0:
            self.refused = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
            return GONE
        self._is_whole = self.refused is None and not message.get("more_body", False)
        return message

    async def _next(self) -> Message:
        try:
            async with asyncio.timeout_at(self._due):
                return await self._receive()
        except TimeoutError:
            self.refused = HTTPStatus.REQUEST_TIMEOUT
            return GONE


def _declared(scope: Any) -> int:
    """Return what the header ``Content-Length`` says, 0 where it says nothing; its form is the server's business."""
    lengths = [value for name, value in scope["headers"] if name == b"content-length"]
    # No more digits than the largest number of 64 bits has: whatever it says, it is too much.
    return int(lengths[0][: _MAX_DIGITS + 1]) if lengths and lengths[0].isdigit() else 0
