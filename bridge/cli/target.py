"""Which bridge a command talks to, as which service, and whom it trusts."""

import ssl
from argparse import ArgumentParser
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import httpx
import jwt
from django.conf import settings
from django.core.management.base import CommandError

from bridge.addresses import bridge_address, socket_address, trusting
from ipc.django_app.conf import conf
from ipc.protocol.services import full_name
from ipc.transports.tokens import GivenToken
from ipc.transports.trust import LOCALHOST, identity_of

DEFAULT_SERVICE: Final = "bridge"


@dataclass(frozen=True, slots=True)
class BridgeTarget:
    """A bridge, and the service that a command speaks for, with the token that proves it where there is one."""

    address: str
    ca_file: Path
    certs_dir: Path
    service: str
    token: str = field(default="", repr=False)

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> "BridgeTarget":
        """Return what the options say, else ``BRIDGE_URL``, else the bridge of the settings on this machine.

        The token is in ``IPC_TOKEN``, since what is on a command line is shown to all users of a machine.

        Raises:
            ValueError: the address is none, or the token.
            UnknownServiceError: there is no such service.

        """
        url = options["url"] or conf.bridge_url or f"https://localhost:{settings.SERVICE_PORTS['bridge']}"
        address = bridge_address(f"http{url.removeprefix('ws')}" if url.startswith(("ws:", "wss:")) else url)
        certs_dir = Path(settings.CERTS_DIR)
        ca_file = options["ca_file"] or certs_dir / "ca-cert.pem"
        service = options["service"] or (_whose(conf.token) if conf.token else DEFAULT_SERVICE)
        return cls(address, ca_file, certs_dir, full_name(service), conf.token)

    @property
    def tokens(self) -> GivenToken | None:
        """Where a socket has its token from."""
        return GivenToken(self.token) if self.token else None

    @property
    def socket_url(self) -> str:
        """Where its sockets are."""
        return socket_address(self.address)

    def http(self, *, timeout_s: float) -> httpx.Client:
        """Return a client for its HTTP API, by the token, or as an operator of this machine.

        Raises:
            ValueError: the CA file cannot be read.
            IPCError: the certificate of the service cannot be read.

        """
        identity = identity_of(self.certs_dir, self.service, LOCALHOST)
        verify: ssl.SSLContext | bool = trusting(self.ca_file, identity) if self.address.startswith("https:") else True
        who = {"Authorization": f"Bearer {self.token}"} if self.token else {"X-IPC-Request": "true"}
        headers = {**who, "X-IPC-Service": self.service}
        return httpx.Client(base_url=self.address, verify=verify, timeout=timeout_s, trust_env=False, headers=headers)


def _whose(token: str) -> str:
    """Return the service that a token says it is of; the bridge is who checks it."""
    try:
        return str(jwt.decode(token, options={"verify_signature": False})["source"])
    except (jwt.PyJWTError, KeyError) as error:
        raise ValueError("IPC_TOKEN has no broker token") from error


def add_target_arguments(parser: ArgumentParser) -> None:
    """Declare where the bridge is, whom to trust, and who speaks."""
    parser.add_argument("--url", help="the bridge (BRIDGE_URL, else https://localhost and its port in the settings)")
    parser.add_argument("--ca-file", type=Path, help="the CA of its certificate (CERTS_DIR/ca-cert.pem)")
    parser.add_argument("--service", help="the service to be (that of the token in IPC_TOKEN, else bridge)")


def try_again(message: str) -> CommandError:
    """Return what failed and may succeed later, with the exit code that ``sysexits.h`` has for it."""
    return CommandError(message, returncode=75)
