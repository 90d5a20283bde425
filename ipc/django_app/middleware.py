"""Middleware: the development bypass, and ``request.ipc``. Both work in synchronous and asynchronous stacks."""

import logging
import threading
from collections.abc import Callable, Mapping
from typing import Any, Final, cast

from asgiref.sync import iscoroutinefunction, markcoroutinefunction
from django.http import HttpRequest

from ipc.django_app.conf import conf, is_loopback
from ipc.django_app.identity import DEV_IDENTITY, Identity
from ipc.django_app.models import OutboxEvent
from ipc.django_app.outbox import outbox_add
from ipc.protocol.ids import new_ulid
from ipc.protocol.routing import Target

logger = logging.getLogger(__name__)

BYPASS_HEADERS: Final = ("X-Broker-Token", "X-IPC-Request")


class BypassCounter:
    """How many requests of this process were let in by the development bypass."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.value = 0

    def add(self) -> None:
        """Count one more, from any thread."""
        with self._lock:
            self.value += 1


bypassed_requests: Final = BypassCounter()


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


def identity_of(request: HttpRequest) -> Identity | None:
    """Return who makes the request, if that is known already."""
    return getattr(request, "ipc_identity", None)


class _PreparingMiddleware:
    """Does something quick to a request before the rest of the stack, which may be of either kind, sees it."""

    sync_capable = True
    async_capable = True

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        self.get_response = get_response
        if iscoroutinefunction(get_response):
            markcoroutinefunction(self)

    def __call__(self, request: HttpRequest) -> Any:
        self.prepare(cast(IPCHttpRequest, request))
        # In an asynchronous stack this is a coroutine, and Django awaits it.
        return self.get_response(request)

    def prepare(self, request: IPCHttpRequest) -> None:
        raise NotImplementedError


class DevBypassMiddleware(_PreparingMiddleware):
    """Gives a request the development identity, if it asks for it, on a development machine and from that machine."""

    def __init__(self, get_response: Callable[[HttpRequest], Any]) -> None:
        super().__init__(get_response)
        if conf.in_development and conf.dev_bypass:
            logger.warning("development bypass is on: %s: true makes a request %s", BYPASS_HEADERS[1], DEV_IDENTITY)

    def prepare(self, request: IPCHttpRequest) -> None:
        """Set ``request.ipc_identity`` and count, where the bypass applies."""
        if not (conf.in_development and conf.dev_bypass and is_loopback(conf.bind_host)):
            return
        if not any(request.headers.get(name, "").strip().lower() == "true" for name in BYPASS_HEADERS):
            return
        # A server started by hand may listen wider than BIND_HOST says.
        if not is_loopback(request.META.get("REMOTE_ADDR") or ""):
            logger.warning("development bypass refused to %s: only for this machine", request.META.get("REMOTE_ADDR"))
            return
        request.ipc_identity = DEV_IDENTITY
        bypassed_requests.add()


class IPCMiddleware(_PreparingMiddleware):
    """Puts ``request.ipc`` on every request."""

    def prepare(self, request: IPCHttpRequest) -> None:
        """Set ``request.ipc``."""
        request.ipc = RequestIPC(request)
