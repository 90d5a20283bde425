"""The hard stop for bodies of requests, which Django would write to disk whole before anybody looks at them."""

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


class BoundedBodies:
    """An ASGI application whose requests have bodies of so many bytes at most; a larger one is answered with 413.

    The views refuse what is over their own limits and say so; this is for what no view would ever get to see.
    """

    def __init__(self, application: Application, max_bytes: int) -> None:
        self._application = application
        self._max_bytes = max_bytes

    async def __call__(self, scope: Any, receive: Receive, send: Send) -> None:
        """Serve a request, or refuse it as soon as it says, or turns out, to be too large."""
        if _declared(scope) > self._max_bytes:
            await self._refuse(send)
            return
        left, is_refused = self._max_bytes, False

        async def bounded() -> Message:
            nonlocal left, is_refused
            message = GONE if is_refused else await receive()
            left -= len(message.get("body", b""))
            is_refused = is_refused or left < 0
            return GONE if is_refused else message

        # Django takes a disconnect in the middle of a body for the end of the request, and answers nothing.
        await self._application(scope, bounded, send)
        if is_refused:
            await self._refuse(send)

    async def _refuse(self, send: Send) -> None:
        message = f"a request's body has at most {self._max_bytes} bytes"
        body = codec.encode_json(error_body(ErrorCode.FRAME_TOO_LARGE, message, {"limit": self._max_bytes})).encode()
        headers = [(b"content-type", b"application/json"), (b"connection", b"close")]
        headers.append((b"content-length", str(len(body)).encode()))
        status = HTTPStatus.REQUEST_ENTITY_TOO_LARGE
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})


def _declared(scope: Any) -> int:
    """Return what the header ``Content-Length`` says, 0 where it says nothing; its form is the server's business."""
    lengths = [value for name, value in scope["headers"] if name == b"content-length"]
    return int(lengths[0]) if lengths and lengths[0].isdigit() and len(lengths[0]) < 20 else 0  # noqa: PLR2004 - 64 bits
