"""The body of a request: bounded, of a type that it says itself, and taken apart with errors that say what is wrong."""

from typing import Any, Final

import msgspec
from django.http import HttpRequest

from ipc.django_app.conf import conf
from ipc.protocol.cloudevents import MediaType
from ipc.protocol.codes import ErrorCode
from ipc.protocol.errors import BadMessageError
from ipc.protocol.traceparent import valid
from ipc.tracing.scope import current_traceparent

JSON: Final = "application/json"


def body_of(request: HttpRequest) -> bytes:
    """Return the body.

    Raises:
        BadMessageError: FRAME_TOO_LARGE.

    """
    limit = conf.limits().frame_bytes
    body: bytes = request.read(limit + 1)
    if len(body) > limit:
        raise BadMessageError(
            f"a request's body has at most {limit} bytes", code=ErrorCode.FRAME_TOO_LARGE, details={"limit": limit}
        )
    return body


def check_json_type(media_type: MediaType, *, accepted: str = JSON) -> None:
    """Refuse a body that does not say that it is JSON in UTF-8.

    Raises:
        BadMessageError: UNSUPPORTED_MEDIA_TYPE, with what is accepted.

    """
    if media_type.name not in accepted.split(", ") or not media_type.is_utf8:
        raise BadMessageError(
            f"the body is {media_type.name[:100] or 'of no type'} {media_type.charset[:20]}".rstrip()
            + f": send {accepted}, in UTF-8, and say so in Content-Type",
            code=ErrorCode.UNSUPPORTED_MEDIA_TYPE,
        )


def decoded(decoder: "msgspec.json.Decoder[Any]", raw: bytes) -> Any:
    """Return JSON as the type of a decoder.

    Raises:
        BadMessageError: INVALID_JSON, or INVALID_MESSAGE with the member that is wrong.

    """
    try:
        return decoder.decode(raw)
    except msgspec.ValidationError as error:
        raise BadMessageError(f"the body is wrong: {error}") from error
    except (msgspec.DecodeError, RecursionError, UnicodeError) as error:
        raise BadMessageError(f"the body is not JSON: {error}", code=ErrorCode.INVALID_JSON) from error


def traceparent_of(given: str | None) -> str | None:
    """Return where in a trace something belongs that a request sends: where it says itself, else to the request."""
    return valid(given) or current_traceparent()
