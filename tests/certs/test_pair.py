"""Reading and writing PEM files, and what is said about bad ones."""

from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat

from certs.errors import ExpiredCertificateError, MissingCertificateError, PairMismatchError, UnreadableCertificateError
from certs.pair import KeyType, check_dates, key_to_pem, key_type_of, new_key, read_certificates, read_key, read_pair
from certs.store import CertificateStore
from tests.certs import companies


@pytest.mark.parametrize("key_type", list(KeyType))
def test_a_key_survives_its_file(tmp_path: Path, key_type: KeyType) -> None:
    """What is written is read back, with its kind."""
    path = tmp_path / "key.pem"
    key = new_key(key_type)
    path.write_bytes(key_to_pem(key))
    again = read_key(path)
    assert again.private_numbers() == key.private_numbers()
    assert key_type_of(again) is key_type


def test_a_pair_belongs_together(store: CertificateStore) -> None:
    """A service's two files are read as one pair."""
    pair = read_pair(store.certificate_path("exprsn-timeline"), store.key_path("exprsn-timeline"))
    assert pair.certificate.public_key() == pair.key.public_key()


def test_another_certificates_key_is_a_mismatch(store: CertificateStore) -> None:
    """Both files are named."""
    with pytest.raises(PairMismatchError, match=r"bridge-key\.pem is not the key of .*timeline-cert\.pem"):
        read_pair(store.certificate_path("exprsn-timeline"), store.key_path("exprsn-bridge"))


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    """Missing is told from unreadable, since it has another remedy."""
    with pytest.raises(MissingCertificateError, match="no-such"):
        read_certificates(tmp_path / "no-such")


def test_what_is_no_file_cannot_be_read(tmp_path: Path) -> None:
    """The system's reason is passed on."""
    with pytest.raises(UnreadableCertificateError, match="Is a directory"):
        read_key(tmp_path)


@pytest.mark.parametrize("content", [b"", b"hello", b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"])
def test_what_is_no_certificate_is_refused(tmp_path: Path, content: bytes) -> None:
    """Neither rubbish nor an empty file gets through."""
    path = tmp_path / "cert.pem"
    path.write_bytes(content)
    with pytest.raises(UnreadableCertificateError, match="holds no PEM certificate"):
        read_certificates(path)


def test_what_is_no_key_is_refused(tmp_path: Path) -> None:
    """Rubbish in a key file is a sentence, not a traceback."""
    path = tmp_path / "key.pem"
    path.write_bytes(b"rubbish")
    with pytest.raises(UnreadableCertificateError, match="is no PEM private key"):
        read_key(path)


def test_a_key_of_another_kind_is_refused(tmp_path: Path) -> None:
    """Clients of TLS 1.2 know RSA and EC."""
    path = tmp_path / "key.pem"
    key = ed25519.Ed25519PrivateKey.generate()
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    with pytest.raises(UnreadableCertificateError, match="neither an RSA nor an EC key"):
        read_key(path)


def test_an_encrypted_key_needs_its_password(tmp_path: Path) -> None:
    """With the password it is read; without it, or with another, a sentence says so."""
    path = tmp_path / "key.pem"
    key = new_key(KeyType.EC)
    path.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(b"right")))
    assert read_key(path, password=b"right").private_numbers() == key.private_numbers()
    with pytest.raises(UnreadableCertificateError, match="is encrypted: set CA_KEY_PASSWORD"):
        read_key(path)
    with pytest.raises(UnreadableCertificateError, match="has another password"):
        read_key(path, password=b"wrong")


def test_a_password_for_a_plain_key_is_said(tmp_path: Path) -> None:
    """A password that is not needed is a sign of the wrong file."""
    path = tmp_path / "key.pem"
    path.write_bytes(key_to_pem(new_key(KeyType.EC)))
    with pytest.raises(UnreadableCertificateError, match="is not encrypted: unset CA_KEY_PASSWORD"):
        read_key(path, password=b"right")


def test_a_certificate_outside_its_dates_is_refused() -> None:
    """Expired and not yet valid have different remedies; one that is valid passes."""
    where = Path("some.pem")
    check_dates(companies.make("valid")[0], where, advice="unused")
    with pytest.raises(ExpiredCertificateError, match=r"some\.pem expired on .*: renew it"):
        check_dates(companies.make("old", days=-1)[0], where, advice="renew it")
    with pytest.raises(ExpiredCertificateError, match=r"valid only from .* clock"):
        check_dates(companies.make("early", days=900)[0], where, advice="unused")
