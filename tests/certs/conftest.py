"""A directory of certificates, made once, that tests copy before they spoil it."""

import shutil
import ssl
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from django.core.management import call_command
from django.test import override_settings
from pytest_django import Settings

from certs.store import CertificateStore
from certs.tls import client_context
from tests.certs.processes import Served


@pytest.fixture(scope="session")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A CA with the certificates of timeline, bridge and localhost: not to be changed."""
    directory = tmp_path_factory.mktemp("made") / "certs"
    with override_settings(CERTS_DIR=directory):
        call_command("gencerts", service=["timeline", "bridge", "localhost"], verbosity=0)
    return directory


@pytest.fixture
def store(made: Path, tmp_path: Path, settings: Settings) -> CertificateStore:
    """A copy of those, where CERTS_DIR points."""
    directory = tmp_path / "certs"
    shutil.copytree(made, directory)
    settings.CERTS_DIR = directory
    return CertificateStore(directory)


@pytest.fixture
def verify(store: CertificateStore) -> Callable[..., str]:
    """`openssl verify -x509_strict` against ca-cert.pem alone: its verdict."""

    def run(name: str, *options: str) -> str:
        certificate, ca = str(store.certificate_path(name)), str(store.certificate_path("ca"))
        command = ["openssl", "verify", "-x509_strict", "-CAfile", ca, "-untrusted", certificate, *options, certificate]
        return subprocess.run(command, capture_output=True, text=True, check=False).stdout.strip()

    return run


@pytest.fixture(scope="session")
def timeline(made: Path) -> Iterator[tuple[str, int, int | None]]:
    """Timeline, served with TLS and its redirect."""
    with Served(made, "--noreload", "--service", "timeline") as served:
        yield served.listens()


@pytest.fixture(scope="session")
def trust(made: Path) -> ssl.SSLContext:
    """A client that has only ca-cert.pem."""
    return client_context(made / "ca-cert.pem")
