"""``IPC_MTLS`` under daphne and uvicorn as processes: who may talk to the bridge at all, and who starts it unsafely."""

import asyncio
import re
import shutil
import socket
import ssl
import subprocess
from collections.abc import Callable, Iterator
from io import StringIO
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography.x509.oid import ExtendedKeyUsageOID
from django.core.exceptions import ImproperlyConfigured
from django.core.management import CommandError, call_command
from django.test import override_settings
from pytest_django import Settings
from uvicorn import Config
from uvicorn.lifespan.on import LifespanOn

from bridge.check import Outcome, check_bridge
from certs.store import CertificateStore
from certs.tls import client_context
from exprsn.client_certificates import check_client_certificates
from exprsn.embedded import EmbeddedValkey
from exprsn.supervision.banner import banner
from exprsn.supervision.programs import Layout
from ipc.protocol.errors import ConnectionClosedError
from ipc.transports.tokens import token_source
from ipc.transports.websocket import WebSocketTransport
from tests import servers
from tests.bridge.tokens import LOCKED
from tests.certs import companies
from tests.certs.processes import Served
from tests.servers import ROOT, Kind, ServerProcess

processes = pytest.mark.processes
SERVICES = ["bridge", "herald", "localhost"]
# In the bridge's words, or those for a connection that ended without any.
PUT_ONE = "asks for a certificate: put that of the service|if it asks for certificates, put one"
Shown = tuple[Path, Path] | None
MakeShown = Callable[[CertificateStore, Path], Shown]


def certificates(directory: Path) -> CertificateStore:
    with override_settings(CERTS_DIR=directory):
        call_command("gencerts", service=SERVICES, verbosity=0)
    return CertificateStore(directory)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> CertificateStore:
    return certificates(tmp_path_factory.mktemp("mtls"))


@pytest.fixture(scope="module")
def store_elsewhere(tmp_path_factory: pytest.TempPathFactory) -> CertificateStore:
    """Another company, with the same names."""
    return certificates(tmp_path_factory.mktemp("elsewhere"))


@pytest.fixture(scope="module", params=["daphne", "uvicorn"])
def bridge(
    request: pytest.FixtureRequest,
    valkey: EmbeddedValkey,
    store: CertificateStore,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[ServerProcess]:
    """A bridge that asks for certificates, and for tokens too."""
    kind: Kind = request.param
    var_dir = tmp_path_factory.mktemp(f"mtls-{kind}")
    with servers.bridge(kind, valkey.url, store.directory, var_dir, IPC_MTLS="true", **LOCKED) as server:
        yield server


def pair(store: CertificateStore, name: str) -> tuple[Path, Path]:
    return store.certificate_path(name), store.key_path(name)


def made(store: CertificateStore, directory: Path, **options: object) -> tuple[Path, Path]:
    """Have the CA sign a certificate that gencerts would not make."""
    authority = store.read_authority()
    assert authority is not None
    (certificate, *_), key = authority
    assert key is not None
    own, own_key = companies.make("exprsn-herald", issuer=(certificate, key), ca=False, **options)  # type: ignore[arg-type]  # passed on
    return companies.write(directory, own_key, own)


def own(directory: Path) -> tuple[Path, Path]:
    certificate, key = companies.make("exprsn-herald", ca=False)
    return companies.write(directory, key, certificate)


def status(bridge: ServerProcess, shown: Shown, *, version: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3) -> bytes:
    """Return the first line of what the bridge answers to somebody who shows a certificate, or none."""
    context = client_context(bridge.ca_file, shown=shown)
    context.minimum_version = context.maximum_version = version
    with (
        socket.create_connection(("127.0.0.1", bridge.port), timeout=15) as plain,
        context.wrap_socket(plain, server_hostname="localhost") as secured,
    ):
        secured.sendall(b"GET /health HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        return secured.recv(4096).partition(b"\r\n")[0]


INTRUDERS: dict[str, tuple[MakeShown, str]] = {
    "none": (lambda _store, _directory: None, "certificate required"),
    "expired": (lambda store, directory: made(store, directory, days=-1), "certificate expired"),
    "for servers only": (
        lambda store, directory: made(store, directory, purpose=ExtendedKeyUsageOID.SERVER_AUTH),
        "certificate",
    ),
    "its own": (lambda _store, directory: own(directory), "unknown ca"),
}


def refused(bridge: ServerProcess, shown: Shown, words: str, **options: Any) -> bool:
    """Tell whether the bridge says nothing but why TLS ended.

    uvicorn just ends it, and with daphne the reason is lost where the client was still sending (RFC 9293, 3.5.2).
    """
    try:
        return status(bridge, shown, **options) == b""
    except (ssl.SSLEOFError, ConnectionResetError, BrokenPipeError):
        return True
    except ssl.SSLError as error:
        return words in str(error)


@processes
@pytest.mark.parametrize("case", INTRUDERS)
def test_who_has_no_good_certificate_is_refused_by_tls(
    bridge: ServerProcess, store: CertificateStore, tmp_path: Path, case: str
) -> None:
    make, words = INTRUDERS[case]
    assert refused(bridge, make(store, tmp_path), words)


@processes
def test_a_certificate_of_another_ca_is_refused_by_tls(
    bridge: ServerProcess, store_elsewhere: CertificateStore
) -> None:
    assert refused(bridge, pair(store_elsewhere, "exprsn-bridge"), "unknown ca")


@processes
@pytest.mark.parametrize("name", ["exprsn-herald", "exprsn-bridge", "localhost"])
@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3])
def test_a_certificate_of_the_ca_is_let_in(
    bridge: ServerProcess, store: CertificateStore, name: str, version: ssl.TLSVersion
) -> None:
    assert status(bridge, pair(store, name), version=version) == b"HTTP/1.1 200 OK"


@processes
@pytest.mark.skipif(shutil.which("curl") is None, reason="there is no curl here")
def test_what_the_banner_says_to_try_is_let_in(bridge: ServerProcess, store: CertificateStore) -> None:
    layout = Layout(
        root=ROOT,
        certs_dir=store.directory,
        bridge_port=bridge.port,
        timeline_port=1,
        timeline_redirect_port=2,
        redis_url="",
    )
    text = banner(layout, redis="", admin_password=None, asks_for_certificates=True)
    assert "a browser needs a certificate" in text
    tried = [line.split() for line in text.splitlines() if bridge.url in line and "curl" in line]
    assert [command[-1].removeprefix(bridge.url) for command in tried] == ["/health", "/api/ipc/stats"]
    for command in tried:
        done = subprocess.run([*command, "--silent", "--fail"], check=False, timeout=30, capture_output=True)
        assert done.returncode == 0, done.stderr


@processes
def test_tls_1_2_without_a_certificate_is_refused_too(bridge: ServerProcess) -> None:
    assert refused(bridge, None, "handshake failure", version=ssl.TLSVersion.TLSv1_2)


@processes
async def test_a_service_gets_its_token_and_its_socket_with_its_certificate_before_and_after_it_is_renewed(
    bridge: ServerProcess, store: CertificateStore
) -> None:
    """Neither it nor the bridge is started again."""
    certs_dir, ca_file = store.directory, bridge.ca_file
    tokens = token_source("", bridge.ws_url, "herald", certs_dir=certs_dir, ca_file=ca_file)
    transport = WebSocketTransport(bridge.ws_url, "herald", ca_file=ca_file, certs_dir=certs_dir, tokens=tokens)
    old = store.read("exprsn-herald").certificate
    for _ in range(2):
        await transport.connect()
        assert '"welcome"' in await transport.receive()
        await transport.close()
        with override_settings(CERTS_DIR=certs_dir):
            await asyncio.to_thread(call_command, "gencerts", service=["herald"], force=True, stdout=StringIO())
    assert store.read("exprsn-herald").certificate != old


@processes
@pytest.mark.parametrize("has_token", [True, False])
async def test_a_service_without_a_certificate_is_told_what_it_needs(
    bridge: ServerProcess, store_elsewhere: CertificateStore, tmp_path: Path, *, has_token: bool
) -> None:
    """It may try again: the certificate may come."""
    given = token_source("some.token", bridge.ws_url, "herald", certs_dir=tmp_path, ca_file=bridge.ca_file)
    transport = WebSocketTransport(
        bridge.ws_url, "herald", ca_file=bridge.ca_file, certs_dir=tmp_path, tokens=given if has_token else None
    )
    with pytest.raises(ConnectionClosedError, match=PUT_ONE) as no:
        await transport.connect()
    assert no.value.may_reconnect
    elsewhere = store_elsewhere.directory
    foreign = token_source("", bridge.ws_url, "herald", certs_dir=elsewhere, ca_file=bridge.ca_file)
    assert foreign is not None
    with pytest.raises(ConnectionClosedError, match=f"{PUT_ONE}|does not take the certificate of this service"):
        await foreign.token()


@processes
async def test_ipccheck_shows_a_certificate_and_says_where_it_has_none(
    bridge: ServerProcess, store: CertificateStore, tmp_path: Path, settings: Settings
) -> None:
    async def first(certs_dir: Path) -> tuple[Outcome, str]:
        results = await check_bridge(bridge.url, ca_file=bridge.ca_file, timeout_s=15, certs_dir=certs_dir)
        return results[0].outcome, results[0].reason

    assert await first(store.directory) == (Outcome.PASS, "")
    outcome, reason = await first(tmp_path)
    assert outcome is Outcome.FAIL
    assert re.search(PUT_ONE, reason)


@processes
def test_the_command_line_shows_a_certificate(
    bridge: ServerProcess, store: CertificateStore, tmp_path: Path, settings: Settings
) -> None:
    options = ["--url", bridge.url, "--ca-file", str(bridge.ca_file), "--service", "herald"]
    settings.CERTS_DIR = store.directory
    call_command("ipc", "emit", "a:b", *options, stdout=StringIO())
    settings.CERTS_DIR = tmp_path
    with pytest.raises(CommandError, match=PUT_ONE) as no:
        call_command("ipc", "emit", "a:b", *options)
    assert no.value.returncode == 75


@processes
@pytest.mark.parametrize("reload", [["--noreload"], []], ids=["noreload", "reload"])
def test_a_renewed_bridge_still_asks(store: CertificateStore, tmp_path: Path, reload: list[str]) -> None:
    """With a new certificate of its own, once it is started again, by hand or by the reloader."""
    directory = tmp_path / "certs"
    shutil.copytree(store.directory, directory)
    seen = set()
    for _ in range(2):
        with Served(directory, *reload, MTLS_SERVICES="bridge") as served:
            url, port, _ = served.listens()
            trust = client_context(directory / "ca-cert.pem", shown=pair(CertificateStore(directory), "exprsn-herald"))
            assert httpx.get(url, verify=trust).status_code == 200
            with pytest.raises(httpx.TransportError):
                httpx.get(url, verify=client_context(directory / "ca-cert.pem"))
            seen.add(store_served(port, trust))
        with override_settings(CERTS_DIR=directory):
            call_command("gencerts", service=["bridge", "herald"], force=True, stdout=StringIO())
    assert len(seen) == 2


def store_served(port: int, trust: ssl.SSLContext) -> bytes | None:
    with (
        socket.create_connection(("127.0.0.1", port), timeout=15) as plain,
        trust.wrap_socket(plain, server_hostname="localhost") as secured,
    ):
        return secured.getpeercert(binary_form=True)


@processes
@pytest.mark.parametrize(
    ("flags", "words"),
    [
        ([], "uvicorn does not ask its clients for certificates: start it with --ssl-cert-reqs 2 --ssl-ca-certs"),
        (["--ssl-cert-reqs", "1"], "does not ask its clients"),
        (["--ssl-cert-reqs", "2", "--ssl-ca-certs", "elsewhere"], "takes certificates of other authorities"),
    ],
)
def test_a_uvicorn_that_would_let_others_in_does_not_start(
    redis_url: str,
    store: CertificateStore,
    store_elsewhere: CertificateStore,
    tmp_path: Path,
    flags: list[str],
    words: str,
) -> None:
    foreign = str(store_elsewhere.certificate_path("ca"))
    server = servers.bridge("uvicorn", redis_url, store.directory, tmp_path / "var", IPC_MTLS="true", **LOCKED)
    server.command = [*server.command[:-4], *(foreign if flag == "elsewhere" else flag for flag in flags)]
    with pytest.raises(AssertionError, match="the server ended"):
        server.start()
    assert words in server.output()
    assert "Traceback" not in server.output()


def lifespan_of(config: Config) -> Any:
    return LifespanOn(config).receive


async def unknown() -> dict[str, Any]:
    raise AssertionError("nothing is received")


def test_a_uvicorn_without_tls_is_refused(settings: Settings, store: CertificateStore) -> None:
    settings.MTLS_SERVICES, settings.CERTS_DIR = ["bridge"], store.directory
    with pytest.raises(ImproperlyConfigured, match="uvicorn serves without TLS"):
        check_client_certificates(lifespan_of(Config("exprsn.asgi:application")))


@pytest.mark.parametrize("receive", [unknown, None], ids=["another server", "daphne"])
def test_a_server_that_does_not_tell_is_warned_of(
    settings: Settings, caplog: pytest.LogCaptureFixture, receive: Any
) -> None:
    settings.MTLS_SERVICES = ["bridge"]
    check_client_certificates(receive)
    assert "cannot be seen from here: connect without one" in caplog.text


@pytest.mark.parametrize(
    "values",
    [
        {"MTLS_SERVICES": []},
        {"MTLS_SERVICES": ["bridge"], "EXPRSN_SERVICE": "timeline"},
        {"MTLS_SERVICES": ["bridge"], "SERVER_ASKS_CLIENTS": True},
    ],
    ids=["off", "timeline", "runserver"],
)
def test_nothing_is_said_where_nobody_is_asked_or_the_server_is_known_to_ask(
    settings: Settings, caplog: pytest.LogCaptureFixture, values: dict[str, Any]
) -> None:
    for name, value in values.items():
        setattr(settings, name, value)
    check_client_certificates(None)
    assert caplog.text == ""
