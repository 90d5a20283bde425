"""Which transport the environment asks for."""

import os
from pathlib import Path

from ipc.protocol.errors import BadMessageError
from ipc.transports.base import Transport
from ipc.transports.local import MeshTransport
from ipc.transports.websocket import WebSocketTransport


def transport_from_environment(service: str, *, version: str = "") -> Transport:
    """Return the transport that ``BRIDGE_URL`` or ``REDIS_URL`` names, for a service of a version.

    Raises:
        BadMessageError: neither is set.

    """
    if bridge_url := os.environ.get("BRIDGE_URL"):
        ca_file = os.environ.get("IPC_CA_FILE")
        if not ca_file and (certs := os.environ.get("CERTS_DIR")):
            ca_file = str(Path(certs) / "ca-cert.pem")
        return WebSocketTransport(bridge_url, service, ca_file=Path(ca_file) if ca_file else None, version=version)
    if redis_url := os.environ.get("REDIS_URL"):
        return MeshTransport(redis_url, service, version=version)
    raise BadMessageError("set BRIDGE_URL (wss://host:3010) or REDIS_URL (redis://host:6379/0)")
