"""Middleware: each HTTP request is a step of a trace, its own or the one that it came with."""

from http import HTTPStatus
from typing import Any, Final, cast

from asgiref.sync import iscoroutinefunction
from django.http import HttpRequest, HttpResponse, HttpResponseBase
from django.utils.log import log_response

from ipc.django_app.stacks import EitherStackMiddleware
from ipc.tracing.scope import Scope
from ipc.tracing.steps import serving

# What only watchers ask for, every few seconds.
UNRECORDED: Final = frozenset({"/health", "/metrics"})
METHODS: Final = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "QUERY", "TRACE", "CONNECT"})


class TraceMiddleware(EitherStackMiddleware):
    """Goes on with the trace of the header ``traceparent``, or begins one.

    It comes first, so that all else is a part of it.
    """

    def __call__(self, request: HttpRequest) -> Any:
        """Answer a request, as a step of its trace."""
        if iscoroutinefunction(self):
            return self._awaited(request)
        with _step_of(request) as step:
            return _described(step, request, self.get_response(request))

    async def _awaited(self, request: HttpRequest) -> HttpResponseBase:
        with _step_of(request) as step:
            return _described(step, request, await self.get_response(request))


def _step_of(request: HttpRequest) -> Scope:
    is_recorded = request.path.rstrip("/") not in UNRECORDED
    return serving(_method(request), request.headers.get("traceparent"), is_recorded=is_recorded)


def _described(step: Scope, request: HttpRequest, response: HttpResponseBase) -> HttpResponseBase:
    match = request.resolver_match
    route = f"/{match.route}" if match is not None else ""
    known: dict[str, str | int] = {
        "http.response.status_code": response.status_code,
        "url.path": request.path,
        "url.scheme": cast(str, request.scheme),
    }
    if route:
        known["http.route"] = route
    if response.status_code >= HTTPStatus.INTERNAL_SERVER_ERROR:
        known["error.type"] = str(response.status_code)
    step.describe(f"{_method(request)} {route}".strip(), known)
    if response.status_code >= HTTPStatus.BAD_REQUEST:
        # Django's own line for it, which it would write only when the request is no longer the work at hand.
        told = cast(HttpResponse, response)  # The stubs leave out streams, which Django itself passes on too.
        log_response("%s: %s", told.reason_phrase, request.path, response=told, request=request)
    return response


def _method(request: HttpRequest) -> str:
    """Return the method, or what the conventions say of one that nobody knows, which a client may make up at will."""
    return request.method if request.method in METHODS else "_OTHER"
