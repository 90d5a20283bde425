"""What the environment says of the mesh: where a worker connects, and whom it trusts."""

import pytest

from ipc.transports.environment import transport_from_environment
from ipc.transports.local import MeshTransport
from ipc.transports.websocket import WebSocketTransport


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"REDIS_URL": "redis://localhost:1/0"}, MeshTransport),
        ({"BRIDGE_URL": "wss://localhost:1"}, WebSocketTransport),
        ({"BRIDGE_URL": "wss://localhost:1", "REDIS_URL": "redis://localhost:1/0"}, WebSocketTransport),
    ],
)
def test_the_environment_says_where_it_connects(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], expected: type
) -> None:
    for name in ("BRIDGE_URL", "REDIS_URL"):
        monkeypatch.setenv(name, variables.get(name, ""))
    assert isinstance(transport_from_environment("exprsn-herald"), expected)


@pytest.mark.parametrize(
    ("variables", "file"),
    [
        ({"IPC_CA_FILE": "/a/ca.pem", "CERTS_DIR": "/b"}, "/a/ca.pem"),
        ({"CERTS_DIR": "/b"}, "/b/ca-cert.pem"),
        ({}, None),
    ],
)
def test_the_environment_says_whom_it_trusts(
    monkeypatch: pytest.MonkeyPatch, variables: dict[str, str], file: str | None
) -> None:
    monkeypatch.setenv("BRIDGE_URL", "wss://localhost:1")
    for name in ("IPC_CA_FILE", "CERTS_DIR"):
        monkeypatch.setenv(name, variables.get(name, ""))
    transport = transport_from_environment("exprsn-herald")
    assert isinstance(transport, WebSocketTransport)
    assert (str(transport._ca_file) if transport._ca_file else None) == file
