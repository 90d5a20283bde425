"""Middleware: the development bypass, and ``request.ipc``. Both work in synchronous and asynchronous stacks."""

import logging
import time
from collections.abc import Callable, Mapping
from typing import Any, cast

from django.http import HttpRequest

from ipc.django_app.bypass import HEADERS, bypass_status, bypass_uses, is_bypass_on, problem_of
from ipc.django_app.conf import conf
from ipc.django_app.identity import CAToken, Identity, mock_ca_token
from ipc.django_app.models import OutboxEvent
from ipc.django_app.outbox import outbox_add
from ipc.django_app.stacks import EitherStackMiddleware
from ipc.protocol.ids import new_ulid
from ipc.protocol.routing import Target

logger = logging.getLogger(__name__)


class RequestIPC:
    """``request.ipc``: who is asking, and a way to emit that cannot lose the event or wait for the mesh."""

    def __init__(self, request: HttpRequest) -> None:
        self._request = request

    @property
    def identity(self) -> Identity | None:
        """Who is asking, where a middleware or the authentication of DRF found out."""
        return identity_of(self._request)

    def emit(
        self,
        event: str,
        data: Any,
        *,
        key: str | None = None,
        target: Target = None,
        meta: Mapping[str, Any] | None = None,
    ) -> OutboxEvent:
        """Write an event into the outbox, from synchronous code; it leaves when the transaction commits.

        Events of one ``key`` keep their order; one without a key keeps none.

        Raises:
            BadMessageError: see `outbox_add`.

        """
        return outbox_add(event=event, data=data, key=key or new_ulid(), target=target, meta=meta)


class IPCHttpRequest(HttpRequest):
    """What a request looks like behind these middlewares; for type checkers only."""

    ipc: RequestIPC
    ipc_identity: Identity
    ca_token: CAToken


def identity_of(request: HttpRequest) -> Identity | None:
    """Return who makes the request, if that is known already."""
    return getattr(request, "ipc_identity", None)


def ca_token_of(request: HttpRequest) -> CAToken | None:
    """Return the CA token that the request came with, or the mock one of the development bypass."""
    return getattr(request, "ca_token", None)


class _PreparingMiddleware(EitherStackMiddleware):
    """Does something quick to a request before the rest of the stack, which may be of either kind, sees it."""

    def __call__(self, request: HttpRequest) -> Any:
        self.prepare(cast(IPCHttpRequest, request))
        # In an asynchronous stack this is a coroutine, and Django awaits it.
        return self.get_response(request)

    def prepare(self, request: IPCHttpRequest) -> None:
        raise NotImplementedError


class DevBypassMiddleware(_PreparingMiddleware):
    """Gives a request the development identity, if it asks for it, on a development machine and from that machine.

    It comes before all that asks who somebody is.
    """

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        super().__init__(get_response)
        if conf.in_development:
            logger.log(logging.WARNING if is_bypass_on() else logging.INFO, bypass_status())

    def prepare(self, request: IPCHttpRequest) -> None:
        """Set ``request.ipc_identity`` and ``request.ca_token`` and count, where the bypass applies."""
        values = [request.headers[name] for name in HEADERS if name in request.headers]
        if not values or not is_bypass_on():
            return
        peer = request.META.get("REMOTE_ADDR") or ""
        problem = problem_of(peer, request.headers, values)
        if problem is not None:
            logger.warning("development bypass refused to %s: %s", peer or "nobody known", problem)
            return
        request.ca_token = mock_ca_token(time.time())
        request.ipc_identity = request.ca_token.identity
        bypass_uses.add("http", conf.service, by=peer)


class IPCMiddleware(_PreparingMiddleware):
    """Puts ``request.ipc`` on every request."""

    def prepare(self, request: IPCHttpRequest) -> None:
        """Set ``request.ipc``."""
        request.ipc = RequestIPC(request)
