"""The key of the CA: the one that is in the file now, and none where there is none that holds."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from pytest_django import Settings

from certs.names import CA
from certs.pair import KeyType, PrivateKey
from certs.store import CertificateStore
from ipc.django_app.ca_key import current_ca_key
from ipc.protocol.ca_tokens import CAKey
from ipc.protocol.errors import UnavailableError
from tests.certs.companies import company, make
from tests.people import make_ca


@pytest.fixture
def path(settings: Settings, tmp_path: Path) -> Path:
    settings.CERTS_DIR = tmp_path
    return tmp_path / "ca-cert.pem"


@pytest.mark.parametrize(("key_type", "algorithm"), [(KeyType.EC, "ES384"), (KeyType.RSA, "RS256")])
def test_it_is_that_of_our_own_ca(path: Path, key_type: KeyType, algorithm: str) -> None:
    key = make_ca(path.parent, key_type=key_type)
    assert current_ca_key() == CAKey.of(key.public_key())
    assert current_ca_key().algorithm == algorithm


def test_of_a_companys_ca_it_is_that_of_the_one_that_signs(path: Path) -> None:
    authority = company()
    assert authority.key is not None
    CertificateStore(path.parent).write(CA, authority.certificates, authority.key)
    assert current_ca_key_of(authority.key)


def test_a_new_ca_counts_at_once(path: Path) -> None:
    for _ in range(3):
        assert current_ca_key_of(make_ca(path.parent))


def current_ca_key_of(key: PrivateKey) -> bool:
    return current_ca_key().id == CAKey.of(key.public_key()).id


def test_without_a_ca_there_is_none(path: Path, settings: Settings, caplog: pytest.LogCaptureFixture) -> None:
    """Where it was looked for is nobody's business but the operator's."""
    for content in (None, b"", b"no pem", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"):
        if content is not None:
            path.write_bytes(content)
        with pytest.raises(UnavailableError) as refused:
            current_ca_key()
        assert str(path) not in refused.value.message
        assert str(path) in caplog.text
    settings.CERTS_DIR = None
    with pytest.raises(UnavailableError, match="CERTS_DIR is not set"):
        current_ca_key()


def test_a_ca_that_has_expired_is_none(path: Path) -> None:
    certificate, key = make("Old", days=-1)
    CertificateStore(path.parent).write(CA, [certificate], key)
    assert certificate.not_valid_after_utc < datetime.now(UTC)
    with pytest.raises(UnavailableError, match="expired"):
        current_ca_key()
