"""`HTTPSServerManager`: which certificate it takes, and why it refuses one."""

import logging
from io import StringIO
from pathlib import Path

import httpx
import pytest
from django.core.management import call_command
from pytest_django import Settings

from certs.errors import (
    ExpiredCertificateError,
    InvalidNameError,
    MissingCertificateError,
    PairMismatchError,
    UnreadableCertificateError,
)
from certs.pair import KeyType, certificates_to_pem
from certs.renewal import Order, renew
from certs.server import HTTPSServerManager, allowed_hosts
from certs.store import CertificateStore
from certs.tls import client_context
from tests.certs import companies
from tests.certs.processes import Served


def test_it_loads_the_services_certificate(store: CertificateStore) -> None:
    """Known by either name, with its figures."""
    manager = HTTPSServerManager("timeline", 3004, 3003)
    assert manager.service_name == manager.certificate_name == "exprsn-timeline"
    assert manager.certificate_info.subject == "CN=exprsn-timeline,O=Exprsn"
    assert manager.certificate_info.days_left == 365
    assert manager.redirect_port == 3003


@pytest.mark.parametrize(("http_port", "redirect_http"), [(None, True), (3003, False)])
def test_a_redirect_needs_a_port_and_the_wish(
    store: CertificateStore, http_port: int | None, *, redirect_http: bool
) -> None:
    """Without one of them nothing plain is opened."""
    assert HTTPSServerManager("timeline", 3004, http_port, redirect_http).redirect_port is None


def test_localhosts_certificate_takes_its_place(store: CertificateStore, caplog: pytest.LogCaptureFixture) -> None:
    """Where the service has none; a warning says so."""
    store.certificate_path("exprsn-timeline").unlink()
    with caplog.at_level(logging.WARNING):
        manager = HTTPSServerManager("timeline", 3004)
    assert manager.certificate_name == "localhost"
    assert "serving localhost's certificate" in caplog.text


def test_neither_is_an_error(store: CertificateStore) -> None:
    """It names both files, and what to run."""
    for name in ("exprsn-timeline", "localhost"):
        store.certificate_path(name).unlink()
    with pytest.raises(
        MissingCertificateError, match=r"exprsn-timeline-cert\.pem, and .*localhost.*run manage\.py gen"
    ):
        HTTPSServerManager("timeline", 3004)


def test_a_spoilt_certificate_is_not_passed_over(store: CertificateStore) -> None:
    """Localhost's does not hide that the service's own cannot be read."""
    store.certificate_path("exprsn-timeline").write_text("rubbish")
    with pytest.raises(UnreadableCertificateError, match=r"holds no PEM certificate.*: run manage\.py gencerts"):
        HTTPSServerManager("timeline", 3004)


def test_a_mismatched_pair_is_refused(store: CertificateStore) -> None:
    """Before any port is open."""
    store.key_path("exprsn-timeline").write_bytes(store.key_path("exprsn-bridge").read_bytes())
    with pytest.raises(PairMismatchError, match=r"is not the key of .*: run manage\.py gencerts"):
        HTTPSServerManager("timeline", 3004)


def test_an_expired_certificate_is_refused(store: CertificateStore) -> None:
    """With the day it ended."""
    certificate, key = companies.make("exprsn-timeline", ca=False, days=-1)
    store.write("exprsn-timeline", [certificate], key)
    with pytest.raises(ExpiredCertificateError, match=r"expired on \d{4}-\d\d-\d\d: run manage\.py gencerts"):
        HTTPSServerManager("timeline", 3004)


def test_an_expiring_certificate_is_served_with_a_warning(
    store: CertificateStore, caplog: pytest.LogCaptureFixture
) -> None:
    """There is time left to renew it."""
    call_command("gencerts", "--service", "timeline", "--force", "--days", "10", stdout=StringIO())
    with caplog.at_level(logging.WARNING):
        HTTPSServerManager("timeline", 3004)
    assert "exprsn-timeline-cert.pem expires in 10 days" in caplog.text


def test_an_unknown_service_is_refused(store: CertificateStore) -> None:
    """Before its certificate is looked for."""
    with pytest.raises(InvalidNameError):
        HTTPSServerManager("nope", 3004)


@pytest.mark.parametrize(("debug", "count"), [(True, 3), (False, 0)])
def test_the_allowed_hosts_are_djangos(settings: Settings, *, debug: bool, count: int) -> None:
    """An empty list means this machine in debug mode, and nothing otherwise."""
    settings.DEBUG, settings.ALLOWED_HOSTS = debug, []
    assert len(allowed_hosts()) == count


def test_a_service_whose_clients_show_certificates_needs_the_ca_for_them(
    store: CertificateStore, settings: Settings
) -> None:
    """The others do not."""
    settings.MTLS_SERVICES = ["bridge"]
    assert HTTPSServerManager("bridge", 3010).asks_clients
    store.certificate_path("ca").unlink()
    with pytest.raises(
        MissingCertificateError, match=r"ca-cert\.pem, and clients have to show a certificate of that CA"
    ):
        HTTPSServerManager("bridge", 3010)
    assert not HTTPSServerManager("timeline", 3004).asks_clients


def test_a_ca_that_has_expired_is_none_for_clients(store: CertificateStore, settings: Settings) -> None:
    settings.MTLS_SERVICES = ["bridge"]
    store.write_certificates("ca", [companies.make("Old", days=-1)[0]])
    with pytest.raises(ExpiredCertificateError, match="nobody could show a certificate of it"):
        HTTPSServerManager("bridge", 3010)


@pytest.mark.processes
def test_the_company_chain_is_sent(store: CertificateStore, tmp_path: Path) -> None:
    """A client that has only the root follows the intermediate that the server sends."""
    authority = companies.company()
    renew(store, Order(services=["exprsn-bridge"], company=authority, key_type=KeyType.EC), lambda _line: None)
    root = tmp_path / "root.pem"
    root.write_bytes(certificates_to_pem(authority.certificates[1:]))
    with Served(store.directory, "--noreload") as served:
        url, _, _ = served.listens()
        assert httpx.get(url, verify=client_context(root)).status_code == 200
