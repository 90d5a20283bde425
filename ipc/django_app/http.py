"""Errors as HTTP answers: one shape and the codes of the protocol, for DRF views and for Django's own error pages."""

import logging
import math
from http import HTTPStatus
from typing import Any, Final

from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.db import OperationalError
from django.http import Http404, HttpRequest, HttpResponseBase, JsonResponse
from django.views import csrf, defaults
from rest_framework import exceptions
from rest_framework.response import Response
from rest_framework.views import set_rollback

from ipc.django_app.bypass import is_bypass_on
from ipc.django_app.proof_errors import ProofRefused
from ipc.protocol.codes import ErrorCode
from ipc.protocol.errors import IPCError

logger = logging.getLogger(__name__)

_CODES: Final[dict[type[exceptions.APIException], ErrorCode]] = {
    exceptions.ParseError: ErrorCode.INVALID_JSON,
    exceptions.ValidationError: ErrorCode.INVALID_MESSAGE,
    exceptions.NotAuthenticated: ErrorCode.UNAUTHENTICATED,
    exceptions.AuthenticationFailed: ErrorCode.UNAUTHENTICATED,
    exceptions.PermissionDenied: ErrorCode.FORBIDDEN,
    exceptions.NotFound: ErrorCode.NOT_FOUND,
    exceptions.MethodNotAllowed: ErrorCode.METHOD_NOT_ALLOWED,
    exceptions.NotAcceptable: ErrorCode.NOT_ACCEPTABLE,
    exceptions.UnsupportedMediaType: ErrorCode.UNSUPPORTED_MEDIA_TYPE,
    exceptions.Throttled: ErrorCode.TOO_SLOW,
}
CHALLENGE: Final = 'Bearer realm="exprsn"'
_API_PREFIX: Final = "/api/"


def who_asks() -> str:
    """Return what to say to somebody who shows nothing: which token is taken here, and what else."""
    kind = "broker" if getattr(settings, "EXPRSN_SERVICE", "") == "bridge" else "CA"
    bypass = "; on this development machine the header X-IPC-Request: true does" if is_bypass_on() else ""
    return f"say who asks: show a {kind} token as Authorization: Bearer, or log in to the admin{bypass}"


def error_body(code: ErrorCode, message: str, details: object = None) -> dict[str, Any]:
    """Return the JSON of an error answer; ``details`` is null where there is nothing more to say."""
    return {"success": False, "error": code.value, "message": message, "details": details}


def exception_handler(error: Exception, context: dict[str, Any]) -> Response | None:  # noqa: ARG001 - DRF's signature
    """Turn an exception of a DRF view into its answer; None leaves an unforeseen one to Django's 500."""
    if isinstance(error, Http404):
        error = exceptions.NotFound()
    elif isinstance(error, PermissionDenied):
        error = exceptions.PermissionDenied()
    if isinstance(error, OperationalError):
        logger.error("the database cannot be used: %s", error)
        body = error_body(ErrorCode.UNAVAILABLE, "the database cannot be used right now, try again")
        answer = Response(body, status=503, headers={"Retry-After": "1"})
    elif isinstance(error, IPCError):
        body = error_body(error.code, error.message, dict(error.details) if error.details else None)
        headers = {**challenge(error.code.http_status), **retry_after(error.retry_after_ms)}
        answer = Response(body, status=error.code.http_status, headers=headers)
    elif isinstance(error, exceptions.APIException):
        answer = _answer_to(error)
    else:
        return None
    set_rollback()
    return answer


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    """Answer 400, as JSON below /api/ (``handler400``)."""
    if not _is_api(request):
        return defaults.bad_request(request, exception)
    return JsonResponse(error_body(ErrorCode.INVALID_MESSAGE, "the request cannot be understood"), status=400)


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    """Answer 403, as JSON below /api/ and to scripts of the admin (``handler403``)."""
    if not _is_api(request) and not wants_json(request):
        return defaults.permission_denied(request, exception)
    return JsonResponse(error_body(ErrorCode.FORBIDDEN, "you may not do this"), status=403)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponseBase:
    """Answer 403 to what has no CSRF token, or an old one, as JSON to scripts (``CSRF_FAILURE_VIEW``)."""
    if not wants_json(request):
        return csrf.csrf_failure(request, reason)
    message = f"this page may not do this any more: load it again, and log in if it asks you to ({reason[:100]})"
    return JsonResponse(error_body(ErrorCode.FORBIDDEN, message), status=403)


def not_found(request: HttpRequest, exception: Exception) -> HttpResponseBase:
    """Answer 404, as JSON below /api/ (``handler404``)."""
    if not _is_api(request):
        return defaults.page_not_found(request, exception)
    return JsonResponse(error_body(ErrorCode.NOT_FOUND, f"there is nothing at {request.path[:200]}"), status=404)


def server_error(request: HttpRequest) -> HttpResponseBase:
    """Answer 500, as JSON below /api/ (``handler500``)."""
    if not _is_api(request):
        return defaults.server_error(request)
    return JsonResponse(error_body(ErrorCode.INTERNAL, "something went wrong here; it has been logged"), status=500)


def _answer_to(error: exceptions.APIException) -> Response:
    if isinstance(error, ProofRefused):
        return _answer_to_proof(error)
    code = next(
        (code for kind, code in _CODES.items() if isinstance(error, kind)),
        ErrorCode.INTERNAL if error.status_code >= 500 else ErrorCode.INVALID_MESSAGE,  # noqa: PLR2004 - RFC 9110
    )
    headers: dict[str, str] = {}
    challenge = getattr(error, "auth_header", None)
    if challenge:
        headers["WWW-Authenticate"] = challenge
    wait_s = getattr(error, "wait", None)
    if wait_s:
        headers["Retry-After"] = str(math.ceil(wait_s))
    if isinstance(error, exceptions.ValidationError):
        message, details = _validation_message(error.detail), error.detail
    elif isinstance(error, exceptions.NotAuthenticated):
        message, details = who_asks(), None
    else:
        message, details = str(error.detail), None
    return Response(error_body(code, message, details), status=error.status_code, headers=headers)


def _answer_to_proof(refused: ProofRefused) -> Response:
    error = refused.error
    headers = retry_after(error.retry_after_ms)
    challenge = getattr(refused, "auth_header", None)
    if challenge and refused.status_code == HTTPStatus.UNAUTHORIZED:
        # RFC 6750, section 3.1.
        headers["WWW-Authenticate"] = f'{challenge}, error="invalid_token"'
    return Response(error_body(error.code, error.message), status=refused.status_code, headers=headers)


def _validation_message(detail: object) -> str:
    if isinstance(detail, dict):
        return f"the request is wrong in: {', '.join(str(name) for name in detail)}"
    return "the request is wrong"


def retry_after(retry_after_ms: int | None) -> dict[str, str]:
    """Return the header ``Retry-After``, where there is something to say."""
    # In whole seconds (RFC 9110 section 10.2.3), never sooner than asked.
    return {} if retry_after_ms is None else {"Retry-After": str(math.ceil(retry_after_ms / 1000))}


def challenge(status: int) -> dict[str, str]:
    """Return the header ``WWW-Authenticate``, which a 401 must have (RFC 9110 section 15.5.2)."""
    return {"WWW-Authenticate": CHALLENGE} if status == HTTPStatus.UNAUTHORIZED else {}


def wants_json(request: HttpRequest) -> bool:
    """Tell whether a script asks, which can do nothing with a page."""
    return request.accepts("application/json") and not request.accepts("text/html")


def _is_api(request: HttpRequest) -> bool:
    return request.path.startswith(_API_PREFIX)
