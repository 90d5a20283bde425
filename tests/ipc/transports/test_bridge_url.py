"""What `BRIDGE_URL` may be, and what is said of everything else: never a password."""

import pytest

from ipc.protocol.codes import ErrorCode
from ipc.protocol.errors import ConfigurationError
from ipc.transports.bridge_url import checked_bridge_url


@pytest.mark.parametrize(
    ("url", "checked"),
    [
        ("wss://localhost:3010", "wss://localhost:3010"),
        ("wss://bridge.example.org/", "wss://bridge.example.org"),
        ("ws://127.0.0.1:3010", "ws://127.0.0.1:3010"),
        ("wss://[::1]:3010", "wss://[::1]:3010"),
    ],
)
def test_a_host_and_a_port_are_enough(url: str, checked: str) -> None:
    assert checked_bridge_url(url) == checked


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("wss://localhost:3510/ipc", "BRIDGE_URL has a path (/ipc): write wss://localhost:3510"),
        ("wss://localhost:3510/ipc/pulse/", "BRIDGE_URL has a path (/ipc/pulse): write wss://localhost:3510"),
        ("https://localhost:3510", "BRIDGE_URL begins with https://: write wss://localhost:3510"),
        ("http://localhost:3510/x", "BRIDGE_URL begins with http://: write ws://localhost:3510"),
        ("wss://me:hidden@localhost:1", "BRIDGE_URL has more than a host and a port: write wss://localhost:1"),
        ("wss://localhost:1?token=hidden", "BRIDGE_URL has more than a host and a port: write wss://localhost:1"),
        ("redis://:hidden@localhost/0", "BRIDGE_URL is no address of a bridge (redis://): write wss://host:port"),
        ("localhost:3510", "BRIDGE_URL is no address of a bridge ('localhost:3510'): write wss://host:port"),
        ("wss://", "BRIDGE_URL is no address of a bridge ('wss:'): write wss://host:port"),
        ("nonsense", "BRIDGE_URL is no address of a bridge ('nonsense'): write wss://host:port"),
    ],
)
def test_anything_else_is_refused_with_what_to_write(url: str, said: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        checked_bridge_url(url)
    assert (refused.value.message, refused.value.code) == (said, ErrorCode.INVALID_CONFIGURATION)


@pytest.mark.parametrize("url", ["wss://localhost:99999", "wss://localhost:x", "wss://[::1"])
def test_what_cannot_be_read_is_refused_too(url: str) -> None:
    with pytest.raises(ConfigurationError, match=r"BRIDGE_URL is no address \(.*\): write wss://host:port"):
        checked_bridge_url(url)
