"""Which transport the environment asks for."""

import os
from pathlib import Path

from ipc.protocol.errors import ConfigurationError
from ipc.transports.base import Transport
from ipc.transports.bridge_url import checked_bridge_url
from ipc.transports.tokens import token_source
from ipc.transports.websocket import WebSocketTransport


def transport_from_environment(service: str, *, version: str = "") -> Transport:
    """Return the transport that ``BRIDGE_URL`` or ``REDIS_URL`` names, for a service of a version.

    Raises:
        ConfigurationError: neither is set, or the address is none of a bridge.

    """
    if given := os.environ.get("BRIDGE_URL"):
        bridge_url = checked_bridge_url(given)
        certs_dir = Path(certs) if (certs := os.environ.get("CERTS_DIR")) else None
        ca_file = Path(named) if (named := os.environ.get("IPC_CA_FILE")) else certs_dir and certs_dir / "ca-cert.pem"
        tokens = token_source(
            os.environ.get("IPC_TOKEN", ""), bridge_url, service, certs_dir=certs_dir, ca_file=ca_file
        )
        return WebSocketTransport(
            bridge_url, service, ca_file=ca_file, certs_dir=certs_dir, version=version, tokens=tokens
        )
    if redis_url := os.environ.get("REDIS_URL"):
        # Imported where it is wanted: a hub with its Redis is half of what importing `ipc` would take.
        from ipc.transports.local import MeshTransport

        return MeshTransport(redis_url, service, version=version)
    raise ConfigurationError("set BRIDGE_URL (wss://host:3010) or REDIS_URL (redis://host:6379/0)")
