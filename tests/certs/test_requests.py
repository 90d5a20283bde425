"""Requests under daphne: bounded in size and time before the application hears of them, and whole when it does."""

import queue
from collections.abc import Iterator
from typing import Any

import pytest
from twisted.internet.error import ConnectionDone
from twisted.internet.task import Clock
from twisted.internet.testing import StringTransport
from twisted.python.failure import Failure

from certs.requests import BODY_TIMEOUT_S, FAREWELL_S, HEAD_TIMEOUT_S, BoundedChannel, BoundedFactory

LIMIT = 1_000
HEAD = b"POST / HTTP/1.1\r\nHost: x\r\n"
CHUNKED = HEAD + b"Transfer-Encoding: chunked\r\n\r\n"


class Transport(StringTransport):
    """A connection that ends only by force, as that of a client that does not answer the end of TLS."""

    is_cut = False

    @property
    def text(self) -> bytes:
        """What has been written to it."""
        return bytes(self.value())  # type: ignore[no-untyped-call]  # Twisted's

    def loseConnection(self) -> None:  # noqa: N802 - Twisted's name
        self.disconnecting = True

    def abortConnection(self) -> None:  # noqa: N802 - Twisted's name
        self.is_cut = True


class Server:
    """What daphne's requests want of their server, and what they have handed over."""

    proxy_forwarded_address_header = None
    root_path = server_name = ""
    request_buffer_size = 8_192

    def __init__(self) -> None:
        self.requests: list[tuple[Any, queue.SimpleQueue[dict[str, Any]]]] = []

    def protocol_connected(self, _protocol: Any) -> None: ...

    def protocol_disconnected(self, _protocol: Any) -> None: ...

    def log_action(self, *_: Any) -> None: ...

    def create_application(self, protocol: Any, _scope: Any) -> "queue.SimpleQueue[dict[str, Any]]":
        self.requests.append((protocol, queue.SimpleQueue()))
        return self.requests[-1][1]

    def bodies(self) -> list[bytes]:
        """Return the body of each request, as the application has it."""
        return [b"".join(each["body"] for each in taken(messages)) for _, messages in self.requests]

    def answer(self) -> None:
        """Answer the last request."""
        protocol, _ = self.requests[-1]
        protocol.handle_reply({"type": "http.response.start", "status": 200, "headers": [(b"Content-Length", b"0")]})
        protocol.handle_reply({"type": "http.response.body", "body": b""})


def taken(messages: "queue.SimpleQueue[dict[str, Any]]") -> list[dict[str, Any]]:
    found = []
    while not messages.empty():
        message = messages.get()
        if message["type"] == "http.request":
            found.append(message)
    return found


class Connection:
    """A connection to a server, with a clock of its own."""

    def __init__(self) -> None:
        self.clock, self.server = Clock(), Server()
        self.wire = Transport()  # type: ignore[no-untyped-call]  # Twisted's
        factory = BoundedFactory(self.server, LIMIT)
        factory.reactor = self.clock
        self.channel: BoundedChannel = factory.buildProtocol(None)
        self.channel.makeConnection(self.wire)

    def says(self, data: bytes) -> None:
        self.channel.dataReceived(data)

    def ends(self) -> None:
        """End, as far as the client is concerned."""
        self.channel.connectionLost(Failure(ConnectionDone()))  # type: ignore[no-untyped-call]  # Twisted's

    @property
    def status(self) -> bytes:
        """The status of the only answer, none as long as there is none."""
        assert self.wire.text.count(b"HTTP/1.1 ") <= 1
        return self.wire.text[9:12]


@pytest.fixture
def connection() -> Iterator[Connection]:
    made = Connection()
    yield made
    made.ends()
    assert made.clock.getDelayedCalls() == []


@pytest.mark.parametrize("size", [0, 1, LIMIT])
def test_a_body_within_the_bound_comes_whole(connection: Connection, size: int) -> None:
    connection.says(HEAD + b"Content-Length: %d\r\n\r\n" % size)
    for _ in range(size):
        connection.says(b"x")
    connection.server.answer()
    connection.says(CHUNKED)
    for _ in range(size):
        connection.says(b"1\r\nx\r\n")
    connection.says(b"0\r\n\r\n")
    assert connection.server.bodies() == [b"x" * size] * 2
    assert not connection.wire.disconnecting


@pytest.mark.parametrize("size", [LIMIT + 1, 10**12, 10**40])
def test_one_that_says_that_it_is_larger_is_not_waited_for(connection: Connection, size: int) -> None:
    """The application sees by the head why there is nothing of it; what comes all the same is no further request."""
    connection.says(HEAD + b"Content-Length: %d\r\n\r\n" % size)
    assert connection.server.bodies() == [b""]
    connection.says(b"GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n" * 10)
    connection.server.answer()
    assert connection.status == b"200"
    assert b"Connection: close" in connection.wire.text
    assert (len(connection.server.requests), connection.wire.disconnecting) == (1, True)


@pytest.mark.parametrize("chunk", [b"1\r\nx\r\n", b"5dc\r\n" + b"x" * 1_500 + b"\r\n", b"1\r\nx\r\n" * 5_000])
def test_one_that_turns_out_larger_is_read_no_further(connection: Connection, chunk: bytes) -> None:
    """The application gets a byte more than there may be, whatever comes after it."""
    connection.says(CHUNKED)
    sent = 0
    while not connection.server.requests:
        connection.says(chunk)
        sent += 1
        assert sent <= LIMIT + 1
    connection.says(chunk + b"no chunk at all\r\n\r\n")
    assert connection.server.bodies() == [b"x" * (LIMIT + 1)]
    connection.server.answer()
    assert (connection.status, connection.wire.disconnecting) == (b"200", True)


@pytest.mark.parametrize("begun", [b"", b"G", HEAD, HEAD + b"X: " + b"y" * 100])
def test_who_does_not_come_to_the_end_of_a_head_is_given_up(connection: Connection, begun: bytes) -> None:
    """Though a byte comes every second."""
    connection.says(begun)
    for _ in range(HEAD_TIMEOUT_S):
        assert connection.status == b""
        connection.clock.advance(1)
        connection.says(b"z")
    assert (connection.status, connection.wire.disconnecting) == (b"408", True)


@pytest.mark.parametrize("head", [CHUNKED, HEAD + b"Content-Length: 999\r\n\r\n"])
def test_who_does_not_come_to_the_end_of_a_body_is_given_up(connection: Connection, head: bytes) -> None:
    connection.says(head)
    for _ in range(BODY_TIMEOUT_S):
        assert connection.status == b""
        connection.says(b"1\r\nx\r\n" if head == CHUNKED else b"x")
        connection.clock.advance(1)
    assert (connection.status, connection.wire.disconnecting) == (b"408", True)
    assert connection.server.requests == []


def test_the_application_has_all_the_time_that_it_wants(connection: Connection) -> None:
    connection.says(HEAD + b"Content-Length: 0\r\n\r\n")
    connection.clock.advance(10_000)
    assert not connection.wire.disconnecting
    connection.server.answer()
    assert connection.status == b"200"


def test_the_next_request_of_a_connection_has_its_own_time(connection: Connection) -> None:
    connection.says(HEAD + b"Content-Length: 0\r\n\r\n")
    connection.server.answer()
    connection.clock.advance(HEAD_TIMEOUT_S + 1)
    connection.wire.clear()  # type: ignore[no-untyped-call]  # Twisted's
    connection.says(b"G")
    connection.clock.advance(HEAD_TIMEOUT_S - 1)
    assert not connection.wire.disconnecting
    connection.clock.advance(1)
    assert (connection.status, connection.wire.disconnecting) == (b"408", True)


def test_what_came_ahead_is_the_next_request(connection: Connection) -> None:
    connection.says((HEAD + b"Content-Length: 1\r\n\r\nx") * 2 + b"GET")
    connection.server.answer()
    connection.server.answer()
    assert connection.server.bodies() == [b"x"] * 2
    connection.clock.advance(HEAD_TIMEOUT_S)
    assert connection.wire.text.endswith(
        b"HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    )


def test_an_endless_line_is_refused(connection: Connection) -> None:
    connection.says(HEAD + b"X: " + b"y" * 20_000)
    assert (connection.status, connection.wire.disconnecting) == (b"400", True)


def test_who_does_not_go_is_cut(connection: Connection) -> None:
    """Also somebody who goes on talking; who has gone is left in peace."""
    connection.says(b"nonsense\r\n")
    assert (connection.status, connection.wire.disconnecting) == (b"400", True)
    for _ in range(FAREWELL_S):
        assert not connection.wire.is_cut
        connection.says(HEAD)
        connection.clock.advance(1)
    assert connection.wire.is_cut
    other = Connection()
    other.says(b"nonsense\r\n")
    other.ends()
    assert other.clock.getDelayedCalls() == []
