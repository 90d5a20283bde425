"""The redirect's answers to good and bad requests."""

from typing import Any

import pytest
from twisted.internet.testing import StringTransport

from certs.redirect import RedirectFactory, Target, answer

TARGET = Target(3004, ["localhost", ".example.org", "[::1]"])


def ask(line: str, *fields: str, target: Target = TARGET) -> list[str]:
    return answer("\r\n".join([line, *fields]).encode("latin-1"), target).decode().split("\r\n")


@pytest.mark.parametrize(
    ("host", "location"),
    [
        ("localhost", "https://localhost:3004/a?b=c"),
        ("localhost:3003", "https://localhost:3004/a?b=c"),
        ("TIMELINE.example.org", "https://timeline.example.org:3004/a?b=c"),
        ("[::1]:3003", "https://[::1]:3004/a?b=c"),
    ],
)
def test_the_same_host_and_path_on_the_https_port(host: str, location: str) -> None:
    """301, with the path and the query as they came."""
    response = ask("GET /a?b=c HTTP/1.1", f"Host: {host}")
    assert response[0] == "HTTP/1.1 301 Moved Permanently"
    assert response[1] == f"Location: {location}"


def test_the_standard_port_is_left_out() -> None:
    """https means 443."""
    response = ask("GET / HTTP/1.1", "Host: localhost", target=Target(443, ["localhost"]))
    assert response[1] == "Location: https://localhost/"


@pytest.mark.parametrize("path", ["//evil.org/", "/@evil.org", "/\\evil.org"])
def test_a_path_never_changes_the_host(path: str) -> None:
    """What looks like another host is still behind our own."""
    assert ask(f"GET {path} HTTP/1.1", "Host: localhost")[1] == f"Location: https://localhost:3004{path}"


@pytest.mark.parametrize(
    "host",
    ["evil.org", "", "localhost.evil.org", "localhost@evil.org", "localhost/evil", "[::2]", "a b", "localhost:x"],
)
def test_a_host_that_is_not_ours_gets_no_redirect(host: str) -> None:
    """Neither a stranger's name nor what is no host name at all."""
    response = ask("GET / HTTP/1.1", f"Host: {host}")
    assert response[0] == "HTTP/1.1 400 Bad Request"
    assert "Location" not in "".join(response)


@pytest.mark.parametrize("fields", [[], ["Host: localhost", "Host: localhost"], ["Host: localhost", "hOST: evil.org"]])
def test_exactly_one_host_is_required(fields: list[str]) -> None:
    """RFC 9112, 3.2."""
    assert ask("GET / HTTP/1.1", *fields)[0] == "HTTP/1.1 400 Bad Request"


@pytest.mark.parametrize(
    "line",
    [
        "",
        "GET /",
        "GET / HTTP/2",
        "GET http://localhost/ HTTP/1.1",
        "OPTIONS * HTTP/1.1",
        "GET /ä HTTP/1.1",
        "\x16\x03",
    ],
)
def test_what_is_no_request_for_a_path_is_refused(line: str) -> None:
    """Among it a client that speaks TLS to the plain port."""
    assert ask(line, "Host: localhost")[0] == "HTTP/1.1 400 Bad Request"


def connect() -> tuple[Any, Any]:
    """Return a connected `RedirectProtocol` and Twisted's transport in memory, which has no types."""
    protocol: Any = RedirectFactory(TARGET).buildProtocol(None)
    transport: Any = StringTransport()  # type: ignore[no-untyped-call]  # Twisted's
    protocol.makeConnection(transport)
    return protocol, transport


def test_a_head_may_come_in_pieces() -> None:
    """The answer waits for the empty line, and then the connection closes."""
    protocol, transport = connect()
    protocol.dataReceived(b"GET / HTTP/1.1\r\nHost: local")
    assert transport.value() == b""
    protocol.dataReceived(b"host\r\n\r\nbody that nobody reads")
    assert transport.value().startswith(b"HTTP/1.1 301 ")
    assert transport.disconnecting
    protocol.connectionLost()


def test_an_endless_head_is_refused_at_eight_kilobytes() -> None:
    """A client cannot fill the memory."""
    protocol, transport = connect()
    protocol.dataReceived(b"GET / HTTP/1.1\r\nX: " + b"x" * 8192)
    assert transport.value().startswith(b"HTTP/1.1 431 ")
    assert transport.disconnecting
    protocol.connectionLost()


def test_a_slow_client_is_dropped() -> None:
    """When its time is over the connection is cut, whatever it still wants to send."""
    protocol, transport = connect()
    assert protocol.timeOut == 5
    protocol.timeoutConnection()
    assert transport.disconnected
    protocol.connectionLost()
