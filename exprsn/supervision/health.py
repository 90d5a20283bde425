"""Asking the running services how they are, over TLS with the project's own authority."""

import logging
import ssl
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import httpx

from certs.names import CA, LOCALHOST
from certs.store import CertificateStore
from certs.tls import client_context
from ipc.django_app.conf import conf
from ipc.protocol.ids import new_ulid
from ipc.protocol.services import full_name
from ipc.protocol.tokens import DEVELOPMENT, Claims

TIMEOUT_S: Final = 2.0
TOKEN_S: Final = 30.0
BRIDGE: Final = full_name("bridge")
# In development this header makes a request the development user's.
IPC_REQUEST: Final[Mapping[str, str]] = {"X-IPC-Request": "true"}

# A line for each of the many questions that are asked until everything is up helps nobody.
logging.getLogger("httpx").setLevel(logging.WARNING)


def https_client(certs_dir: Path, *, timeout_s: float = TIMEOUT_S) -> httpx.AsyncClient:
    """Return a client that trusts the authority in ``certs_dir`` and nobody else, and uses no proxy.

    It shows localhost's certificate to who asks for one.
    """
    store = CertificateStore(certs_dir)
    return httpx.AsyncClient(
        verify=client_context(
            store.certificate_path(CA), shown=(store.certificate_path(LOCALHOST), store.key_path(LOCALHOST))
        ),
        timeout=timeout_s,
        headers=dict(IPC_REQUEST),
        trust_env=False,
    )


async def is_healthy(client: httpx.AsyncClient, url: str) -> bool:
    """Tell whether a service answers ``/health`` with 200."""
    try:
        return (await client.get(f"{url}/health")).status_code == httpx.codes.OK
    except (httpx.HTTPError, ssl.SSLError):
        return False


async def is_attached(client: httpx.AsyncClient, bridge_url: str, service: str, *, since_ms: int) -> bool:
    """Tell whether the bridge counts a service as attached, by a session opened after ``since_ms`` (Unix time).

    An older session is what an earlier run that was killed left in the registry, until it expires there.
    """
    try:
        answer = await client.get(f"{bridge_url}/api/ipc/stats", headers={"Authorization": f"Bearer {_own_token()}"})
        connections = answer.json()["data"]["connections"] if answer.status_code == httpx.codes.OK else []
        return any(_is_new(connection, service, since_ms) for connection in connections)
    except (httpx.HTTPError, ssl.SSLError, ValueError, LookupError, TypeError):
        return False


def _own_token() -> str:
    """Return a token for a question of this moment: the system runs with DEV_BYPASS=false, too."""
    now_s = time.time()
    claims = Claims(id=new_ulid(), source=BRIDGE, target=BRIDGE, iat=now_s, exp=now_s + TOKEN_S, env=DEVELOPMENT)
    return conf.token_keys().sign(claims)


def _is_new(connection: Mapping[str, Any], service: str, since_ms: int) -> bool:
    return bool(connection["service"] == service and connection["connected"] >= since_ms)
