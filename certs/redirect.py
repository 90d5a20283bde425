"""The plain port's only answer: go to HTTPS, 301."""

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

from django.http.request import split_domain_port, validate_host
from twisted.internet.interfaces import IAddress
from twisted.internet.protocol import Factory, Protocol, connectionDone
from twisted.protocols.policies import TimeoutMixin
from twisted.python.failure import Failure

_LARGEST_HEAD: Final = 8 * 1024
_TIMEOUT_S: Final = 5
_HTTPS_PORT: Final = 443
_END_OF_HEAD: Final = re.compile(rb"\r?\n\r?\n")
_REQUEST_LINE: Final = re.compile(r"[A-Z]{1,16} (/[\x21-\x7e]*) HTTP/1\.[01]")


@dataclass(frozen=True, slots=True)
class Target:
    """Where to: the HTTPS port, for the hosts of ``ALLOWED_HOSTS``."""

    https_port: int
    allowed_hosts: Sequence[str]


def answer(head: bytes, target: Target) -> bytes:
    """Return the response to a request's head: 301 to the same host and path on the HTTPS port, or 400.

    The host is the request's own, so one that is not allowed gets no redirect: a cache could hand it to others.
    """
    request_line, *fields = re.split(r"\r?\n", head.decode("latin-1"))
    matched = _REQUEST_LINE.fullmatch(request_line)
    hosts = [value.strip() for name, _, value in (field.partition(":") for field in fields) if name.lower() == "host"]
    # RFC 9112, 3.2: no Host, or more than one, is a 400.
    if matched is None or len(hosts) != 1:
        return _response("400 Bad Request")
    domain, _ = split_domain_port(hosts[0])
    if not domain or not validate_host(domain, target.allowed_hosts):
        return _response("400 Bad Request")
    port = "" if target.https_port == _HTTPS_PORT else f":{target.https_port}"
    return _response("301 Moved Permanently", f"Location: https://{domain}{port}{matched[1]}\r\n")


def _response(status: str, fields: str = "") -> bytes:
    return f"HTTP/1.1 {status}\r\n{fields}Content-Length: 0\r\nConnection: close\r\n\r\n".encode("latin-1")


class RedirectProtocol(Protocol, TimeoutMixin):
    """One connection: reads a head of at most 8 KiB in at most 5 s, answers, closes."""

    transport: Any  # a TCP connection's, which Twisted types as any transport or none

    def __init__(self, target: Target) -> None:
        self._target = target
        self._received = b""

    def connectionMade(self) -> None:  # noqa: N802 - Twisted's name
        """Start the clock."""
        self.setTimeout(_TIMEOUT_S)  # type: ignore[no-untyped-call]  # Twisted's

    def dataReceived(self, data: bytes) -> None:  # noqa: N802 - Twisted's name
        """Answer once the head is complete."""
        self._received += data
        end = _END_OF_HEAD.search(self._received)
        if end is not None and end.start() <= _LARGEST_HEAD:
            self._finish(answer(self._received[: end.start()], self._target))
        elif len(self._received) > _LARGEST_HEAD:
            self._finish(_response("431 Request Header Fields Too Large"))

    def timeoutConnection(self) -> None:  # noqa: N802 - Twisted's name
        """Drop a client that is too slow to send, or to take its answer."""
        self.transport.abortConnection()

    def connectionLost(self, _reason: Failure = connectionDone) -> None:  # noqa: N802 - Twisted's name
        """Stop the clock."""
        self.setTimeout(None)  # type: ignore[no-untyped-call]  # Twisted's

    def _finish(self, response: bytes) -> None:
        self._received = b""
        self.transport.write(response)
        self.transport.loseConnection()


class RedirectFactory(Factory):
    """Makes a `RedirectProtocol` for each connection."""

    noisy = False

    def __init__(self, target: Target) -> None:
        self._target = target

    def buildProtocol(self, _addr: IAddress | None) -> RedirectProtocol:  # noqa: N802 - Twisted's name
        """Make one."""
        return RedirectProtocol(self._target)
