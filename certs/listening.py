"""daphne on the ports and with the TLS that are given to it, and a shutdown that lets applications finish."""

import asyncio
import errno
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Final

# daphne installs the asyncio reactor, so it is imported before Twisted's.
from daphne.server import Server  # isort: skip
from twisted.internet import reactor as _installed_reactor
from twisted.internet.defer import Deferred
from twisted.internet.error import CannotListenError

from certs.backpressure import Writability
from certs.redirect import RedirectFactory, Target
from certs.requests import BoundedFactory

# Its type is that of no one reactor: the module turns into the one that was installed.
_reactor: Any = _installed_reactor
_DRAIN_S: Final = 11.0
_BACKLOG: Final = 1024
MAX_BODY: Final = 2 * 1024 * 1024
_CANCEL_S: Final = 1.0
# A socket whose client is gone: its application has this long to notice.
_CLOSE_S: Final = 5
# As uvicorn has it, and the second that autobahn may leave out.
_FAREWELL_S: Final = 11
_REASONS: Final = {
    errno.EADDRINUSE: "it is taken by another program; stop that one, or give another port",
    errno.EACCES: "this user may not open it; ports below 1024 are the system's",
    errno.EADDRNOTAVAIL: "this machine has no such address",
}


OnListening = Callable[[int, int | None], None]


class ListenError(Exception):
    """A port cannot be opened: the text says which and why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ports:
    """Where to listen; port 0 lets the system choose. ``tls`` None is plain, ``redirect_port`` None is no redirect."""

    host: str
    port: int
    tls: object | None = None
    redirect_port: int | None = None
    allowed_hosts: Sequence[str] = ()


class DaphneServer(Server):  # type: ignore[misc]  # daphne has no types
    """daphne, listening where `Ports` says.

    daphne's own endpoints are strings, which can neither set a minimum TLS version nor carry a loaded certificate.
    """

    def __init__(
        self,
        application: Any,
        ports: Ports,
        *,
        on_listening: OnListening | None = None,
        max_body_bytes: int = MAX_BODY,
        **options: Any,
    ) -> None:
        """Take the application; ``on_listening`` hears the port and the redirect's port.

        Of a body that is larger than ``max_body_bytes`` the application gets a byte more than that, or none at all.
        """
        options = {"application_close_timeout": _CLOSE_S, "server_name": "", **options}
        # It refuses to be made without endpoints; it is given its ports when everything else is ready.
        super().__init__(application, endpoints=["unused"], ready_callable=self._listen, **options)
        self.endpoints: list[str] = []
        self._ports = ports
        self._on_listening = on_listening
        self._max_body_bytes = max_body_bytes
        self._open: list[Any] = []
        self._stopping = False

    def request_stop(self) -> None:
        """Stop from another thread."""
        _reactor.callFromThread(self._stop_once)

    def kill_all_applications(self) -> Deferred[None]:
        """Let applications finish for 5 s, then cancel them; daphne, which calls this, would cancel at once.

        The application's own drain runs beside this and ends them in its own way.
        """
        return Deferred.fromFuture(asyncio.ensure_future(self._drain()))

    async def handle_reply(self, protocol: Any, message: dict[str, Any]) -> None:
        """Send what an application has to say, a WebSocket's message only when the client takes it."""
        details = self.connections.get(protocol)
        if details is not None and message["type"] == "websocket.send" and not details.get("disconnected"):
            if "writability" not in details:
                details["writability"] = Writability(protocol.transport)
            await details["writability"].wait()
        await super().handle_reply(protocol, message)

    def _stop_once(self) -> None:
        if _reactor.running and not self._stopping:
            self.stop()

    def _listen(self) -> None:
        # A client whose frame is too large is told 1009; by default autobahn cuts the connection without a word.
        # And its timers end at the whole second before: of the one second that clients had to answer a close, up to
        # all was missing, and the connection was cut with what was on its way before the close.
        self.ws_factory.setProtocolOptions(failByDrop=False, closeHandshakeTimeout=_FAREWELL_S)
        ports = self._ports
        main = self._open_port(ports.port, BoundedFactory(self, self._max_body_bytes), tls=ports.tls)
        redirect = None
        if ports.redirect_port is not None:
            redirect = self._open_port(ports.redirect_port, RedirectFactory(Target(main, ports.allowed_hosts)))
        if self._on_listening is not None:
            self._on_listening(main, redirect)

    def _open_port(self, port: int, factory: Any, *, tls: object | None = None) -> int:
        where = {"backlog": _BACKLOG, "interface": self._ports.host}
        try:
            if tls is None:
                listening = _reactor.listenTCP(port, factory, **where)
            else:
                listening = _reactor.listenSSL(port, factory, tls, **where)
        except (CannotListenError, OverflowError) as error:
            cause = getattr(error, "socketError", error)
            number, text = getattr(cause, "errno", None), getattr(cause, "strerror", None)
            reason = _REASONS.get(number or 0, str(text or cause))
            raise ListenError(f"cannot listen on {self._ports.host} port {port}: {reason}") from error
        self._open.append(listening)
        return int(listening.getHost().port)

    async def _drain(self) -> None:
        self._stopping = True
        for listening in self._open:
            listening.stopListening()
        deadline = asyncio.get_running_loop().time() + _DRAIN_S
        while running := self._running():
            left = deadline - asyncio.get_running_loop().time()
            if left <= 0:
                break
            await asyncio.wait(running, timeout=left)
        for task in running:
            task.cancel()
        if running:
            await asyncio.wait(running, timeout=_CANCEL_S)

    def _running(self) -> list["asyncio.Task[None]"]:
        # A connection whose request is not complete has no application yet.
        tasks = [details.get("application_instance") for details in self.connections.values()]
        return [task for task in tasks if task is not None and not task.done()]
