"""Which bridge a command talks to, as which service, and whom it trusts."""

import ssl
from argparse import ArgumentParser
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from django.conf import settings
from django.core.management.base import CommandError

from bridge.addresses import bridge_address, socket_address, trusting
from ipc.django_app.conf import conf
from ipc.protocol.services import full_name


@dataclass(frozen=True, slots=True)
class BridgeTarget:
    """A bridge, and the service that a command speaks for."""

    address: str
    ca_file: Path
    service: str

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> "BridgeTarget":
        """Return what the options say, else ``BRIDGE_URL``, else the bridge of the settings on this machine.

        Raises:
            ValueError: the address is none.
            UnknownServiceError: there is no such service.

        """
        url = options["url"] or conf.bridge_url or f"https://localhost:{settings.SERVICE_PORTS['bridge']}"
        address = bridge_address(f"http{url.removeprefix('ws')}" if url.startswith(("ws:", "wss:")) else url)
        ca_file = options["ca_file"] or Path(settings.CERTS_DIR) / "ca-cert.pem"
        return cls(address, ca_file, full_name(options["service"]))

    @property
    def socket_url(self) -> str:
        """Where its sockets are."""
        return socket_address(self.address)

    def http(self, *, timeout_s: float) -> httpx.Client:
        """Return a client for its HTTP API, as an operator of this machine.

        Raises:
            ValueError: the CA file cannot be read.

        """
        verify: ssl.SSLContext | bool = trusting(self.ca_file) if self.address.startswith("https:") else True
        headers = {"X-IPC-Request": "true", "X-IPC-Service": self.service}
        return httpx.Client(base_url=self.address, verify=verify, timeout=timeout_s, trust_env=False, headers=headers)


def add_target_arguments(parser: ArgumentParser) -> None:
    """Declare where the bridge is, whom to trust, and who speaks."""
    parser.add_argument("--url", help="the bridge (BRIDGE_URL, else https://localhost and its port in the settings)")
    parser.add_argument("--ca-file", type=Path, help="the CA of its certificate (CERTS_DIR/ca-cert.pem)")
    parser.add_argument("--service", default="bridge", help="the service to be (bridge)")


def try_again(message: str) -> CommandError:
    """Return what failed and may succeed later, with the exit code that ``sysexits.h`` has for it."""
    return CommandError(message, returncode=75)
