"""Answers in JSON that nobody keeps: what was done, or an error with its code."""

from http import HTTPStatus

from django.http import HttpResponse

from bridge.api.bodies import JSON
from ipc.django_app.http import challenge, error_body, retry_after
from ipc.protocol import codec
from ipc.protocol.errors import IPCError


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
