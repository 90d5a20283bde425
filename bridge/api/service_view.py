"""What emitting and calling over HTTP share: a view in the event loop, its bounded body, and errors as JSON."""

from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any, Final

import msgspec
from django.http import HttpRequest, HttpResponse
from django.utils.decorators import method_decorator
from django.views import View
from django.views.decorators.csrf import csrf_exempt

from bridge.api.access import admitted
from bridge.api.authentication import Asker, asker_of
from bridge.api.rate_limits import charge, show_budget
from bridge.api.refusals import count_refusal
from bridge.api.speakers import PARAMETER, speaker_of
from ipc.django_app.conf import conf
from ipc.django_app.http import challenge, error_body, retry_after
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


async def answered(
    request: HttpRequest, work: Callable[[Hub, Asker], Awaitable[HttpResponse]], *, is_charged: bool = True
) -> HttpResponse:
    """Find out who asks, let in whoever may, do the work, and answer; what is wrong is answered with its code.

    Args:
        request: what is asked.
        work: does it.
        is_charged: whether it is one message of the service that asks; else the work counts by itself.

    """
    try:
        asker = await _let_in(request)
        hub = running_hub()
        if is_charged and asker.token is not None:
            await charge(request, hub, asker.token)
        response = await work(hub, asker)
    except IPCError as error:
        response = refusal(error)
    show_budget(request, response)
    return response


async def _let_in(request: HttpRequest) -> Asker:
    asker = await asker_of(request)
    try:
        return admitted(request, asker)
    except IPCError as error:
        await count_refusal(asker, error)
        raise


# A session needs its CSRF token all the same: `RequestIdentityAuthentication` asks for it.
@method_decorator(csrf_exempt, name="dispatch")
class LoopView(View):
    """A view in the event loop; Django cancels a request when its client goes away."""

    async def http_method_not_allowed(  # type: ignore[override]  # the dispatch of an asynchronous view is awaited
        self, request: HttpRequest, *_args: Any, **_kwargs: Any
    ) -> HttpResponse:
        """Answer 405 as everything else here, with what there is."""
        allowed = ", ".join(name.upper() for name in self.http_method_names if hasattr(self, name))
        error = IPCError(f"there is no {request.method} here, only {allowed}", code=ErrorCode.METHOD_NOT_ALLOWED)
        response = refusal(error)
        response["Allow"] = allowed
        return response


class ServiceView(LoopView):
    """A request in the name of a service."""

    http_method_names = ["post"]
    parameters = frozenset({PARAMETER})

    async def post(self, request: HttpRequest) -> HttpResponse:
        """Find out who speaks, do it, and answer."""

        async def work(hub: Hub, asker: Asker) -> HttpResponse:
            return await self.carry_out(hub, await speaker_of(asker, request, self.parameters), request)

        return await answered(request, work, is_charged=False)

    async def carry_out(self, hub: Hub, speaker: Identity, request: HttpRequest) -> HttpResponse:
        """Do what the request asks.

        Raises:
            IPCError: which becomes the answer.

        """
        raise NotImplementedError

    get = post


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
    return HttpResponse(
        text.encode(),
        status=status,
        content_type=JSON,
        headers={"Cache-Control": "no-store", **challenge(status), **headers},
    )
