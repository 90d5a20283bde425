"""Frames: one or more JSON objects separated by newlines, to messages and back.

An event's ``data`` stays raw bytes, but it is checked once on its way in (`checked_json`): what the hub has accepted
can be joined into frames and read by every subscriber.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Final, get_args

import msgspec

from ipc.protocol.codes import ErrorCode
from ipc.protocol.errors import BadMessageError, IPCError
from ipc.protocol.limits import Limits
from ipc.protocol.messages import AnyClientMessage, AnyServerMessage, Error

_encoder: Final = msgspec.json.Encoder()
_client: Final[msgspec.json.Decoder[AnyClientMessage]] = msgspec.json.Decoder(AnyClientMessage)
_server: Final[msgspec.json.Decoder[AnyServerMessage]] = msgspec.json.Decoder(AnyServerMessage)
_objects: Final = msgspec.json.Decoder(msgspec.Raw)


class _Head(msgspec.Struct):
    """What of a wrong message can still be told apart; each member may be wrong by itself."""

    type: Any = None
    id: Any = None


_head: Final = msgspec.json.Decoder(_Head)


class FrameError(BadMessageError):
    """A frame that cannot be taken apart, after which the socket is closed."""


@dataclass(frozen=True, slots=True)
class Refused:
    """A message of a good frame that is wrong by itself."""

    id: str | None
    error: IPCError
    type: str = ""


def encode(message: msgspec.Struct) -> str:
    """Return the JSON of one message, without a newline."""
    return _encoder.encode(message).decode()


def utf8_size(text: str) -> int:
    """Return how many bytes a text has in UTF-8; for ASCII, which CPython knows of, that is its length."""
    return len(text) if text.isascii() else len(text.encode())


def sendable(text: str) -> str:
    """Return a text that can be sent: what an exception says may have lone surrogates, which have no UTF-8 form."""
    return text.encode(errors="backslashreplace").decode()


def encode_json(value: object) -> str:
    """Return the JSON of any value.

    Raises:
        BadMessageError: INVALID_DATA, the value has no JSON form.

    """
    try:
        return _encoder.encode(value).decode()
    except (TypeError, ValueError, RecursionError, UnicodeEncodeError) as error:
        raise BadMessageError(f"the value has no JSON form: {error}", code=ErrorCode.INVALID_DATA) from error


def encode_error(error: IPCError, request_id: str | None = None) -> str:
    """Return the JSON of the ``error`` message that tells a peer of an exception."""
    return encode(
        Error(
            id=request_id,
            code=error.code,
            message=error.message,
            retryable=error.retryable,
            retry_after_ms=msgspec.UNSET if error.retry_after_ms is None else error.retry_after_ms,
            details=dict(error.details) if error.details else msgspec.UNSET,
        )
    )


def decode_client_frame(frame: str | bytes, limits: Limits) -> list[AnyClientMessage | Refused]:
    """Take a client's frame apart; a message that is wrong by itself becomes a `Refused` in its place.

    Raises:
        FrameError: FRAME_TOO_LARGE (bytes or messages), or INVALID_JSON: no boundary between its messages can be
            trusted any more.

    """
    try:
        _check_size(frame, limits)
        messages = _decode(frame, limits)
    except _NO_FRAME as error:
        raise _not_json(error) from error
    _check_count(len(messages), limits)
    if not messages:
        raise FrameError("the frame is empty", code=ErrorCode.INVALID_JSON)
    return messages


# Whatever is wrong with a frame as a whole: its syntax, its depth, or that its text is no UTF-8.
_NO_FRAME: Final = (msgspec.DecodeError, RecursionError, UnicodeError)


def _not_json(error: Exception) -> FrameError:
    return FrameError(f"the frame is not JSON: {error}", code=ErrorCode.INVALID_JSON)


def _decode(frame: str | bytes, limits: Limits) -> list[AnyClientMessage | Refused]:
    try:
        return [*_client.decode_lines(frame)]
    except msgspec.ValidationError:
        objects = _objects.decode_lines(frame)
        # Before the costly way: taking a frame of a third of a million wrong messages apart took two seconds.
        _check_count(len(objects), limits)
        return [_decode_one(raw) for raw in objects]


def _check_size(frame: str | bytes, limits: Limits) -> None:
    size = len(frame)
    # A code point has at most four bytes in UTF-8 (RFC 3629), so only long text has to be encoded to be measured.
    if size > limits.frame_bytes or (
        isinstance(frame, str) and size * 4 > limits.frame_bytes and len(frame.encode()) > limits.frame_bytes
    ):
        raise frame_too_large(limits)


def frame_too_large(limits: Limits) -> FrameError:
    """Return the error for a frame that has more bytes than it may."""
    return FrameError(
        f"a frame has at most {limits.frame_bytes} bytes",
        code=ErrorCode.FRAME_TOO_LARGE,
        details={"limit": limits.frame_bytes},
    )


def _check_count(count: int, limits: Limits) -> None:
    if count > limits.messages_per_frame:
        raise FrameError(
            f"a frame has at most {limits.messages_per_frame} messages, this one has {count}",
            code=ErrorCode.FRAME_TOO_LARGE,
            details={"limit": limits.messages_per_frame},
        )


def _decode_one(raw: msgspec.Raw) -> AnyClientMessage | Refused:
    try:
        return _client.decode(raw)
    except (msgspec.DecodeError, RecursionError) as error:
        wrong = str(error)
    try:
        head = _head.decode(raw)
    except (msgspec.DecodeError, RecursionError):
        if not bytes(raw).lstrip().startswith(b"{"):
            raise FrameError("a message is a JSON object", code=ErrorCode.INVALID_JSON) from None
        head = _Head()
    request_id = head.id if isinstance(head.id, str) and 0 < len(head.id) <= 64 else None  # noqa: PLR2004 - RequestId
    if not isinstance(head.type, str) or head.type in _CLIENT_TYPES:
        return Refused(
            request_id,
            BadMessageError(f"{head.type if isinstance(head.type, str) else 'message'}: {wrong}"),
            head.type if isinstance(head.type, str) else "",
        )
    return Refused(
        request_id,
        BadMessageError(
            f"there is no message type {head.type[:64]!r}; known are {', '.join(_CLIENT_TYPES)}",
            code=ErrorCode.UNKNOWN_TYPE,
        ),
    )


_CLIENT_TYPES: Final = tuple(sorted(str(message.__struct_config__.tag) for message in get_args(AnyClientMessage)))


def decode_server_frame(frame: str | bytes) -> list[AnyServerMessage]:
    """Take a frame from the bridge apart; messages of a type that this version does not know are left out.

    Raises:
        FrameError: INVALID_JSON, the frame is not what a bridge sends.

    """
    try:
        return _server.decode_lines(frame)
    except msgspec.ValidationError:
        return _decode_known(frame)
    except _NO_FRAME as error:
        raise _not_json(error) from error


def _decode_known(frame: str | bytes) -> list[AnyServerMessage]:
    try:
        known = [_decode_server(raw) for raw in _objects.decode_lines(frame)]
    except _NO_FRAME as error:
        raise _not_json(error) from error
    return [message for message in known if message is not None]


def _decode_server(raw: msgspec.Raw) -> AnyServerMessage | None:
    try:
        return _server.decode(raw)
    except msgspec.ValidationError:
        return None


def checked_json(raw: bytes, limits: Limits, *, name: str = "data") -> str:
    """Return JSON that was read raw, as one line that every reader accepts.

    Reading raw only finds where a value ends; here escapes, control characters, number ranges and depth are checked
    too, so that nobody can send what would break another session's frame.

    Raises:
        BadMessageError: DATA_TOO_LARGE, or INVALID_DATA with what is wrong.

    """
    if len(raw) > limits.data_bytes:
        raise BadMessageError(
            f"{name} has at most {limits.data_bytes} bytes, this has {len(raw)}",
            code=ErrorCode.DATA_TOO_LARGE,
            details={"limit": limits.data_bytes},
        )
    try:
        value = msgspec.json.decode(raw)
        if raw.count(b"[") + raw.count(b"{") > limits.data_depth and _is_deeper(value, limits.data_depth):
            raise BadMessageError(
                f"{name} is nested at most {limits.data_depth} deep",
                code=ErrorCode.INVALID_DATA,
                details={"limit": limits.data_depth},
            )
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        raise BadMessageError(f"{name} is not JSON: {error}", code=ErrorCode.INVALID_DATA) from error
    one_line = msgspec.json.format(raw, indent=-1) if b"\n" in raw or b"\r" in raw else raw
    return one_line.decode()


def _is_deeper(value: Any, depth: int) -> bool:
    level = _containers([value])
    for _ in range(depth):
        level = _containers(child for node in level for child in (node.values() if isinstance(node, dict) else node))
        if not level:
            return False
    return bool(level)


def _containers(values: Iterable[Any]) -> list[Any]:
    return [value for value in values if isinstance(value, dict | list)]
