"""`manage.py runserver` as real processes: TLS, the redirect, the service, bad days and shutdown."""

import socket
import ssl
import subprocess
from pathlib import Path

import httpx
import pytest

from certs.store import CertificateStore
from certs.tls import client_context
from tests.certs.processes import Served

pytestmark = pytest.mark.processes


def test_it_serves_the_service_over_https(timeline: tuple[str, int, int | None], trust: ssl.SSLContext) -> None:
    """The application was loaded as Timeline's, and nothing tells which server it is."""
    response = httpx.get(f"{timeline[0]}/some/path", verify=trust)
    assert response.json() | {"pid": 0} == {
        "service": "timeline",
        "scheme": "https",
        "path": "/some/path",
        "pid": 0,
        "redirects": True,
    }
    assert "server" not in response.headers


def test_it_serves_its_own_certificate(timeline: tuple[str, int, int | None], made: Path) -> None:
    """The one that gencerts made for it, not localhost's."""
    served = ssl.get_server_certificate(("127.0.0.1", timeline[1]))
    assert served == (made / "exprsn-timeline-cert.pem").read_text()


@pytest.mark.parametrize(
    ("version", "spoken"), [("-tls1", False), ("-tls1_1", False), ("-tls1_2", True), ("-tls1_3", True)]
)
def test_openssl_gets_tls_1_2_or_newer(
    timeline: tuple[str, int, int | None], made: Path, version: str, *, spoken: bool
) -> None:
    """`openssl s_client`, with every cipher it has: TLS 1.1 and older are refused, and the rest verifies."""
    command = ["openssl", "s_client", "-connect", f"127.0.0.1:{timeline[1]}", version, "-cipher", "ALL:@SECLEVEL=0"]
    told = subprocess.run(
        [*command, "-CAfile", made / "ca-cert.pem", "-x509_strict", "-verify_hostname", "timeline"],
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        timeout=30,
    )
    assert ("Verify return code: 0 (ok)" in told.stdout and "Verified peername" in told.stdout) is spoken
    assert ("alert protocol version" in told.stderr) is not spoken


def test_tls_1_2_is_offered_only_modern_ciphers(timeline: tuple[str, int, int | None]) -> None:
    """A client that has no ephemeral key exchange gets nothing."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.maximum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers("AES128-SHA:AES256-GCM-SHA384:ECDHE-RSA-AES128-SHA")
    with (
        socket.create_connection(("127.0.0.1", timeline[1]), timeout=10) as plain,
        pytest.raises(ssl.SSLError, match=r"(?i)handshake failure"),
    ):
        context.wrap_socket(plain)


def test_the_redirect_leads_to_the_https_port(timeline: tuple[str, int, int | None], trust: ssl.SSLContext) -> None:
    """301, and following it gets the page."""
    response = httpx.get(f"http://localhost:{timeline[2]}/a?b=c")
    assert (response.status_code, response.headers["location"]) == (301, f"{timeline[0]}/a?b=c")
    assert httpx.get(response.headers["location"], verify=trust).json()["path"] == "/a"
    assert httpx.get(f"http://localhost:{timeline[2]}/", headers={"Host": "evil.org"}).status_code == 400


def test_the_tls_port_speaks_no_plain_http(timeline: tuple[str, int, int | None]) -> None:
    """A plain request gets no answer there."""
    with pytest.raises(httpx.TransportError):
        httpx.get(f"http://localhost:{timeline[1]}/")


def test_the_bridge_is_served_by_default_and_has_no_redirect(made: Path, trust: ssl.SSLContext) -> None:
    """One port, TLS, and the line that says it is all there is."""
    with Served(made, "--noreload") as served:
        url, _, redirect = served.listens()
        assert httpx.get(url, verify=trust).json()["service"] == "bridge"
        assert redirect is None


def test_without_tls_nothing_is_redirected(made: Path) -> None:
    """--no-tls is plain HTTP, and the settings that would send it to HTTPS are taken back."""
    with Served(made, "--noreload", "--no-tls", "--service", "timeline") as served:
        url, _, redirect = served.listens()
        told = httpx.get(url).json()
        assert (told["scheme"], told["redirects"], redirect) == ("http", False, None)


def test_a_service_without_a_certificate_has_localhosts(store: CertificateStore) -> None:
    """A client on this machine accepts it all the same, and the log says so."""
    store.certificate_path("exprsn-timeline").unlink()
    with Served(store.directory, "--noreload", "--service", "timeline") as served:
        url, port, _ = served.listens()
        assert ssl.get_server_certificate(("127.0.0.1", port)) == store.certificate_path("localhost").read_text()
        assert httpx.get(url, verify=client_context(store.certificate_path("ca"))).status_code == 200
    assert "serving localhost's certificate" in served.output()


@pytest.mark.parametrize("reload", [[], ["--noreload"]])
def test_a_taken_port_is_one_sentence(made: Path, reload: list[str]) -> None:
    """It says which port, and the exit code is 1, with the reloader too."""
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with Served(made, *reload, f"127.0.0.1:{port}") as served:
            assert served.ends() == 1
    said = served.output()
    assert f"cannot listen on 127.0.0.1 port {port}: it is taken by another program" in said
    assert "Traceback" not in said


@pytest.mark.parametrize("reload", [[], ["--noreload"]])
def test_a_missing_certificate_is_one_sentence(tmp_path: Path, reload: list[str]) -> None:
    """It says what to run."""
    with Served(tmp_path, *reload) as served:
        assert served.ends() == 1
    said = served.output()
    assert "exprsn-bridge-cert.pem" in said
    assert "run manage.py gencerts" in said
    assert "Traceback" not in said


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        (["--service", "nope"], "there is no service 'nope': it is one of bridge, herald, timeline"),
        (["--service", "herald"], "there is no port for 'herald' in SERVICE_PORTS"),
        (["127.0.0.1:99999"], "cannot listen on 127.0.0.1 port 99999: bind(): port must be 0-65535"),
        (["--noasgi"], "--noasgi is not available"),
    ],
)
def test_a_wrong_option_is_one_sentence(made: Path, arguments: list[str], sentence: str) -> None:
    """No traceback for what a person mistyped."""
    with Served(made, "--noreload", *arguments) as served:
        assert served.ends() == 1
    said = served.output()
    assert sentence in said
    assert "Traceback" not in said
