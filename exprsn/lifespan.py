"""When a service's runtime starts and stops, under every ASGI server.

uvicorn and others send the ASGI lifespan messages. daphne sends none, but its reactor calls when it runs and when it
is about to stop, and waits for what is answered with a Deferred. Both are listened to; a process sees only one.
"""

import asyncio
import logging
import signal
import sys
import threading
from collections.abc import Awaitable, Callable, Coroutine
from types import FrameType
from typing import TYPE_CHECKING, Any, Protocol

from django.core.exceptions import ImproperlyConfigured

if TYPE_CHECKING:
    from twisted.internet.defer import Deferred

logger = logging.getLogger(__name__)

STOP_TIMEOUT_S = 14.0

Message = dict[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
# Every framework types the messages of ASGI its own way.
Application = Callable[[Any, Any, Any], Awaitable[None]]


class Runnable(Protocol):
    """What is started and stopped with the server."""

    async def start(self) -> None:
        """Start in the running event loop."""

    async def drain(self) -> None:
        """Send sessions away, before the server closes their sockets."""

    async def stop(self) -> None:
        """Stop in the same event loop."""


class Lifespan:
    """An ASGI application with a runtime beside it.

    Args:
        application: gets everything but the lifespan messages.
        make_runtime: called once, in the event loop of the server.
        check_server: called before that, with the server's ``receive``, or with None by daphne.
        when_started: called when the runtime has started.

    """

    def __init__(
        self,
        application: Application,
        make_runtime: Callable[[], Runnable],
        *,
        check_server: Callable[[Receive | None], None] = lambda _receive: None,
        when_started: Callable[[], object] | None = None,
    ) -> None:
        self._application = application
        self._check_server = check_server
        self._make_runtime = make_runtime
        self._when_started = when_started
        self._runtime: Runnable | None = None
        self._starting: asyncio.Task[None] | None = None

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Serve a connection, or the lifespan of the server."""
        if scope["type"] == "lifespan":
            await self._serve_lifespan(receive, send)
        else:
            await self._application(scope, receive, send)

    def follow_daphne(self) -> None:
        """Start and stop with daphne's reactor, which runs only under daphne.

        Another server has not imported it, and need not: it is a seventh of what starting takes.
        """
        if "daphne.server" in sys.modules:
            from twisted.internet import reactor

            reactor.callWhenRunning(self._daphne_runs)

    def _daphne_runs(self) -> None:
        from daphne.server import twisted_loop
        from twisted.internet import reactor

        self._check_server(None)
        self._starting = twisted_loop.create_task(self._start())
        self._starting.add_done_callback(_log_failure)
        reactor.addSystemEventTrigger("before", "shutdown", self._daphne_stops)  # type: ignore[arg-type]  # a zope interface has no self

    def _daphne_stops(self) -> "Deferred[None]":
        from daphne.server import twisted_loop
        from twisted.internet.defer import Deferred

        return Deferred.fromFuture(twisted_loop.create_task(self._stop()))

    async def _serve_lifespan(self, receive: Receive, send: Send) -> None:
        await receive()
        try:
            self._check_server(receive)
            await self._start()
        except ImproperlyConfigured as error:
            await send({"type": "lifespan.startup.failed", "message": str(error)})
            return
        except Exception as error:
            logger.exception("the runtime cannot start")
            await send({"type": "lifespan.startup.failed", "message": str(error)})
            return
        self._drain_before_exit()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await self._stop()
        await send({"type": "lifespan.shutdown.complete"})

    def _drain_before_exit(self) -> None:
        """Hear signals before the server does: uvicorn closes its sockets first and says so afterwards.

        The server's own handler is called when the sessions have been sent away, or at once by a second signal.
        """
        if threading.current_thread() is not threading.main_thread():
            return
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            handler = signal.getsignal(number)
            if callable(handler):
                signal.signal(number, _Interception(handler, loop, self._drain))

    async def _drain(self) -> None:
        if self._runtime is not None:
            try:
                await self._runtime.drain()
            except Exception:
                logger.exception("the sessions were not sent away in order")

    async def _start(self) -> None:
        self._runtime = self._make_runtime()
        await self._runtime.start()
        if self._when_started is not None:
            self._when_started()

    async def _stop(self) -> None:
        if self._starting is not None:
            await asyncio.wait([self._starting])
        if self._runtime is None:
            return
        try:
            async with asyncio.timeout(STOP_TIMEOUT_S):
                await self._runtime.stop()
        except TimeoutError:
            # Such as with a Redis that is frozen; what is in the outbox or in another hub's log is not lost.
            logger.warning("the runtime did not stop within %g s and is left as it is", STOP_TIMEOUT_S)
        except Exception:
            logger.exception("the runtime did not stop in order")


class _Interception:
    """A signal handler that drains first; the second signal goes straight to the server's own handler."""

    def __init__(
        self,
        handler: Callable[[int, FrameType | None], Any],
        loop: asyncio.AbstractEventLoop,
        drain: Callable[[], Coroutine[Any, Any, None]],
    ) -> None:
        self._handler = handler
        self._loop = loop
        self._drain = drain
        self._draining: asyncio.Task[None] | None = None

    def __call__(self, number: int, frame: FrameType | None) -> None:
        if self._draining is not None:
            self._handler(number, frame)
        else:
            self._loop.call_soon_threadsafe(self._begin, number)

    def _begin(self, number: int) -> None:
        if self._draining is None:
            self._draining = self._loop.create_task(self._drain())
            self._draining.add_done_callback(lambda _: self._handler(number, None))


def _log_failure(task: "asyncio.Task[None]") -> None:
    if not task.cancelled() and (error := task.exception()) is not None:
        logger.error("the runtime cannot start", exc_info=error)
