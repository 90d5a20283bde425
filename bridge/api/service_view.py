"""What emitting and calling over HTTP share: a view in the event loop, its bounded body, and errors as JSON."""

from http import HTTPStatus
from typing import Any, Final

import msgspec
from django.http import HttpRequest, HttpResponse
from django.utils.decorators import method_decorator
from django.views import View
from django.views.decorators.csrf import csrf_exempt

from bridge.api.speakers import PARAMETER, speaker_of
from ipc.django_app.conf import conf
from ipc.django_app.http import error_body, retry_after
from ipc.django_app.runtime import running_hub
from ipc.hub.hub import Hub
from ipc.hub.session import Identity
from ipc.protocol import codec
from ipc.protocol.cloudevents import MediaType
from ipc.protocol.codes import ErrorCode
from ipc.protocol.errors import BadMessageError, IPCError
from ipc.protocol.traceparent import valid
from ipc.tracing.scope import current_traceparent

JSON: Final = "application/json"


# A session needs its CSRF token all the same: `RequestIdentityAuthentication` asks for it.
@method_decorator(csrf_exempt, name="dispatch")
class ServiceView(View):
    """A request in the name of a service; Django cancels it when its client goes away."""

    verb = "POST"
    parameters = frozenset({PARAMETER})

    async def post(self, request: HttpRequest) -> HttpResponse:
        """Find out who speaks, do it, and answer; what is wrong is answered with its code."""
        try:
            self._check_method(request)
            speaker = await speaker_of(request, self.parameters)
            return await self.carry_out(running_hub(), speaker, request)
        except IPCError as error:
            response = refusal(error)
            if error.code is ErrorCode.METHOD_NOT_ALLOWED:
                response["Allow"] = f"{self.verb}, OPTIONS"
            return response

    async def carry_out(self, hub: Hub, speaker: Identity, request: HttpRequest) -> HttpResponse:
        """Do what the request asks.

        Raises:
            IPCError: which becomes the answer.

        """
        raise NotImplementedError

    def _check_method(self, request: HttpRequest) -> None:
        if request.method != self.verb:
            only = f"there is no {request.method} here, only {self.verb}"
            raise IPCError(only, code=ErrorCode.METHOD_NOT_ALLOWED)

    get = put = patch = delete = post


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


def success(data: str) -> HttpResponse:
    """Answer 200 with JSON that is encoded already."""
    return json_answer(f'{{"success":true,"data":{data}}}', HTTPStatus.OK, {})


def refusal(error: IPCError) -> HttpResponse:
    """Answer with an error."""
    body = error_body(error.code, error.message, dict(error.details) if error.details else None)
    return json_answer(codec.encode_json(body), error.code.http_status, retry_after(error.retry_after_ms))


def json_answer(text: str, status: int, headers: dict[str, str]) -> HttpResponse:
    """Answer with JSON that nobody keeps."""
    if status == HTTPStatus.UNAUTHORIZED:
        headers = {**headers, "WWW-Authenticate": 'Bearer realm="exprsn"'}
    return HttpResponse(
        text.encode(), status=status, content_type=JSON, headers={"Cache-Control": "no-store", **headers}
    )
